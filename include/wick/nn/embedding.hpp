/// \file
/// Embedding: a vector for each of a number of things.
#pragma once

#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/nn/linear.hpp>

namespace wick::inline WICK_ABI {

struct EmbeddingOptions {
  Init weight_init = initializers::normal();
  Index padding_index = -1;  ///< a thing that is none: its vector begins as 0 and has no gradient; −1: there is none
};

namespace detail {

/// Of tables with batch dimensions, as priors in plates give them: they broadcast with those of the indices.
WICK_COLD inline Tensor embed_batch(const Tensor& table, const Tensor& indices) {
  const Index count = table.size(-2), width = table.size(-1);
  const Shape batch = table.shape().head(table.dim() - 2);
  static_cast<void>(take(arange(count), indices));  // refuses what the offsets would turn into a row of another table
  const Tensor first = static_cast<double>(count) * reshape(arange(batch.numel()), batch);
  return take(reshape(table, {batch.numel() * count, width}), first + indices);
}

}  // namespace detail

/// Row `index` of a table, for indices of any shape.
///
/// Parameters: weight (count, width), standard normal at first. Shapes: (…) of whole numbers to (…, width). Gradients: rows that are not looked up
/// have 0. Throws: wick.nn.E509 (sizes), wick.op.E126 (no whole number), E127 (outside [0, count)).
/// A weight that has batch dimensions, being drawn in a plate or for many particles, broadcasts them with the indices.
class Embedding : public Module {
 public:
  Parameter weight;

  Embedding(Count count, Count width, const EmbeddingOptions& o = {}) : Module(detail::sizes_text("Embedding", {count, width})), padding_(o.padding_index) {
    detail::check_sizes(state()->kind, {count, width});
    if (o.padding_index < -1 || o.padding_index >= count)
      detail::raise<DomainError>("wick.nn.E509", "", {std::string_view(state()->kind), ": padding_index is ", o.padding_index}, {"give one of the indices, or -1 for none"});
    weight = register_parameter("weight", Shape{count, width}, padding_ < 0 ? o.weight_init : o.weight_init.with_zero_row(padding_));
  }
  Tensor operator()(const Tensor& indices) const try {
    const Tensor table = weight;
    Tensor rows = WICK_LIKELY(table.dim() == 2) ? take(table, indices) : detail::embed_batch(table, indices);
    if (padding_ < 0) return rows;
    return where(unsqueeze(indices == static_cast<double>(padding_), -1), stop_gradient(rows), rows);
  } catch (Error& e) {
    e.locate(detail::module_path(*state()), "");
    throw;
  }

 private:
  Index padding_;
};

}  // namespace wick::inline WICK_ABI
