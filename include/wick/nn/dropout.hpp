/// \file
/// Dropout: noise for training.
#pragma once

#include <wick/ad/ops_math.hpp>
#include <wick/dist/draw.hpp>
#include <wick/effect/message.hpp>
#include <wick/nn/module.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

[[noreturn]] WICK_COLD inline void raise_dropout(double p) {
  raise<DomainError>("wick.nn.E519", "", {"dropout with probability ", p}, {"give the probability that a number is dropped: 0 <= p < 1, or 1 for all"});
}
/// `x` with each number 0 with probability `p`, the others divided by 1 − p. The noise is drawn as a site's, by the name of the layer.
inline Tensor drop_out(const ModuleState& s, const Tensor& x, double p) {
  if (p == 0 || !s.training.load_relaxed()) return x;
  if (WICK_UNLIKELY(x.empty())) raise_empty("dropout");
  const Key key = next_key(fold(hash_name("wick.nn.dropout"), hash_name(module_path(s))), plate_turns);
  const Tensor kept = draw_value(uniform_noise, key, x.shape(), nullptr) < 1.0 - p;
  return where(kept, x * (p < 1 ? 1.0 / (1.0 - p) : 0.0), 0.0);
}

}  // namespace detail

/// In training, each number is 0 with probability `p` and the others are multiplied by 1 / (1 − p); after `eval()`, inputs pass unchanged.
///
/// The noise belongs to the step, particle and layer as a site's draw does: it depends on neither threads nor order. Throws: wick.nn.E519.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5) : Module("Dropout"), p_(p) {
    if (!(p >= 0 && p <= 1)) detail::raise_dropout(p);
  }
  Tensor operator()(const Tensor& x) const { return detail::drop_out(*state(), x, p_); }

 private:
  double p_;
};

}  // namespace wick::inline WICK_ABI
