/// \file
/// How Predictive runs its programs: one draw after the other, or many at once in a plate.
#pragma once

#include <wick/core/fault.hpp>
#include <wick/effect/param_store.hpp>
#include <wick/effect/plate.hpp>
#include <wick/infer/elbo.hpp>
#include <wick/infer/predictive_parts.hpp>
#include <wick/tensor/make.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// What Predictive does, for any model: the non-template part.
class PredictiveRun {
 public:
  PredictiveRun(const PredictiveOptions& options, const Samples* given, const Callable& model, const Callable* guide, Tensor& returned)
      : o_(options), given_(given), model_call_(model), guide_call_(guide), returned_(&returned) {}
  PredictiveRun(const PredictiveRun&) = delete;
  PredictiveRun& operator=(const PredictiveRun&) = delete;

  /// All draws in chunks to `sink`, or without one into `out`. On any error the parameter store is as before.
  void run(const Callback<SampleChunk>& sink, Samples& out);

 private:
  /// A site whose draws are collected, or with no name what the model returns.
  struct Chosen {
    Name name;
    Shape shape;
    Index count;
    Tensor rows;
  };
  void check_options();
  void all_draws(const Callback<SampleChunk>& sink, Samples& out);
  void survey();
  void widen_nesting(const Trace& t);
  void execute(Index draw, Index rows);
  void programs(std::uint64_t step, Index draw, Index rows);
  void record(const Callable& program, Trace& out, std::uint64_t run, std::uint64_t step);
  void call(const Callable& program, Index rows) const;
  void check_guide() const;
  void check_given() const;
  void choose();
  void choose_site(Name name);
  static bool is_default(const Site& s) noexcept;
  bool is_given(Name name) const noexcept { return given_ != nullptr && given_->find(name) != nullptr; }
  void begin_chunk(Index size);
  void append(Index draw, Index first, Index count, Index rows);
  void append_values(Chosen& c, const Tensor& value, Index draw, Index first, Index count, Index rows);
  void append_weights(Index first, Index count, Index rows);
  void add_weight(const Site& s, double sign, double* to, Index first, Index count, Index rows) const;
  const Site* find(Name name) const noexcept;
  bool deliver(const Callback<SampleChunk>& sink, Index end, Samples& out);
  void verify(const Callable& program, const Trace& all, Index rows);
  void compare(const Site& alone, const Trace& all, Index rows) const;
  static bool same_number(double a, double b) noexcept;
  static bool same_row(const Tensor& all, const Tensor& alone, Index rows);
  double row_sum(const Site& s, Index row, Index rows) const;
  Tensor value_of(const Site& s) const { return s.type == SiteType::plate && s.value.empty() ? arange(s.full_size) : s.value; }
  [[noreturn]] void raise_shape(const Chosen& c, const Shape& now, Index draw) const;
  [[noreturn]] void raise_missing(Name name, Index draw) const;
  [[noreturn]] void raise_extra(Name name, Index draw) const;
  [[noreturn]] void raise_parallel(std::string_view site, std::string_view why, Index rows) const;
  [[noreturn]] void raise_unknown(std::string_view name) const;

  const PredictiveOptions& o_;
  const Samples* given_;
  const Callable& model_call_;
  const Callable* guide_call_;
  Tensor* returned_;  ///< where `model` leaves what it returns
  std::uint64_t seed_ = 0;
  Index n_ = 0, batch_ = 1, chunk_ = 0;
  Index nesting_ = 0;  ///< batch dims right of the plate of draws
  RandomScope random_;
  Trace guide_, model_, plain_guide_, plain_model_;
  Tensor plain_returned_;
  List<bool> used_;
  List<Chosen> chosen_;
  std::size_t defaults_ = 0;  ///< how many sites are chosen by default; 0: they were named
  Tensor weights_;
  Index room_ = 0, filled_ = 0;
};

// --- what can be wrong -----------------------------------------------------------------------------------------------

WICK_COLD inline void PredictiveRun::raise_shape(const Chosen& c, const Shape& now, Index draw) const {
  const bool site = static_cast<bool>(c.name);
  raise<ShapeError>("wick.predictive.E323", c.name.view(), {site ? "the site's value" : "what the model returns", " has shape ", now, " in draw ", draw, " and ", c.shape, " in the first one"},
                    {"choose sites whose shape is always the same: {.return_sites = {…}}\n  or call the program yourself, with handlers::trace, and keep the values draw by draw"});
}
WICK_COLD inline void PredictiveRun::raise_missing(Name name, Index draw) const {
  raise<SiteError>("wick.predictive.E324", name.view(), {"the first draw has this site, draw ", draw, " does not"}, {"choose sites that every draw has: {.return_sites = {…}}"});
}
WICK_COLD inline void PredictiveRun::raise_extra(Name name, Index draw) const {
  raise<SiteError>("wick.predictive.E324", name.view(), {"draw ", draw, " has this site, the first one does not"}, {"choose sites that every draw has: {.return_sites = {…}}"});
}
WICK_COLD inline void PredictiveRun::raise_parallel(std::string_view site, std::string_view why, Index rows) const {
  raise<UsageError>("wick.predictive.E328", site, {"the program cannot make ", rows, " draws at once: ", why},
                    {"leave out .parallel: draws are then made one by one\n  or write it for values with more dims at the left: reduce over given dims (sum(x, -1)), "
                     "leave matmul, item() and branches on drawn values out\n  or, for a network with dropout, call its eval()"});
}
WICK_COLD inline void PredictiveRun::raise_unknown(std::string_view name) const {
  try {
    raise<SiteError>("wick.predictive.E322", name, {name.empty() ? "the program has no site to return" : "the program has no site of this name to return"},
                     {"use names of the table in .return_sites, or leave it out for all sites"});
  } catch (Error& e) {
    add_shape_table(e, o_.parallel ? plain_model_ : model_);
    throw;
  }
}

WICK_COLD inline void PredictiveRun::check_options() {
  n_ = o_.num_samples.value;
  batch_ = o_.parallel ? o_.batch.value : 1;
  chunk_ = o_.chunk.value;
  if (given_ != nullptr) {
    if (given_->empty()) raise<ShapeError>("wick.predictive.E321", "", {"no samples are given"}, {"give the draws of at least one site\n  or leave them out, for draws of the prior"});
    if (o_.log_weights)
      raise<UsageError>("wick.predictive.E329", "", {"given samples have no importance weights: nothing says which density they were drawn from"}, {"leave .log_weights out\n  or give a guide in their place"});
    for (const Samples::Item& i : *given_) {
      const Index own = i.values.dim() == 0 ? -1 : i.values.shape()[0];
      if (n_ == 0) n_ = own;
      if (own != n_ || own < 1)
        raise<ShapeError>("wick.predictive.E321", i.name.view(), {"the given samples have shape ", i.values.shape(), "; as leading dimension it wants the number of draws, ", n_ < 1 ? Part("1 or more") : Part(n_)},
                          {"give every site one value a draw, stacked along dimension 0\n  or leave .num_samples out, which then is their number"});
    }
    used_.resize(given_->size(), false);
  }
  if (n_ < 1) raise<DomainError>("wick.predictive.E320", "", {"num_samples is ", n_, "; it must be at least 1"}, {"say how many draws: {.num_samples = 1000}"});
  if (batch_ < 1 || chunk_ < 1)
    raise<DomainError>("wick.predictive.E320", "", {batch_ < 1 ? "batch" : "chunk", " is ", batch_ < 1 ? batch_ : chunk_, "; it must be at least 1"}, {"leave it out, or give a positive number"});
}

/// Guide and model must speak of the same sites.
inline void PredictiveRun::check_guide() const {
  bool draws = false;
  for (const Site& g : guide_) {
    if (g.type != SiteType::sample || g.infer.is_auxiliary) continue;
    draws = true;
    const Site* m = model_.find(g.name);
    if (WICK_UNLIKELY(m == nullptr || m->type != SiteType::sample))
      raise_pair("wick.predictive.E325", g, {"the guide draws this site, the model does not have it"},
                 {"sample it in the model, or mark it with Infer{.is_auxiliary = true} in the guide\n  or leave the guide out, for draws of the prior"}, guide_, model_);
    if (!m->is_observed) check_latent(*m, guide_, model_);
  }
  if (WICK_UNLIKELY(!draws))
    raise<SiteError>("wick.predictive.E325", "", {"the guide draws no site of the model"}, {"draw the model's latent sites in the guide, under the same names\n  or leave the guide out, for draws of the prior"});
}
WICK_COLD inline void PredictiveRun::check_given() const {
  for (std::size_t i = 0; i < used_.size(); ++i)
    if (!used_[i]) {
      try {
        raise<SiteError>("wick.predictive.E326", given_->begin()[i].name.view(), {"samples are given for this site, which the model does not have"}, {"give samples under the model's names\n  or leave the site out of them"});
      } catch (Error& e) {
        add_shape_table(e, model_);
        throw;
      }
    }
}

// --- running ---------------------------------------------------------------------------------------------------------

WICK_NOINLINE inline void PredictiveRun::record(const Callable& program, Trace& out, std::uint64_t run, std::uint64_t step) {
  try {
    random_.restart(seed_, make_stream(Role::predictive, run), step, 0);
    const handlers::trace<> recorder(out);
    program();
  } catch (Error& e) {
    add_shape_table(e, out);
    throw;
  }
}
/// The program as it is, or `rows` times at once.
inline void PredictiveRun::call(const Callable& program, Index rows) const {
  if (rows == 0) return program();
  const plate draws(kDrawsPlate, rows, {.dim = -nesting_ - 1});
  program();
}
inline void PredictiveRun::programs(std::uint64_t step, Index draw, Index rows) {
  const RandomGuard guard(random_);
  auto guide = [&] { call(*guide_call_, rows); };
  auto model = [&] {
    if (given_ != nullptr) {
      const GiveSamples given(*given_, used_, draw, rows == 0 ? 1 : rows, nesting_, rows != 0);
      call(model_call_, rows);
    } else if (WICK_FAULT(predictive_ignores_guide, guide_call_ != nullptr, false)) {
      const handlers::replay<> replayed(guide_);
      call(model_call_, rows);
    } else {
      call(model_call_, rows);
    }
  };
  if (guide_call_ != nullptr) record(Callable(guide), guide_, 1, step);
  record(Callable(model), model_, 0, step);
  if (guide_call_ != nullptr) check_guide();
}

/// One draw, or a batch of them. What goes wrong only in a batch is said to be wrong with that.
inline void PredictiveRun::execute(Index draw, Index rows) {
  if (!o_.parallel) return programs(static_cast<std::uint64_t>(draw), draw, 0);
  const auto first_line = [](const Error& e) {
    const std::string_view all = e.what();
    return all.substr(0, all.find('\n'));
  };
  try {
    programs(static_cast<std::uint64_t>(draw / batch_), draw, rows);
  } catch (const ShapeError& e) {
    raise_parallel(e.site(), first_line(e), rows);
  } catch (const SiteError& e) {
    raise_parallel(e.site(), first_line(e), rows);
  } catch (const UsageError& e) {
    raise_parallel(e.site(), first_line(e), rows);
  }
  if (draw != 0 || rows == 1) return;
  if (guide_call_ != nullptr) verify(*guide_call_, guide_, rows);
  const Tensor together = *returned_;
  verify(model_call_, model_, rows);
  const Tensor alone = std::exchange(*returned_, together);
  if (!o_.return_values || together.empty() || alone.empty()) return;
  if (!same_row(together, alone, rows))
    raise_parallel("", join({"what the last of them alone returns, of shape ", alone.shape(), ", is another value than among the others, where all together return shape ", together.shape()}), rows);
}

/// One run without the plate of draws says how deep plates are nested, and which sites of which shapes there are.
inline void PredictiveRun::survey() {
  programs(~std::uint64_t{0}, 0, 0);
  widen_nesting(guide_);
  widen_nesting(model_);
  plain_guide_.swap(guide_);
  plain_model_.swap(model_);
  plain_returned_ = *returned_;
}
inline void PredictiveRun::widen_nesting(const Trace& t) {
  const auto widen = [&](Index dims) { nesting_ = dims > nesting_ ? dims : nesting_; };
  for (const Site& s : t) {
    if (s.type == SiteType::plate) widen(-s.dim);
    if (s.fn() == nullptr) continue;
    widen(s.fn()->shape().rank() - s.fn()->event_dim());
    widen(s.value.dim() - s.fn()->event_dim());
    widen(s.scale.dim());
    widen(s.mask.dim());
  }
}

/// Runs the last draw of a batch alone: its densities and computed values must be the same, or the program mixes draws.
inline void PredictiveRun::verify(const Callable& program, const Trace& all, Index rows) {
  Trace alone;
  auto given = [&] {
    const GiveRow row(all, rows - 1, rows);
    program();
  };
  const RandomGuard guard(random_);
  record(Callable(given), alone, 2, 0);
  for (const Site& s : alone) compare(s, all, rows);
  for (const Site& s : all)
    if (alone.find(s.name) == nullptr && s.name.view() != kDrawsPlate) raise_parallel(s.name.view(), "the last of them alone does not have this site", rows);
}
/// Equal but for rounding: sums of many terms differ in their order.
inline bool PredictiveRun::same_number(double a, double b) noexcept { return a == b || (a != a && b != b) || std::fabs(a - b) <= 1e-8 * (1 + std::fabs(b)); }
/// Whether the last row of `all` is `alone`.
inline bool PredictiveRun::same_row(const Tensor& all, const Tensor& alone, Index rows) {
  const DrawRows r = rows_of(all, rows, alone.numel());
  bool same = r.fits;
  for (Index i = 0; same && i < alone.numel(); ++i) same = same_number(r.data[(rows - 1) * r.stride + i], alone.data()[i]);
  return same;
}
inline void PredictiveRun::compare(const Site& alone, const Trace& all, Index rows) const {
  const Site* s = all.find(alone.name);
  if (s == nullptr || s->type != alone.type) raise_parallel(alone.name.view(), "the last of them alone has this site, all together do not", rows);
  if (alone.type == SiteType::sample) {
    const double sum = row_sum(*s, rows - 1, rows), expected = alone.log_prob_sum().item();
    if (!same_number(sum, expected))
      raise_parallel(alone.name.view(), join({"the last of them has log density ", expected, " at this site alone, and ", sum, " among the others: the program mixes draws"}), rows);
  } else if (alone.type == SiteType::deterministic && !alone.value.empty() && !s->value.empty()) {
    if (!same_row(s->value, alone.value, rows))
      raise_parallel(alone.name.view(), join({"the last of them alone gives this site another value, of shape ", alone.value.shape(), ", than among the others, where all together have shape ", s->value.shape()}), rows);
  }
}
/// Σ log density of one draw; a density that all draws share is that of each.
inline double PredictiveRun::row_sum(const Site& s, Index row, Index rows) const {
  const Tensor& lp = s.log_prob();
  const bool apart = lp.dim() == nesting_ + 1 && lp.shape()[0] == rows && rows > 1;
  const Index count = apart ? lp.numel() / rows : lp.numel();
  const double* from = lp.data() + (apart ? row * count : 0);
  double total = 0;
  for (Index i = 0; i < count; ++i) total += from[i];
  return total;
}

}  // namespace detail
}  // namespace wick::inline WICK_ABI
