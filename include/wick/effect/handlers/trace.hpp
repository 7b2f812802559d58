/// \file
/// handlers::trace
#pragma once

#include <wick/effect/handlers/common.hpp>
#include <wick/effect/trace.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class trace;

/// Records the sites inside into a Trace, each as it is when the handlers outside have seen it and those inside have not yet
/// postprocessed it.
///
/// A plate whose name returns in one run gets the indices it had. Reads: everything. Writes: value, done (of such plates).
/// Throws: wick.trace.E221 (a second sample site of a name), E222 (a name used by two types), wick.plate.E210 (a plate returns with another size or dim).
/// Example:
///     const Trace t = handlers::trace(model).get_trace(y);
///     std::printf("%s", t.format_shapes().c_str());
template <>
class trace<Scope> final : public Handler {
 public:
  /// Records into `out`, which is emptied first and must outlive the scope.
  [[nodiscard]] explicit trace(Trace& out) : out_(&out) {
    out.clear();
    enter(types_of(SiteType::plate), all_types);
  }
  void process(Message& m) override {
    if (m.done) return;
    const Site* s = out_->find(m.name);
    if (s == nullptr || s->type != SiteType::plate || s->full_size != m.full_size) return;
    m.value = s->value;
    m.done = true;
  }
  void postprocess(Message& m) override {
    if (WICK_LIKELY(!m.infer.do_not_trace)) out_->add(m);
  }

 private:
  Trace* out_;
};

template <class F>
class trace final {
 public:
  explicit trace(F f) : f_(std::move(f)) {}
  /// Runs the callable and returns its trace, with what it returned if that is a tensor. Errors get the table of the sites recorded so far.
  template <class... T>
  Trace get_trace(T&&... x) {
    return record(f_, std::forward<T>(x)...);
  }
  template <class... T>
  Trace get_trace(T&&... x) const {
    return record(f_, std::forward<T>(x)...);
  }
  /// Runs the callable under a trace that is dropped.
  template <class... T>
  decltype(auto) operator()(T&&... x) {
    Trace dropped;
    return run(dropped, f_, std::forward<T>(x)...);
  }
  template <class... T>
  decltype(auto) operator()(T&&... x) const {
    Trace dropped;
    return run(dropped, f_, std::forward<T>(x)...);
  }

 private:
  template <class G, class... T>
  static Trace record(G& f, T&&... x) {
    Trace out;
    if constexpr (std::is_convertible_v<decltype(f(std::forward<T>(x)...)), Tensor>)
      out.set_return_value(run(out, f, std::forward<T>(x)...));
    else
      static_cast<void>(run(out, f, std::forward<T>(x)...));
    return out;
  }
  template <class G, class... T>
  static decltype(auto) run(Trace& out, G& f, T&&... x) {
    try {
      const trace<Scope> scope(out);
      return f(std::forward<T>(x)...);
    } catch (Error& e) {
      detail::add_shape_table(e, out);
      throw;
    }
  }
  F f_;
};
trace(Trace&) -> trace<Scope>;
template <class F>
trace(F) -> trace<F>;
// Wrapping a wrapper wraps twice; without this, class template argument deduction would copy it.
template <class F>
trace(trace<F>) -> trace<trace<F>>;

}  // namespace wick::inline WICK_ABI::handlers
