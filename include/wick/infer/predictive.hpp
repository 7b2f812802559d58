/// \file
/// Predictive: draws of a model's sites, from the prior or given what was inferred.
#pragma once

#include <wick/infer/predictive_collect.hpp>

namespace wick::inline WICK_ABI {
namespace detail {
/// In place of a guide or samples: nothing is known, draws are the prior's.
struct FromPrior {};
}  // namespace detail

/// Draws of a model's sites, stacked along a leading dimension.
///
///     Predictive(model, {.num_samples = 1000, .seed = 1})(X, Tensor())   // prior: Samples with "w", "y", …
///     Predictive(model, guide, {.num_samples = 1000})(X, Tensor())       // latent sites from the guide
///     Predictive(model, Samples{{"w", ws}})(X, Tensor())                 // latent sites from given draws, one after the other
///
/// Sites that the source does not give are drawn by the model, also those that are called with an empty tensor in place of their
/// observation. What is observed, by `obs` or `condition`, keeps its value. Model and guide are called with the same arguments and are held by value.
/// Shapes: a site's draws have shape (num_samples,) + the shape of its value in one run. Parameters are those of the store in force.
/// With `log_weights`, each draw's is log p of the observed sites and of those the guide draws, less log q of what the guide draws, with
/// scales and masks: weighted so, the draws are of the posterior. With `parallel`, many draws are made at once, in a plate left of all
/// other batch dims; a draw's values are compared with a run of its own, and a program for which they differ is refused. Draws of
/// one batch share the subsample of a plate, and what `handlers::block` hides.
/// The same seed gives the same draws, whatever the chunk; and the first n of them, whatever num_samples. Another `batch` gives others.
/// Gradients: none; draws are constants, also inside a recording.
/// Throws: wick.predictive.E320–E330; what the programs throw; on any error the parameter store is as before.
template <class Model, class Source = detail::FromPrior>
class Predictive {
  static constexpr bool from_prior = std::is_same_v<Source, detail::FromPrior>, from_samples = std::is_same_v<Source, Samples>;

 public:
  Predictive(Model model, const PredictiveOptions& options)
    requires(from_prior)
      : model_(std::move(model)), options_(options) {}
  Predictive(Model model, Source source, const PredictiveOptions& options = {})
    requires(!from_prior)
      : model_(std::move(model)), source_(std::move(source)), options_(options) {}

  /// All draws.
  template <class... T>
  Samples operator()(const T&... x) {
    return run({}, x...);
  }
  /// The draws in chunks of `options.chunk`, so that memory is bounded: calls `f` with each `const SampleChunk&`; where it returns
  /// false, the rest is left out.
  template <class F, class... T>
    requires std::is_invocable_v<F&, const SampleChunk&>
  void for_each_chunk(F&& f, const T&... x) {
    run([&](const SampleChunk& c) { return f(c); }, x...);
  }
  const PredictiveOptions& options() const noexcept { return options_; }

 private:
  template <class... T>
  Samples run(const detail::Callback<SampleChunk>& sink, const T&... x) {
    static_assert(std::is_invocable_v<Model&, const T&...>, "Predictive: the model cannot be called with these arguments");
    Tensor returned;
    auto model = [&] {
      if constexpr (std::is_convertible_v<decltype(model_(x...)), Tensor>)
        returned = model_(x...);
      else
        static_cast<void>(model_(x...));
    };
    const detail::Callable model_call(model);
    Samples out;
    if constexpr (from_prior) {
      detail::PredictiveRun(options_, nullptr, model_call, nullptr, returned).run(sink, out);
    } else if constexpr (from_samples) {
      detail::PredictiveRun(options_, &source_, model_call, nullptr, returned).run(sink, out);
    } else {
      static_assert(std::is_invocable_v<Source&, const T&...>, "Predictive: the guide cannot be called with these arguments");
      auto guide = [&] { static_cast<void>(source_(x...)); };
      const detail::Callable guide_call(guide);
      detail::PredictiveRun(options_, nullptr, model_call, &guide_call, returned).run(sink, out);
    }
    return out;
  }

  Model model_;
  [[no_unique_address]] Source source_{};
  PredictiveOptions options_;
};
template <class Model>
Predictive(Model, PredictiveOptions) -> Predictive<Model>;
template <class Model>
Predictive(Model, Samples, PredictiveOptions = {}) -> Predictive<Model, Samples>;
template <class Model, class Guide>
Predictive(Model, Guide, PredictiveOptions) -> Predictive<Model, Guide>;

}  // namespace wick::inline WICK_ABI
