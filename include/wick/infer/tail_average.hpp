/// \file
/// TailAverage: the mean of the parameters over the last steps of a fit.
#pragma once

#include <wick/effect/param_store.hpp>
#include <wick/infer/svi.hpp>
#include <wick/optim/slots.hpp>

namespace wick::inline WICK_ABI {

/// Where parameters are averaged.
enum class AverageSpace : unsigned char {
  unconstrained,  ///< the numbers that the optimiser moves: scales are averaged as logarithms
  constrained     ///< the values that programs see
};

struct TailAverageOptions {
  Count burn_in = 0;  ///< so many calls are left out first
  Count every = 1;    ///< of the others, every so many-th counts
  AverageSpace space = AverageSpace::unconstrained;
};

/// Averages the parameters of the store in force from the end of a burn-in on: `TailAverage average({.burn_in = 2000}); svi.run({.steps = 5000,
/// .callback = [&](const SviProgress& p) { return average(p); }}); average.apply();`
///
/// With a rate that does not fall to 0 the parameters of a fit end as noisy as the last gradients; their mean does not, up to a bias that grows with
/// the rate. A parameter that comes later is averaged from then on. Calls after the first with the same parameters allocate nothing.
/// Throws: wick.optim.E612 for options outside their range. Source: Polyak & Juditsky 1992; for variational inference Dhaka et al. 2020, section 4.
class TailAverage {
 public:
  explicit TailAverage(const TailAverageOptions& o = {}) : o_(o) {
    if (o.burn_in.value < 0 || o.every.value < 1)
      detail::raise<DomainError>("wick.optim.E612", "", {"TailAverage: burn_in is ", o.burn_in, ", every is ", o.every, "; wanted are burn_in ≥ 0 and every ≥ 1"}, {"give numbers of steps"});
  }
  /// For `RunOptions::callback`; never ends the run.
  bool operator()(const SviProgress&) {
    step();
    return true;
  }
  /// Counts a step and averages, if it is time.
  void step() {
    const std::uint64_t burn_in = static_cast<std::uint64_t>(o_.burn_in.value), every = static_cast<std::uint64_t>(o_.every.value);
    if (++calls_ > burn_in && (calls_ - burn_in - 1) % every == 0) add();
  }
  /// Values averaged of the parameter that has been there longest.
  Index count() const noexcept { return static_cast<Index>(added_); }
  /// The average of a parameter of the store in force, constrained. Throws wick.optim.E610 if it has none.
  Tensor get(std::string_view name) const {
    const Param& p = param_store().at(name);
    const Tensor mean = mean_of(p);
    const detail::Unrecorded off;
    return o_.space == AverageSpace::constrained ? mean : p.constraint().to_constrained(mean);
  }
  /// Gives all parameters of the store in force that have an average this value. Throws wick.optim.E610 if none has; wick.param.E233 if one lies
  /// outside its constraint, and then nothing has changed.
  void apply() const;

  template <class A>
  void archive(A& a) {
    a.section("TailAverage");
    a.option("burn_in", static_cast<double>(o_.burn_in.value)), a.option("every", static_cast<double>(o_.every.value)), a.option("space", static_cast<double>(o_.space));
    a.count(calls_), a.count(added_);
    a.slots(means_);
  }

 private:
  void add();
  Tensor mean_of(const Param& p) const;

  TailAverageOptions o_;
  std::uint64_t calls_ = 0, added_ = 0;
  ParamSlots means_{1};  ///< of each parameter the mean; a − 1 values have been averaged
};

inline void TailAverage::add() {
  const detail::Unrecorded off;
  std::size_t near = 0;
  for (const Param& p : param_store()) {
    const Tensor x = o_.space == AverageSpace::constrained ? p.value() : p.unconstrained();
    std::size_t at = means_.find(p.serial(), near);
    if (WICK_UNLIKELY(at == means_.size())) means_.add(p.serial(), x.numel());
    near = at + 1;
    ParamSlots::Slot& s = means_[at];
    double* mean = means_.arrays_of(s);
    const double weight = 1.0 / s.a, *value = x.data();
    for (Index i = 0; i < s.size; ++i) mean[i] += weight * (value[i] - mean[i]);
    s.a += 1;
  }
  ++added_;
}

inline Tensor TailAverage::mean_of(const Param& p) const {
  const std::size_t at = means_.find(p.serial(), 0);
  if (at == means_.size())
    detail::raise<UsageError>("wick.optim.E610", p.name().view(), {"no value of the parameter has been averaged in ", static_cast<Index>(calls_), " steps"},
                              {"make the burn-in shorter than the fit; it is ", o_.burn_in, " steps\n  or call the average in svi.run's callback, by reference, with the store of the fit in force"});
  const detail::Unrecorded off;
  const Shape shape = o_.space == AverageSpace::constrained ? p.value().shape() : p.shape();
  Tensor out = detail::TensorAccess::make(shape);
  std::memcpy(detail::TensorAccess::fresh_data(out), means_.arrays_of(means_[at]), static_cast<std::size_t>(shape.numel()) * sizeof(double));
  return out;
}

WICK_COLD inline void TailAverage::apply() const {
  ParamStore& store = param_store();
  detail::List<Tensor> fresh;
  detail::List<Param*> params;
  for (const Param& p : store) {
    if (means_.find(p.serial(), 0) == means_.size()) continue;
    Tensor mean = mean_of(p);
    if (o_.space == AverageSpace::constrained) {
      Index bad = -1;
      const Tensor value = mean;
      mean = detail::unconstrain(value, p.constraint(), bad);
      if (bad >= 0)
        detail::raise<DomainError>("wick.param.E233", p.name().view(), {"the average, at element ", bad, ", is not inside ", p.constraint().text()}, {"average in unconstrained space"});
    }
    fresh.push_back(std::move(mean));
    params.push_back(store.find(p.name()));
  }
  if (params.empty() && store.size() > 0) mean_of(*store.begin());
  for (std::size_t i = 0; i < params.size(); ++i) params[i]->set_unconstrained(std::move(fresh[i]));
}

}  // namespace wick::inline WICK_ABI
