/// \file
/// What Predictive is made of: its options, and the handlers that give a program its draws.
#pragma once

#include <wick/core/owner.hpp>
#include <wick/effect/trace.hpp>
#include <wick/infer/samples.hpp>

namespace wick::inline WICK_ABI {

/// Options of Predictive.
struct PredictiveOptions {
  Count num_samples = 0;                        ///< how many draws; 0: as many as the given samples have
  std::vector<std::string> return_sites = {};   ///< which sites; none: all that are not given, factors and plates left out
  bool return_values = false;                   ///< also what the model returns, which then is a tensor
  bool log_weights = false;                     ///< also the log importance weights (see Predictive)
  bool parallel = false;                        ///< run many draws at once, in a plate left of all others
  Count batch = 256;                            ///< with `parallel`: how many at once; another number draws other values
  Count chunk = 1000;                           ///< how many draws `for_each_chunk` hands over at once
  std::uint64_t seed = 0;                       ///< 0 takes one from the random scope in force at each call
};

/// A part of the draws, in order.
struct SampleChunk {
  Index first;             ///< the number of its first draw
  Index size;              ///< how many draws it has
  Index num_samples;       ///< of all chunks together
  const Samples& samples;  ///< valid during the call
};

namespace detail {

inline constexpr std::string_view kDrawsPlate = "_draws";

/// Where the rows of a value lie that was made for several draws at once.
struct DrawRows {
  const double* data = nullptr;
  Index stride = 0;  ///< 0: all draws share the value
  bool fits = false;
};
/// The rows of `value`, each of `count` elements.
inline DrawRows rows_of(const Tensor& value, Index rows, Index count) {
  const Index n = value.numel();
  if (rows > 1 && n == rows * count && count != 0) return {value.data(), count, value.dim() >= 1 && value.shape()[0] == rows};
  return {value.data(), 0, n == count};
}
inline Tensor copy_of(const double* from, const Shape& shape) {
  Tensor t = TensorAccess::make(shape);
  std::memcpy(TensorAccess::fresh_data(t), from, static_cast<std::size_t>(shape.numel()) * sizeof(double));
  return t;
}

/// Gives latent sites their rows of given samples.
class GiveSamples final : public Handler {
 public:
  /// Rows `first` to `first + rows`; with `parallel` as a leading dimension left of `nesting` batch dims.
  GiveSamples(const Samples& given, List<bool>& used, Index first, Index rows, Index nesting, bool parallel)
      : given_(&given), used_(&used), first_(first), rows_(rows), nesting_(nesting), parallel_(parallel) {
    enter(types_of(SiteType::sample), no_types);
  }
  void process(Message& m) override {
    std::size_t i = 0;
    for (const Samples::Item& item : *given_) {
      if (item.name == m.name) return give(m, item.values, (*used_)[i]);
      ++i;
    }
  }

 private:
  void give(Message& m, const Tensor& all, bool& used) {
    if (WICK_UNLIKELY(m.is_observed))
      raise<SiteError>("wick.predictive.E326", m.name.view(), {"samples are given for this site, which the model observes"},
                       {"call the model with an empty tensor in place of the observation\n  or leave the site out of the given samples"});
    used = true;
    Shape shape = all.shape().tail(all.dim() - 1);
    const Index count = shape.numel();
    if (parallel_) {
      const Index pad = nesting_ + m.fn->event_dim() - shape.rank();
      if (pad > 0) shape.insert_front(static_cast<std::size_t>(pad), 1);
      shape.insert_front(1, rows_);
    }
    if (WICK_UNLIKELY(!(shape == m.fn->shape()))) raise_shape(m, all.shape());
    m.value = copy_of(all.data() + first_ * count, shape);
    m.done = true;
  }
  [[noreturn]] WICK_COLD void raise_shape(const Message& m, const Shape& all) const {
    const Shape want = parallel_ ? m.fn->shape().tail(m.fn->shape().rank() - 1) : m.fn->shape();
    raise<ShapeError>("wick.predictive.E327", m.name.view(), {"the given samples have shape ", all, ", one draw ", all.tail(all.rank() - 1), "; the site has shape ", want},
                      {"give samples of shape (num_samples,) + the site's shape\n  or call the model with data of the size that the samples were made for"});
  }
  const Samples* given_;
  List<bool>* used_;
  Index first_, rows_, nesting_;
  bool parallel_;
};

/// Gives a program one draw's values out of a trace of many.
class GiveRow final : public Handler {
 public:
  GiveRow(const Trace& all, Index row, Index rows) : all_(&all), row_(row), rows_(rows) { enter(types_of(SiteType::sample) | types_of(SiteType::plate), no_types); }
  void process(Message& m) override {
    const Site* s = all_->find(m.name);
    if (m.is_observed || s == nullptr) return;
    if (m.type == SiteType::plate) {
      m.value = s->value;
    } else {
      const Index count = m.fn->shape().numel();
      const DrawRows r = rows_of(s->value, rows_, count);
      if (!r.fits) return;  // the comparison afterwards finds it
      m.value = copy_of(r.data + row_ * r.stride, m.fn->shape());
    }
    m.done = true;
  }

 private:
  const Trace* all_;
  Index row_, rows_;
};

}  // namespace detail
}  // namespace wick::inline WICK_ABI
