/// \file
/// handlers::replay
#pragma once

#include <wick/effect/handlers/common.hpp>
#include <wick/effect/trace.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class replay;

/// Gives latent sample sites and plates the values and indices they have in a trace; densities stay those of the program that runs.
///
/// A site that is observed here is left alone. Reads: type, name, is_observed. Writes: value, done, infer (the traced site's replaces it).
/// Throws: wick.handler.E253 when the traced site of that name is observed or no sample site, wick.plate.E210 when a subsampled plate has
/// another size in the trace.
/// Example:
///     const Trace t = handlers::trace(guide).get_trace(y);
///     const Trace u = handlers::trace(handlers::replay(model, t)).get_trace(y);  // log p at the guide's values
template <>
class replay<Scope> final : public Handler {
 public:
  /// The trace is not copied: it must outlive the scope.
  [[nodiscard]] explicit replay(const Trace& t) : trace_(&t) { enter(kSeen, no_types); }
  [[nodiscard]] explicit replay(Trace&& t) : own_(std::move(t)), trace_(&own_) { enter(kSeen, no_types); }
  void process(Message& m) override {
    const bool is_plate = m.type == SiteType::plate;
    if (!is_plate && m.is_observed) return;
    const Site* s = trace_->find(m.name);
    if (s == nullptr) return;
    if (is_plate) return replay_plate(m, *s);
    if (WICK_UNLIKELY(s->type != SiteType::sample || s->is_observed)) raise(m, *s);
    m.value = s->value;
    m.done = true;
    m.infer = s->infer;
  }

 private:
  static constexpr SiteTypes kSeen = types_of(SiteType::sample) | types_of(SiteType::plate);
  static void replay_plate(Message& m, const Site& s) {
    if (s.type != SiteType::plate) return;
    if (WICK_UNLIKELY(s.full_size != m.full_size)) {
      if (s.value.empty() && m.size == m.full_size) return;  // both are whole: another data set
      detail::raise_plate_returns(m, s, "in the replayed trace");
    }
    m.value = s.value;
    m.done = true;  // also where there is no value: the plate is whole in the trace
  }
  [[noreturn]] WICK_COLD static void raise(const Message& m, const Site& s) {
    detail::raise<SiteError>("wick.handler.E253", m.name.view(),
                             {"replay: the site is latent here, in the trace it is ", s.type == SiteType::sample ? "an observed site" : "a ",
                              s.type == SiteType::sample ? "" : detail::type_text(s.type)},
                             {"sample it in the traced program (the guide) without obs\n  or rename one of the two"});
  }

  Trace own_;
  const Trace* trace_;
};

template <class F>
class replay final : public Wrapper<replay<F>, F> {
 public:
  replay(F f, Trace t) : Wrapper<replay<F>, F>(std::move(f)), trace_(std::move(t)) {}
  handlers::replay<Scope> make_scope() const { return handlers::replay<Scope>(trace_); }

 private:
  Trace trace_;
};
replay(const Trace&) -> replay<Scope>;
replay(Trace&&) -> replay<Scope>;
template <class F>
replay(F, Trace) -> replay<F>;

}  // namespace wick::inline WICK_ABI::handlers
