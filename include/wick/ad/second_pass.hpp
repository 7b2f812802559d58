/// \file
/// The second-order pass over a recording: tangents of all values, then tangents of all adjoints (forward over reverse).
#pragma once

#include <wick/core/config.hpp>

#if defined(WICK_SECOND_ORDER)  // else there is no such form of the kernels: see ad/second_order.hpp

#include <vector>

#include <wick/ad/loops.hpp>
#include <wick/ad/result.hpp>
#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI::detail {

/// A function of up to eight numbers at a point, moving along a direction.
struct ScalarFn::SecondPoint {
  double x[8], dx[8];  ///< arguments and their tangents
  double dy;           ///< the value's tangent
  double p[8], dp[8];  ///< partials and their tangents
};
using SecondPoint = ScalarFn::SecondPoint;

/// Runs twice over a recording whose adjoints have been propagated. Source: Pearlmutter 1994; Griewank & Walther 2008, section 3.4.
class SecondPass {
 public:
  explicit SecondPass(Tape& tape) : tape_(tape), side_(tape.size()) {}
  SecondPass(const SecondPass&) = delete;
  SecondPass& operator=(const SecondPass&) = delete;
  ~SecondPass() {
    for (Side& s : side_)
      if (s.block != nullptr) release(s.block);
  }

  Tape& tape() noexcept { return tape_; }
  /// The value of record `i` and its tangent, as stored data.
  const double* value(std::uint32_t i) noexcept { return exchanged_ ? side_data(i) : tape_.data(i); }
  const double* tangent(std::uint32_t i) noexcept { return exchanged_ ? tape_.data(i) : side_data(i); }
  /// In the first run: where the tangent of record `i` goes.
  double* tangent_output(std::uint32_t i) noexcept { return output_of(tape_, i); }
  /// In the second run: the adjoint of record `i`, null where nothing arrived, and the tangent of it (likewise).
  const double* adjoint(std::uint32_t i) noexcept {
    if (!tape_[i].is_tensor()) return &side_[i].adjoint;
    return side_[i].buffer;
  }
  const double* adjoint_tangent(std::uint32_t i) {
    if (!tape_[i].is_tensor()) return &tape_[i].adjoint;
    return tape_[i].buffer == nullptr ? nullptr : tape_.arrived(i);
  }
  /// Where the tangent of the adjoint of record `i` is summed; null for records that need none.
  double* pull_to(std::uint32_t i) { return tape_.adjoint(i); }

  /// First run: the tangents of all values along `direction` (one for each leaf: stored data, null for 0).
  void run_tangents(const std::uint32_t* leaves, const double* const* direction, std::size_t count) {
    for (std::uint32_t i = 1; i < tape_.size(); ++i) {
      Side& s = side_[i];
      s.value = 0;
      if (!tape_[i].is_tensor()) continue;
      if (s.block == nullptr) s.block = make_block(tape_.shape(i));
      for (Index k = 0; k < s.block->numel; ++k) s.block->data[k] = 0;
    }
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint32_t i = leaves[k];
      double* to = tape_[i].is_tensor() ? side_[i].block->data : &side_[i].value;
      for (Index j = 0, n = tape_.numel(i); direction[k] != nullptr && j < n; ++j) to[j] = direction[k][j];
    }
    exchange();
    try {
      for (std::uint32_t i = 1; i < tape_.size(); ++i)
        if (tape_.differentiable(i)) step_tangent(i);
    } catch (...) {
      exchange();
      throw;
    }
    exchange();
  }

  /// Whether all that was recorded can be run forwards.
  static bool has_tangents(Tape& tape) noexcept {
    for (std::uint32_t i = 1; i < tape.size(); ++i)
      if (tape.differentiable(i) && tape[i].op == Op::general && fns_of(tape[i]).second.kind == SecondKind::none) return false;
    return true;
  }

  /// Moves the adjoints of the first-order reverse loop aside. Once for any number of directions.
  void keep_adjoints() {
    for (std::uint32_t i = 1; i < tape_.size(); ++i) {
      Record& r = tape_[i];
      if (r.is_tensor())
        side_[i].buffer = r.buffer == nullptr ? nullptr : tape_.arrived(i);
      else
        side_[i].adjoint = r.adjoint;
    }
  }
  /// Second run: leaves the tangents of all adjoints in the tape's adjoints.
  void run_adjoints() {
    tape_.clear_adjoints();
    pull_adjoints();
  }
  /// The same from tangents of adjoints that are there.
  void pull_adjoints() {
    for (std::uint32_t i = tape_.size(); --i > 0;)
      if (tape_.differentiable(i)) step_adjoint(i);
  }

  [[noreturn]] WICK_COLD static void raise_none(const char* name) {
    raise<UsageError>("wick.ad.E131", "", {name, " has no second derivative"}, {"use grad, or write the function with operations that have one"});
  }

 private:
  struct Side {
    double value = 0, adjoint = 0;
    Block* block = nullptr;
    const double* buffer = nullptr;
  };
  const double* side_data(std::uint32_t i) noexcept { return side_[i].block != nullptr ? side_[i].block->data : &side_[i].value; }
  /// Values and tangents change places, so that a linear operation computes tangents as it computes values.
  void exchange() noexcept {
    for (std::uint32_t i = 1; i < tape_.size(); ++i) {
      if (tape_[i].is_tensor())
        std::swap(tape_[i].block, side_[i].block);
      else
        std::swap(tape_[i].value, side_[i].value);
    }
    exchanged_ = !exchanged_;
  }
  static const OpFns& fns_of(const Record& r) noexcept { return **static_cast<const OpFns* const*>(r.payload); }

  void step_tangent(std::uint32_t i) {
    Record& r = tape_[i];
    switch (r.op) {
      case Op::constant:
      case Op::leaf: return;
      case Op::general: {
        const SecondFns& s = fns_of(r).second;
        if (s.kind == SecondKind::none) raise_none(fns_of(r).name);
        return s.kind == SecondKind::linear ? fns_of(r).forward(tape_, i) : s.tangent(*this, i);
      }
      default: break;
    }
    const std::uint32_t a = r.in.a, b = r.in.b;
    const double da = tape_[a].value, db = tape_[b].value, y = side_[i].value;
    switch (r.op) {
      case Op::add: r.value = da + db; break;
      case Op::sub: r.value = da - db; break;
      case Op::mul: r.value = da * side_[b].value + side_[a].value * db; break;
      case Op::div: r.value = (da - y * db) / side_[b].value; break;
      case Op::neg: r.value = -da; break;
      default: {
        SecondPoint p;
        evaluate(r, p);
        r.value = p.dy;
      }
    }
  }
  void step_adjoint(std::uint32_t i) {
    Record& r = tape_[i];
    switch (r.op) {
      case Op::constant:
      case Op::leaf: return;
      case Op::general: {
        const SecondFns& s = fns_of(r).second;
        if (s.kind == SecondKind::own) return s.pull(*this, i);
        const bool any = r.is_tensor() ? r.buffer != nullptr : r.adjoint != 0;
        if (any) fns_of(r).backward(tape_, i);
        return;
      }
      default: break;
    }
    const std::uint32_t ia = r.in.a, ib = r.in.b;
    Record &a = tape_[ia], &b = tape_[ib];
    const double g = side_[i].adjoint, dg = r.adjoint, da = side_[ia].value, db = side_[ib].value, dy = side_[i].value;
    switch (r.op) {
      case Op::add:
        a.adjoint += dg;
        b.adjoint += dg;
        break;
      case Op::sub:
        a.adjoint += dg;
        b.adjoint -= dg;
        break;
      case Op::mul: {
        const double av = a.value;
        a.adjoint += dg * b.value + g * db;
        b.adjoint += dg * av + g * da;
        break;
      }
      case Op::div: {
        const double bv = b.value;
        a.adjoint += (dg - g * db / bv) / bv;
        b.adjoint -= (dg * r.value + g * dy - g * r.value * db / bv) / bv;
        break;
      }
      case Op::neg: a.adjoint -= dg; break;
      default: {
        SecondPoint p;
        evaluate(r, p);
        // An adjoint of 0 leaves no trace, even where a partial is infinite.
        const auto term = [&](unsigned k) { return (dg == 0 ? 0.0 : dg * p.p[k]) + (g == 0 ? 0.0 : g * p.dp[k]); };
        if (a.kind == Kind::differentiable) a.adjoint += term(0);
        if (b.kind == Kind::differentiable) b.adjoint += term(1);
      }
    }
  }
  void evaluate(const Record& r, SecondPoint& p) {
    const ScalarFn* fn = function_table[static_cast<std::uint16_t>(r.op)].load_relaxed();
    if (fn->second == nullptr) raise_none("this operation on single numbers");
    const std::uint32_t in[] = {r.in.a, r.in.b};
    for (unsigned k = 0; k < 2; ++k) {
      p.x[k] = *value(in[k]);
      p.dx[k] = *tangent(in[k]);
    }
    fn->second(nullptr, p);
  }

  Tape& tape_;
  std::vector<Side> side_;
  bool exchanged_ = false;
};

template <unsigned Live, unsigned K>
auto second_argument(const SecondPoint& s) {
  math::Dual<math::Scalar, 1u> x(math::Scalar(s.x[K]));
  x.d[0] = s.dx[K];
  if constexpr ((Live >> K & 1u) != 0)
    return math::variable<K>(x);
  else
    return x;
}
template <unsigned K, class R>
void second_partial(SecondPoint& s, const R& r) {
  const auto d = math::partial<K>(r);
  s.p[K] = d.v.v;
  s.dp[K] = d.d[0].v;
}
/// Value and partials of a generic function `f(args...)`, and how they change along the direction: nested dual numbers.
/// `Prep` is as for fused kernels.
template <class F, unsigned Live, std::size_t... K>
WICK_COLD void second_point(const F& f, SecondPoint& s, std::index_sequence<K...>) {
  const auto r = [&] {
    if constexpr (requires { F::prep_mask; }) {
      const auto prep = F::prep(second_argument<Live, K>(s)...);
      return f(second_argument<Live, K>(s)..., prep);
    } else {
      return f(second_argument<Live, K>(s)...);
    }
  }();
  if constexpr (Live == 0) {
    s.dy = r.d[0].v;
  } else {
    s.dy = r.v.d[0].v;
    (second_partial<K>(s, r), ...);
  }
}

}  // namespace wick::inline WICK_ABI::detail

#endif
