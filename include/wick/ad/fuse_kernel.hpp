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

/// One argument of a fused call.
struct FuseArgument {
  const double* in;      ///< the first element of a run
  double* partial;       ///< where the run's partials go
  double sum;            ///< of the partials, for `Keep::sum`; of a recorded call's plain number without a record: that number
  std::uint32_t record;  ///< of a recorded call; 0: a plain number
  Keep keep;             ///< `none`: no derivative is wanted
  bool step;             ///< whether it moves; else it is one element
};

/// One contiguous run of a fused kernel.
struct FuseRun {
  Index n;
  FuseArgument* arguments;
  const double* mask;  ///< null: all elements count; elsewhere value and partials are exactly 0
  bool mask_step;
  double* out;         ///< null: only the sum is wanted
  double sum;
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
template <unsigned K, class R>
WICK_INLINE void keep_partial(const FuseArgument& a, Packet& sum, const R& r, const math::PacketMask& valid, Index i, Index n) {
  if (a.keep == Keep::none) return;
  const Packet d = where(valid, math::partial<K>(r), Packet(0.0));
  switch (a.keep) {
    case Keep::none: break;
    case Keep::store: store_at(a.partial, i, n, d); break;
    case Keep::add: store_at(a.partial, i, n, load_at(a.partial, true, i, n) + d); break;
    case Keep::sum: sum = sum + d; break;
  }
}

template <class F, unsigned Arity, unsigned Live, std::size_t... K>
WICK_INLINE void fuse_run(const F& f, FuseRun& run, std::index_sequence<K...>) {
  Packet sum(0.0);
  Packet sums[Arity] = {((void)K, Packet(0.0))...};
  const FuseArgument a[] = {run.arguments[K]...};
  const Index n = run.n;
  double* const out = run.out;
  const auto argument = [&a, n]<unsigned J>(std::integral_constant<unsigned, J>, Index i) WICK_LAMBDA_INLINE {
    return fuse_argument<Live, J>(load_at(a[J].in, a[J].step, i, n));
  };
  const auto step = [&](Index i, const auto& value) WICK_LAMBDA_INLINE {
    math::PacketMask valid = n - i >= 8 ? math::PacketMask(true) : first_lanes(n - i);
    if (run.mask != nullptr) valid = valid & (load_at(run.mask, run.mask_step, i, n) != Packet(0.0));
    const Packet v = where(valid, math::value_of(value), Packet(0.0));
    sum = sum + v;
    if (out != nullptr) store_at(out, i, n, v);
    if constexpr (Live != 0) (keep_partial<K>(a[K], sums[K], value, valid, i, n), ...);
  };
  if constexpr (HasPrep<F>) {
    const bool moves = (((F::prep_mask >> K & 1u) != 0 && a[K].step) || ...);
    auto prep = F::prep(argument(std::integral_constant<unsigned, K>{}, 0)...);
    for (Index i = 0; i < n; i += 8) {
      if (moves && i != 0) prep = F::prep(argument(std::integral_constant<unsigned, K>{}, i)...);
      step(i, f(argument(std::integral_constant<unsigned, K>{}, i)..., prep));
    }
  } else {
    for (Index i = 0; i < n; i += 8) step(i, f(argument(std::integral_constant<unsigned, K>{}, i)...));
  }
  run.sum = math::sum(sum);
  if constexpr (Live != 0) ((a[K].keep == Keep::sum ? void(run.arguments[K].sum = math::sum(sums[K])) : void()), ...);
}

template <class F, unsigned Arity, unsigned Live>
void fuse_kernel(const void* f, FuseRun& run) {
  if constexpr (std::is_empty_v<F> && std::is_default_constructible_v<F>)  // as densities are, for which there is no object
    static_cast<void>(f), fuse_run<F, Arity, Live>(F{}, run, std::make_index_sequence<Arity>{});
  else
    fuse_run<F, Arity, Live>(*static_cast<const F*>(f), run, std::make_index_sequence<Arity>{});
}

/// `Live`: the arguments that have a derivative.
template <class F, unsigned Arity, unsigned Live = (1u << Arity) - 1u>
inline constexpr FuseSpec fuse_spec{"fuse", Arity, Live, &fuse_kernel<F, Arity, 0>, &fuse_kernel<F, Arity, Live>};

}  // namespace wick::inline WICK_ABI::detail
