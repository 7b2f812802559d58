/// \file
/// einsum of two operands.
#pragma once

#include <string_view>

#include <wick/ad/matmul_batch.hpp>
#include <wick/ad/ops_reduce.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

[[noreturn]] WICK_COLD inline void raise_einsum(std::string_view formula, const Part& what, const Part& which) {
  raise<ShapeError>("wick.op.E145", "", {"einsum \"", formula, "\": ", what, which},
                    {"one letter a dimension, as in einsum(\"bij,bjk->bik\", a, b); letters that are not in the result are summed over"});
}

/// The letters of one operand, or of the result.
struct EinsumTerm {
  std::string_view letters;
  bool has(char c) const { return letters.find(c) != std::string_view::npos; }
};
struct EinsumFormula {
  EinsumTerm a, b, out;
};

WICK_NOINLINE inline EinsumFormula parse_einsum(std::string_view formula) {
  const auto comma = formula.find(','), arrow = formula.find("->");
  if (comma == std::string_view::npos || arrow == std::string_view::npos || comma > arrow)
    raise_einsum(formula, "two operands and a result are wanted", "");
  const EinsumFormula f{{formula.substr(0, comma)}, {formula.substr(comma + 1, arrow - comma - 1)}, {formula.substr(arrow + 2)}};
  for (const EinsumTerm& t : {f.a, f.b, f.out})
    for (std::size_t i = 0; i < t.letters.size(); ++i) {
      const char c = t.letters[i];
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) raise_einsum(formula, "dimensions are named by letters, not by ", std::string_view(&t.letters[i], 1));
      if (t.letters.find(c, i + 1) != std::string_view::npos) raise_einsum(formula, "twice in one operand: ", std::string_view(&t.letters[i], 1));
    }
  for (std::size_t i = 0; i < f.out.letters.size(); ++i)
    if (!f.a.has(f.out.letters[i]) && !f.b.has(f.out.letters[i]))
      raise_einsum(formula, "in the result only: ", std::string_view(&f.out.letters[i], 1));
  return f;
}

/// An operand with its dimensions in the order of `wanted`, after those that nobody else has are summed over.
class EinsumOperand {
 public:
  EinsumOperand(std::string_view formula, const EinsumTerm& term, const Tensor& x) : x_(x) {
    if (x.dim() != static_cast<Index>(term.letters.size())) raise_einsum(formula, "as many letters as dimensions are wanted for shape ", x.shape());
    for (const char c : term.letters) letters_.push_back(c);
  }
  Index size(char c) const { return x_.shape()[at(c)]; }
  bool has(char c) const { return at(c) < letters_.size(); }
  void drop(char c) {
    const std::size_t i = at(c);
    x_ = sum(x_, static_cast<Index>(i));
    SmallVector<char, 16> rest;
    for (std::size_t k = 0; k < letters_.size(); ++k)
      if (k != i) rest.push_back(letters_[k]);
    letters_ = rest;
  }
  /// Exchanges dimensions until they are in this order.
  void arrange(const SmallVector<char, 16>& order) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::size_t j = at(order[i]);
      if (i == j) continue;
      x_ = transpose(x_, static_cast<Index>(i), static_cast<Index>(j));
      std::swap(letters_[i], letters_[j]);
    }
  }
  const SmallVector<char, 16>& letters() const { return letters_; }
  Tensor x_;

 private:
  std::size_t at(char c) const {
    std::size_t i = 0;
    while (i < letters_.size() && letters_[i] != c) ++i;
    return i;
  }
  SmallVector<char, 16> letters_;
};

}  // namespace detail

/// A sum of products by names of dimensions: einsum("ij,jk->ik", a, b) is matmul(a, b), "bi,bj->bij" an outer product for each b, "ij,ij->"
/// Σ a b. A letter names one dimension of each operand that has it; those that are not in the result are summed over.
///
/// Done as a batched matmul of operands with exchanged dimensions. Shapes: equal sizes for equal letters. Gradients: both. Throws:
/// wick.op.E145 (the formula, or operands that do not fit it).
inline Tensor einsum(std::string_view formula, const Tensor& a, const Tensor& b) {
  using namespace detail;
  if (WICK_UNLIKELY(a.empty() || b.empty())) raise_empty("einsum");
  const EinsumFormula f = parse_einsum(formula);
  EinsumOperand left(formula, f.a, a), right(formula, f.b, b);
  SmallVector<char, 16> shared, summed, of_left, of_right;
  Shape batch, rows, inner, columns;
  for (const char c : f.a.letters) {
    if (f.b.has(c) && left.size(c) != right.size(c)) raise_einsum(formula, "sizes differ in ", std::string_view(&c, 1));
    if (!f.b.has(c) && !f.out.has(c)) left.drop(c);
  }
  for (const char c : f.b.letters)
    if (!f.a.has(c) && !f.out.has(c)) right.drop(c);
  for (const char c : f.out.letters) {
    if (f.a.has(c) && f.b.has(c)) {
      shared.push_back(c);
      batch.push_back(left.size(c));
    } else if (f.a.has(c)) {
      of_left.push_back(c);
      rows.push_back(left.size(c));
    } else {
      of_right.push_back(c);
      columns.push_back(right.size(c));
    }
  }
  for (const char c : f.a.letters)
    if (f.b.has(c) && !f.out.has(c)) {
      summed.push_back(c);
      inner.push_back(left.size(c));
    }
  const auto joined = [](const SmallVector<char, 16>& p, const SmallVector<char, 16>& q, const SmallVector<char, 16>& r) {
    SmallVector<char, 16> out = p;
    for (const char c : q) out.push_back(c);
    for (const char c : r) out.push_back(c);
    return out;
  };
  left.arrange(joined(shared, of_left, summed));
  right.arrange(joined(shared, summed, of_right));
  const Index count = batch.numel(), n = rows.numel(), k = inner.numel(), m = columns.numel();
  Tensor y;
  if (shared.empty())
    y = matmul(reshape(left.x_, {n, k}), reshape(right.x_, {k, m}));
  else
    y = matmul(reshape(left.x_, {count, n, k}), reshape(right.x_, {count, k, m}));
  y = reshape(y, batch + rows + columns);
  // The result has its dimensions as shared, left, right so far.
  SmallVector<char, 16> now = joined(shared, of_left, of_right);
  for (std::size_t i = 0; i < now.size(); ++i) {
    std::size_t j = i;
    while (now[j] != f.out.letters[i]) ++j;
    if (i == j) continue;
    y = transpose(y, static_cast<Index>(i), static_cast<Index>(j));
    std::swap(now[i], now[j]);
  }
  return y;
}

}  // namespace wick::inline WICK_ABI
