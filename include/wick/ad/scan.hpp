/// \file
/// scan: a loop over time as one operation.
#pragma once

#include <array>
#include <concepts>
#include <utility>

#include <wick/ad/general.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/scan_run.hpp>
#include <wick/ad/scan_second.hpp>
#include <wick/ad/scan_tensor.hpp>
#include <wick/ad/scan_tensor_second.hpp>
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
/// A sequence: step t gets element t of a vector, as a number; `each<n>` gives row t of a matrix with n columns, as Vec<…, n>. Of a step over tensors
/// it is x[t], whatever its rank.
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

/// The width of argument `a`, and its first lane.
template <unsigned... Width>
constexpr unsigned scan_width_at(std::size_t a) {
  const unsigned all[] = {Width..., 0};
  return all[a];
}
template <unsigned... Width>
constexpr unsigned scan_lane_at(unsigned states, std::size_t a) {
  unsigned n = states;
  for (std::size_t i = 0; i < a; ++i) n += scan_width_at<Width...>(i) == 0 ? 1 : scan_width_at<Width...>(i);
  return n;
}

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
    return f(scan_numbers<V, K>(in), scan_numbers<V, scan_width_at<Width...>(A)>(in + scan_lane_at<Width...>(states, A))...);
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
  template <class D, int... I>
  static WICK_INLINE void store_partials(const D& x, double* to, std::integer_sequence<int, I...>) {
    (x.part(I).store(to + I * math::detail::Register::lanes), ...);
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
      for (unsigned k = 0; k < states + outputs; ++k, to += scan_row(lanes)) {
        if constexpr (math::detail::many_partials(static_cast<int>(lanes)))
          store_partials(out[k], to, typename D::Registers());
        else
          for (unsigned j = 0; j < lanes; ++j) to[j] = out[k].d[j].v;
      }
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

/// What a step over numbers takes for an argument of this width.
template <unsigned N>
using ScanNumbers = decltype(scan_numbers<math::Scalar, N>(nullptr));
/// Whether `f` is a step over numbers: a generic lambda is. A lambda over `const Tensor&` does not take numbers.
template <class F, unsigned K, class... A>
inline constexpr bool is_number_step = std::is_invocable_v<const F&, ScanNumbers<K>, ScanNumbers<ScanArgumentOf<A>::width>...>;

/// States and outputs of a step over tensors: a tensor, or an array of several.
template <class T>
struct StepTensors {
  static constexpr std::size_t count = 1;
  static const T& get(const Tensor* from) { return *from; }
  static void put(const T& x, Tensor* to) { *to = Tensor(x); }
};
template <std::size_t N>
struct StepTensors<std::array<Tensor, N>> {
  static_assert(N > 0, "scan: a state or output of no tensors");
  static constexpr std::size_t count = N;
  static std::array<Tensor, N> get(const Tensor* from) {
    std::array<Tensor, N> out;
    for (std::size_t k = 0; k < N; ++k) out[k] = from[k];
    return out;
  }
  static void put(const std::array<Tensor, N>& x, Tensor* to) {
    for (std::size_t k = 0; k < N; ++k) to[k] = x[k];
  }
};
/// What a step returns, split.
template <class R>
struct StepReturn {
  static constexpr std::size_t outputs = 0;
  using State = R;
  using Output = Tensor;
  static void put(const R& r, Tensor* next, Tensor*) { StepTensors<R>::put(r, next); }
};
template <class S, class O>
struct StepReturn<Next<S, O>> {
  static constexpr std::size_t outputs = StepTensors<O>::count;
  using State = S;
  using Output = std::conditional_t<StepTensors<O>::count == 1 && std::is_convertible_v<O, Tensor>, Tensor, O>;
  static void put(const Next<S, O>& r, Tensor* next, Tensor* out) {
    StepTensors<S>::put(r.state, next);
    StepTensors<O>::put(r.out, out);
  }
};

template <class S, class F, class... A, std::size_t... I>
auto scan_over_tensors(const ScanOptions& options, const F& f, const S& init, std::index_sequence<I...>, const A&... arguments) {
  constexpr std::size_t states = StepTensors<S>::count, count = sizeof...(A);
  using State = std::conditional_t<std::is_same_v<S, Tensor>, Tensor, S>;
  static_assert(std::is_invocable_v<const F&, const State&, decltype(static_cast<void>(I), std::declval<const Tensor&>())...>,
                "scan: the step takes the state, a const Tensor& (or std::array), then a const Tensor& for each argument");
  using R = std::remove_cvref_t<std::invoke_result_t<const F&, const State&, decltype(static_cast<void>(I), std::declval<const Tensor&>())...>>;
  using Return = StepReturn<R>;
  static_assert(StepTensors<typename Return::State>::count == states, "scan: the step returns a state of another number of tensors");
  constexpr std::size_t series = Return::outputs != 0 ? Return::outputs : states;
  static constexpr ScanWidth widths[] = {{ScanArgumentOf<A>::width, ScanArgumentOf<A>::moves}...};
  Tensor first[states], held[] = {ScanArgumentOf<A>::tensor(arguments)...};
  StepTensors<S>::put(init, first);
  Tensor inputs[states + count], leaves[states + count], next[states], out[series], results[series + states];
  Shape shapes[series];
  Kind kinds[states + count];
  const auto call = [](const void* function, const Tensor* state, const Tensor* x, Tensor* to, Tensor* to_out) {
    Return::put((*static_cast<const F*>(function))(StepTensors<State>::get(state), x[I]...), to, to_out);
  };
  tensor_scan({first, states, held, widths, count, Return::outputs, &f, call, options.checkpoint, inputs, leaves, next, out, shapes, kinds}, results);
  if constexpr (Return::outputs == 0)
    return State(StepTensors<State>::get(results));
  else
    return std::pair<typename Return::Output, State>(StepTensors<typename Return::Output>::get(results), StepTensors<State>::get(results + series));
}

}  // namespace detail

/// Runs `state = f(state, arguments...)` over T steps, as one operation with its own gradient.
///
/// `f` returns the next state, or `Next{state, out}`. Its arguments are the state, then one for each argument of the scan: `each(x)` gives step t
/// element t of a sequence, anything else is the same in every step. There is at least one sequence; T is their length.
///
/// *Steps over numbers*: `f` is a generic lambda, as for `fuse`, compiled for single numbers; it may capture plain numbers by value. The state is a number,
/// or with `scan<K>` a Vec of K ≥ 1 numbers; `each<n>(x)` is row t of a matrix, `whole<n>(x)` n numbers for every step, 32 in all. Loops in the
/// step are plain C++. What does not depend on the state (the logarithm of a density, say) is cheaper outside, on the whole result.
///
/// *Steps over tensors*: `f` takes `const Tensor&` and uses any operations. The state is a tensor of any shape, or `std::array` of several, which keep
/// their shapes. `f` is called once, on the first step's values, and what it recorded is run for all: it must not read values (E181), make draws or read
/// parameters (E183), and what it captures is a constant (E182). Scans may be nested.
///
/// Shapes: without outputs the result is the states after each step, of shape (T) + the state's; with outputs a pair {outputs of shape (T) + their own,
/// last state}. Gradients: init and all arguments. What they need is kept for about 256 KiB (tensors: 1 MiB), and computed again from states kept here and
/// there for longer scans (ScanOptions: √T).
/// Throws: wick.op.E150 (shapes of init and arguments), E180 (a state that changes its shape), E181–E183. Source: Griewank & Walther 2008, chapter 12.
template <unsigned K = 0, class F, class... A>
auto scan(const ScanOptions& options, const F& f, const Tensor& init, const A&... arguments) {
  static_assert((detail::ScanArgumentOf<A>::moves || ...), "scan: give at least one sequence, as in each(x); each(arange(n)) counts");
  if constexpr (detail::is_number_step<F, K, A...>) {
    static_assert(std::is_trivially_copyable_v<F>, "scan: the lambda is kept as bytes; capture plain numbers by value and pass tensors as arguments");
    using Step = detail::ScanStep<F, K, detail::ScanArgumentOf<A>::width...>;
    const Tensor held[] = {detail::ScanArgumentOf<A>::tensor(arguments)...};
    static constexpr detail::ScanWidth widths[] = {{detail::ScanArgumentOf<A>::width, detail::ScanArgumentOf<A>::moves}...};
    const Tensor y = detail::scan_call({&Step::spec, &f, sizeof(F), &init, held, widths, sizeof...(A), K, options.checkpoint});
    if constexpr (Step::outputs == 0) {
      return y;
    } else {
      return detail::scan_parts(y, Step::states, Step::outputs, K == 0, !detail::is_scan_vec<decltype(std::declval<typename Step::Value>().out)>);
    }
  } else {
    static_assert(K == 0, "scan<K> is for steps over numbers, which are generic lambdas; over tensors the state's size is that of init");
    return detail::scan_over_tensors(options, f, init, std::index_sequence_for<A...>{}, arguments...);
  }
}
template <unsigned K = 0, class F, class... A>
  requires(!std::same_as<F, ScanOptions>)
auto scan(const F& f, const Tensor& init, const A&... arguments) {
  return scan<K>(ScanOptions{}, f, init, arguments...);
}
/// As above over tensors, with a state of several: `scan(f, std::array{m, P}, each(ys), A)`.
template <class F, std::size_t N, class... A>
auto scan(const ScanOptions& options, const F& f, const std::array<Tensor, N>& init, const A&... arguments) {
  static_assert((detail::ScanArgumentOf<A>::moves || ...), "scan: give at least one sequence, as in each(x); each(arange(n)) counts");
  return detail::scan_over_tensors(options, f, init, std::index_sequence_for<A...>{}, arguments...);
}
template <class F, std::size_t N, class... A>
  requires(!std::same_as<F, ScanOptions>)
auto scan(const F& f, const std::array<Tensor, N>& init, const A&... arguments) {
  return scan(ScanOptions{}, f, init, arguments...);
}

}  // namespace wick::inline WICK_ABI
