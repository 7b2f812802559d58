/// \file
/// Sequential: layers one after the other.
#pragma once

#include <functional>

#include <wick/nn/module.hpp>

namespace wick::inline WICK_ABI {

/// Layers applied in order: modules, or anything else that takes and returns a tensor.
///
/// `auto net = Sequential(Linear(2, 16), ReLU(), Linear(16, 1));` The submodules are named by their place, "0", "1", …, functions counted
/// too, as in PyTorch: "0.weight", "2.weight". Copies share the layers.
class Sequential : public Module {
 public:
  Sequential() : Module("Sequential") {}
  template <class... L>
    requires(sizeof...(L) >= 1 && !(sizeof...(L) == 1 && (std::is_same_v<std::remove_cvref_t<L>, Sequential> && ...)) &&
             (std::is_invocable_r_v<Tensor, const std::remove_cvref_t<L>&, const Tensor&> && ...))
  explicit Sequential(L&&... layers) : Sequential() {
    (add(std::forward<L>(layers)), ...);
  }
  /// Appends a layer.
  template <class L>
    requires std::is_invocable_r_v<Tensor, const std::remove_cvref_t<L>&, const Tensor&>
  Sequential& add(L&& layer) {
    if constexpr (std::derived_from<std::remove_cvref_t<L>, Module>) register_module(std::to_string(size()), layer);
    layers_->emplace_back(std::forward<L>(layer));
    return *this;
  }
  std::size_t size() const noexcept { return layers_->size(); }
  Tensor operator()(const Tensor& x) const {
    Tensor y = x;
    for (const auto& layer : *layers_) y = layer(y);
    return y;
  }

 private:
  std::shared_ptr<std::vector<std::function<Tensor(const Tensor&)>>> layers_ = std::make_shared<std::vector<std::function<Tensor(const Tensor&)>>>();
};

}  // namespace wick::inline WICK_ABI
