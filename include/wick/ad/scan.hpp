/// \file
/// scan: a loop over time as one operation.
#pragma once

#include <concepts>
#include <utility>

#include <wick/ad/general.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/scan_run.hpp>
#include <wick/ad/scan_second.hpp>
#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI {

/// A few numbers that a step handles together: a state of more than one number, or a row of a sequence.
template <class V, unsigned N>
struct Vec {
  V v[N];
  constexpr V& operator[](std::size_t i) noexcept { return v[i]; }
  constexpr const V& operator[](std::size_t i) const noexcept { return v[i]; }
  static constexpr unsigned size() noexcept { return N; }
};

/// What a step returns that has an output besides its state: `return Next{state, out};`
template <class S, class O>
struct Next {
  S state;
  O out;
};
template <class S, class O>
Next(S, O) -> Next<S, O>;

/// An argument of a scan as the step sees it; made by `each` and `whole`.
template <unsigned N, bool Moves>
struct ScanArgument {
  Tensor x;
};
/// A sequence: step t gets element t of a vector, as a number; `each<n>` gives row t of a matrix with n columns, as Vec<…, n>.
template <unsigned N = 0>
ScanArgument<N, true> each(const Tensor& x) {
  return {x};
}
/// The same n numbers for every step, as Vec<…, n>. (A single number needs no wrapper.)
template <unsigned N>
ScanArgument<N, false> whole(const Tensor& x) {
  return {x};
}

/// How a scan remembers what its gradient needs.
struct ScanOptions {
  /// Keep the states of only √T steps, and compute those between again.
  bool checkpoint = false;
};

namespace detail {

template <class T>
struct ScanArgumentOf {  // a plain number
  static constexpr unsigned width = 0;
  static constexpr bool moves = false;
  static Tensor tensor(const T& x) { return Tensor(x); }
};
template <unsigned N, bool Moves>
struct ScanArgumentOf<ScanArgument<N, Moves>> {
  static constexpr unsigned width = N;
  static constexpr bool moves = Moves;
  static const Tensor& tensor(const ScanArgument<N, Moves>& x) { return x.x; }
};

/// One number is itself, several are a Vec: made from and written to a row of numbers.
template <class V, unsigned N>
WICK_INLINE auto scan_numbers(const V* from) {
  if constexpr (N == 0) {
    return *from;
  } else {
    Vec<V, N> out;
    for (unsigned i = 0; i < N; ++i) out.v[i] = from[i];
    return out;
  }
}
template <class R>
inline constexpr bool is_scan_vec = requires(R r) { r.v[0]; R::size(); };
template <class V, class R>
WICK_INLINE void scan_store(const R& r, V* to) {
  if constexpr (is_scan_vec<R>)
    for (unsigned i = 0; i < R::size(); ++i) to[i] = r.v[i];
  else
    *to = r;
}
template <class R>
constexpr unsigned scan_width() {
  if constexpr (is_scan_vec<R>)
    return R::size();
  else
    return 1;
}
template <class R>
struct ScanReturn {
  static constexpr unsigned outputs = 0;
};
template <class S, class O>
struct ScanReturn<Next<S, O>> {
  static constexpr unsigned outputs = scan_width<O>();
};

/// The step `F` with a state of K numbers (0: one, as itself) and arguments of these widths: lanes are the state's numbers, then the arguments'.
template <class F, unsigned K, unsigned... Width>
struct ScanStep {
  static constexpr unsigned states = K == 0 ? 1 : K;
  static constexpr unsigned lanes = states + ((Width == 0 ? 1 : Width) + ... + 0u);
  static_assert(lanes <= 32, "scan: state and arguments of a step have more than 32 numbers together");

  template <class V>
  static auto call(const F& f, const V* in) {
    return call(f, in, std::make_index_sequence<sizeof...(Width)>{});
  }
  template <class V, std::size_t... A>
  static WICK_INLINE auto call(const F& f, const V* in, std::index_sequence<A...>) {
    constexpr unsigned width[] = {Width..., 0};
    constexpr auto at = [](std::size_t a) {
      unsigned n = states;
      for (std::size_t i = 0; i < a; ++i) n += width[i] == 0 ? 1 : width[i];
      return n;
    };
    return f(scan_numbers<V, K>(in), scan_numbers<V, width[A]>(in + at(A))...);
  }
  using Value = decltype(call(std::declval<const F&>(), static_cast<const math::Scalar*>(nullptr)));
  static constexpr unsigned outputs = ScanReturn<Value>::outputs;

  template <class V>
  static WICK_INLINE void step(const F& f, const V* in, V* out) {
    const auto r = call(f, in, std::make_index_sequence<sizeof...(Width)>{});
    if constexpr (outputs == 0) {
      static_assert(scan_width<std::remove_cvref_t<decltype(r)>>() == states, "scan: the step returns a state of another size");
      scan_store<V>(r, out);
    } else {
      static_assert(scan_width<std::remove_cvref_t<decltype(r.state)>>() == states, "scan: the step returns a state of another size");
      scan_store<V>(r.state, out);
      scan_store<V>(r.out, out + states);
    }
  }

  static void value(const void* function, ScanRun& run) {
    using V = math::Scalar;
    const F& f = *static_cast<const F*>(function);
    V in[lanes], out[states + outputs];
    for (unsigned k = 0; k < states; ++k) in[k] = run.state[k];
    for (Index t = 0; t < run.steps; ++t) {
      for (unsigned k = states; k < lanes; ++k) in[k] = run.in[k - states][t * run.stride[k - states]];
      step<V>(f, in, out);
      for (unsigned k = 0; k < states; ++k) in[k] = out[k];
      if (run.states != nullptr)
        for (unsigned k = 0; k < states; ++k) run.states[t * states + k] = out[k].v;
      for (unsigned k = 0; k < outputs; ++k) run.outputs[t * outputs + k] = out[states + k].v;
    }
    for (unsigned k = 0; k < states; ++k) run.state[k] = in[k].v;
  }
  /// The same with every step's Jacobian.
  static void jacobian(const void* function, ScanRun& run) {
    using D = math::Dual<math::Scalar, lanes == 32 ? ~0u : (1u << lanes % 32) - 1u>;
    const F& f = *static_cast<const F*>(function);
    D in[lanes], out[states + outputs];
    for (unsigned k = 0; k < lanes; ++k) {
      in[k] = D(math::Scalar(0.0));
      in[k].d[k] = 1.0;
    }
    for (unsigned k = 0; k < states; ++k) in[k].v = run.state[k];
    double* to = run.jacobian;
    for (Index t = 0; t < run.steps; ++t) {
      for (unsigned k = states; k < lanes; ++k) in[k].v = run.in[k - states][t * run.stride[k - states]];
      step<D>(f, in, out);
      for (unsigned k = 0; k < states; ++k) in[k].v = out[k].v;
      if (run.states != nullptr)
        for (unsigned k = 0; k < states; ++k) run.states[t * states + k] = out[k].v.v;
      if (run.outputs != nullptr)
        for (unsigned k = 0; k < outputs; ++k) run.outputs[t * outputs + k] = out[states + k].v.v;
      for (unsigned k = 0; k < states + outputs; ++k)
        for (unsigned j = 0; j < lanes; ++j) *to++ = out[k].d[j].v;
    }
    for (unsigned k = 0; k < states; ++k) run.state[k] = in[k].v.v;
  }
#if defined(WICK_SECOND_ORDER)
  WICK_COLD static void second(const void* function, const double* x, const double* dx, double* y, double* dy, double* j, double* dj) {
    using V = math::Dual<math::Scalar, 1u>;
    using D = math::Dual<V, lanes == 32 ? ~0u : (1u << lanes % 32) - 1u>;
    D in[lanes], out[states + outputs];
    for (unsigned k = 0; k < lanes; ++k) {
      in[k] = D(V(0.0));
      in[k].v.v = x[k];
      in[k].v.d[0] = dx[k];
      in[k].d[k] = V(1.0);
    }
    step<D>(*static_cast<const F*>(function), in, out);
    for (unsigned k = 0; k < states + outputs; ++k) {
      y[k] = out[k].v.v.v;
      dy[k] = out[k].v.d[0].v;
      for (unsigned l = 0; l < lanes && j != nullptr; ++l) {
        *j++ = out[k].d[l].v.v;
        *dj++ = out[k].d[l].d[0].v;
      }
    }
  }
#endif
  static constexpr ScanSpec spec{states, outputs, lanes, &value, &jacobian, &scan_reverse<states, outputs, lanes>, WICK_SECOND(&second)};
};

}  // namespace detail

/// Runs `state = f(state, arguments...)` over T steps, as one operation with its own gradient.
///
/// A step works on single numbers, one after the other: what does not depend on the state (the logarithm of a density, say) is cheaper outside, on the
/// whole result. `f` is a generic lambda over number types, as for `fuse`, and may capture plain numbers by value. Its arguments: the state, a number, or with
/// `scan<K>` a Vec of K ≥ 1 numbers; then one for each argument of the scan: a tensor of rank 0 comes as a number to every step, `each(x)` as
/// element t of a vector, `each<n>(x)` as row t of a matrix, `whole<n>(x)` as the same n numbers. Loops inside the step are plain C++.
/// It returns the next state, or `Next{state, out}`.
///
/// Shapes: `init` has rank 0, or shape (K). Without outputs the result is the states after each step, of shape (T) or (T, K); with outputs it is a
/// pair {outputs of shape (T) or (T, n), last state}. T is the length of the sequences, of which there is at least one.
/// Gradients: init and all arguments. Steps are differentiated forwards, one Jacobian each, which are kept, or computed again from states kept here
/// and there, so that memory beyond the result stays below 256 KiB and a T-th of the states for every 32,768 numbers of Jacobians (ScanOptions: √T).
/// Throws: wick.op.E150 (shapes of init and arguments). Source: Griewank & Walther 2008, chapter 12 (checkpoints).
template <unsigned K = 0, class F, class... A>
auto scan(const ScanOptions& options, const F& f, const Tensor& init, const A&... arguments) {
  static_assert(std::is_trivially_copyable_v<F>, "scan: the lambda is kept as bytes; capture plain numbers by value and pass tensors as arguments");
  static_assert((detail::ScanArgumentOf<A>::moves || ...), "scan: give at least one sequence, as in each(x); each(arange(n)) counts");
  using Step = detail::ScanStep<F, K, detail::ScanArgumentOf<A>::width...>;
  const Tensor held[] = {detail::ScanArgumentOf<A>::tensor(arguments)...};
  static constexpr detail::ScanWidth widths[] = {{detail::ScanArgumentOf<A>::width, detail::ScanArgumentOf<A>::moves}...};
  const Tensor y = detail::scan_call({&Step::spec, &f, sizeof(F), &init, held, widths, sizeof...(A), K, options.checkpoint});
  if constexpr (Step::outputs == 0) {
    return y;
  } else {
    return detail::scan_parts(y, Step::states, Step::outputs, K == 0, !detail::is_scan_vec<decltype(std::declval<typename Step::Value>().out)>);
  }
}
template <unsigned K = 0, class F, class... A>
  requires(!std::same_as<F, ScanOptions>)
auto scan(const F& f, const Tensor& init, const A&... arguments) {
  return scan<K>(ScanOptions{}, f, init, arguments...);
}

}  // namespace wick::inline WICK_ABI
