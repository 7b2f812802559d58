/// \file
/// Kernels of fused functions: one generic lambda over a contiguous run, with its value alone or with all partials.
#pragma once

#include <utility>

#include <wick/ad/loops.hpp>
#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI::detail {

inline constexpr unsigned kMaxFused = 8;

/// What becomes of an argument's partials in a run.
enum class Keep : std::uint8_t { none, store, add, sum };

/// One contiguous run of a fused kernel. Where `step[k]` is false the argument is one element.
struct FuseRun {
  Index n;
  const double* in[kMaxFused + 1];  ///< room for the mask behind the arguments
  bool step[kMaxFused];
  const double* mask;  ///< null: all elements count; elsewhere value and partials are exactly 0
  bool mask_step;
  double* out;         ///< null: only the sum is wanted
  double* partial[kMaxFused];
  Keep keep[kMaxFused];
  double sum;
  double partial_sum[kMaxFused];
};

using FuseKernel = void (*)(const void* f, FuseRun& run);

/// The compiled forms of one fused function.
struct FuseSpec {
  const char* name;
  unsigned arity;
  unsigned live;  ///< arguments that have a derivative
  FuseKernel value;
  FuseKernel gradient;
};

/// A fused function may hoist what depends on few arguments: `prep(args...)` over the arguments in `F::prep_mask`,
/// evaluated once a run when none of them moves, and passed to the call as the last argument.
template <class F>
concept HasPrep = requires { F::prep_mask; };

template <unsigned Live, unsigned K>
WICK_INLINE auto fuse_argument(const Packet& x) {
  if constexpr ((Live >> K & 1u) != 0)
    return math::variable<K>(x);
  else
    return x;
}

/// Keeps the partial of argument K.
template <unsigned K, unsigned Arity, class R>
WICK_INLINE void keep_partial(FuseRun& run, Packet (&sums)[Arity], const R& r, const math::PacketMask& valid, Index i) {
  if (run.keep[K] == Keep::none) return;
  const Packet d = where(valid, math::partial<K>(r), Packet(0.0));
  switch (run.keep[K]) {
    case Keep::none: break;
    case Keep::store: store_at(run.partial[K], i, run.n, d); break;
    case Keep::add: store_at(run.partial[K], i, run.n, load_at(run.partial[K], true, i, run.n) + d); break;
    case Keep::sum: sums[K] = sums[K] + d; break;
  }
}

template <class F, unsigned Arity, unsigned Live, std::size_t... K>
WICK_INLINE void fuse_run(const F& f, FuseRun& run, std::index_sequence<K...>) {
  Packet sum(0.0);
  Packet sums[Arity] = {((void)K, Packet(0.0))...};
  const auto argument = [&run]<unsigned J>(std::integral_constant<unsigned, J>, Index i) WICK_LAMBDA_INLINE {
    return fuse_argument<Live, J>(load_at(run.in[J], run.step[J], i, run.n));
  };
  const auto step = [&](Index i, const auto& value) WICK_LAMBDA_INLINE {
    math::PacketMask valid = run.n - i >= 8 ? math::PacketMask(true) : first_lanes(run.n - i);
    if (run.mask != nullptr) valid = valid & (load_at(run.mask, run.mask_step, i, run.n) != Packet(0.0));
    const Packet v = where(valid, math::value_of(value), Packet(0.0));
    sum = sum + v;
    if (run.out != nullptr) store_at(run.out, i, run.n, v);
    if constexpr (Live != 0) (keep_partial<K>(run, sums, value, valid, i), ...);
  };
  if constexpr (HasPrep<F>) {
    const bool moves = (((F::prep_mask >> K & 1u) != 0 && run.step[K]) || ...);
    auto prep = F::prep(argument(std::integral_constant<unsigned, K>{}, 0)...);
    for (Index i = 0; i < run.n; i += 8) {
      if (moves && i != 0) prep = F::prep(argument(std::integral_constant<unsigned, K>{}, i)...);
      step(i, f(argument(std::integral_constant<unsigned, K>{}, i)..., prep));
    }
  } else {
    for (Index i = 0; i < run.n; i += 8) step(i, f(argument(std::integral_constant<unsigned, K>{}, i)...));
  }
  run.sum = math::sum(sum);
  if constexpr (Live != 0) ((run.partial_sum[K] = run.keep[K] == Keep::sum ? math::sum(sums[K]) : 0.0), ...);
}

template <class F, unsigned Arity, unsigned Live>
void fuse_kernel(const void* f, FuseRun& run) {
  fuse_run<F, Arity, Live>(*static_cast<const F*>(f), run, std::make_index_sequence<Arity>{});
}

/// `Live`: the arguments that have a derivative.
template <class F, unsigned Arity, unsigned Live = (1u << Arity) - 1u>
inline constexpr FuseSpec fuse_spec{"fuse", Arity, Live, &fuse_kernel<F, Arity, 0>, &fuse_kernel<F, Arity, Live>};

}  // namespace wick::inline WICK_ABI::detail
