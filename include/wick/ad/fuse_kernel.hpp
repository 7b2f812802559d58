/// \file
/// Kernels of fused functions: one generic lambda over a contiguous run, with its value alone or with all partials.
#pragma once

#include <utility>

#include <wick/ad/elementwise.hpp>
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
/// Of single numbers: the value; the partials to `d`.
using FusePoint = double (*)(const double* x, double* d);

/// The compiled forms of one fused function.
struct FuseSpec {
  const char* name;
  unsigned arity;
  unsigned live;  ///< arguments that have a derivative
  FuseKernel value;
  FuseKernel gradient;
  FusePoint point = nullptr;  ///< where single numbers have a form of their own
  void (*second)(const void* f, ScalarFn::SecondPoint&) = nullptr;  ///< value and partials with their tangents
};

/// A fused function may hoist what depends on few arguments: `prep(args...)` over the arguments in `F::prep_mask`,
/// evaluated once a run when none of them moves, and passed to the call as the last argument.
template <class F>
concept HasPrep = requires { F::prep_mask; };

WICK_NOINLINE inline double lane_total(typename Packet::Argument x) { return math::sum(x); }

/// A sum over elements that come a part of a packet at a time, in the order of whole packets.
class LaneSums {
 public:
  WICK_INLINE LaneSums() {
    for (int i = 0; i < Packet::parts; ++i) at(i) = math::PacketPart(0.0);
  }
  WICK_INLINE void add(Index i, const math::PacketPart& x) {
    auto& sum = at(i / math::PacketPart::lanes % Packet::parts);
    sum = sum + x;
  }
  WICK_INLINE double total() {
    Packet whole;
    for (int i = 0; i < Packet::parts; ++i) whole.set_part(i, at(i));
    return lane_total(whole);
  }

 private:
  WICK_INLINE math::PacketPart& at(Index i) { return at_[Packet::parts == 1 ? 0 : i]; }  // one stays in a register
  math::PacketPart at_[Packet::parts];
};

template <unsigned Live, unsigned K>
WICK_INLINE auto fuse_argument(const math::PacketPart& x) {
  if constexpr ((Live >> K & 1u) != 0)
    return math::variable<K>(x);
  else
    return x;
}

/// Keeps a partial of an argument.
WICK_INLINE void keep_partial(const FuseArgument& a, LaneSums& sum, const math::PacketPart& d, Index i, Index n) {
  switch (a.keep) {
    case Keep::none: break;
    case Keep::store: store_at(a.partial, i, n, d); break;
    case Keep::add: store_at(a.partial, i, n, load_at<math::PacketPart>(a.partial, true, i, n) + d); break;
    case Keep::sum: sum.add(i, d); break;
  }
}

// Few levels of inlining: a compiler pays for the copy at each, and every density has two instantiations.
template <class F, unsigned Live, class Arguments>
struct FuseLoop;
template <class F, unsigned Live, std::size_t... K>
struct FuseLoop<F, Live, std::index_sequence<K...>> {
  static void run(const void* function, FuseRun& run) {
    if constexpr (std::is_empty_v<F> && std::is_default_constructible_v<F>)  // as densities are, for which there is no object
      static_cast<void>(function), apply(F{}, run);
    else
      apply(*static_cast<const F*>(function), run);
  }

 private:
  static WICK_INLINE void apply(const F& f, FuseRun& run) {
    using V = math::PacketPart;
    LaneSums sum, sums[sizeof...(K)];
    const FuseArgument a[] = {run.arguments[K]...};
    const Index n = run.n;
    double* const out = run.out;
    const auto argument = [&a, n]<unsigned J>(std::integral_constant<unsigned, J>, Index i) WICK_LAMBDA_INLINE {
      return fuse_argument<Live, J>(load_at<V>(a[J].in, a[J].step, i, n));
    };
    const auto keep = [&](Index i, const auto& y) WICK_LAMBDA_INLINE {
      typename V::Mask valid = n - i >= V::lanes ? typename V::Mask(true) : first_lanes<V>(n - i);
      if (run.mask != nullptr) valid = valid & (load_at<V>(run.mask, run.mask_step, i, n) != V(0.0));
      const V v = where(valid, math::value_of(y), V(0.0));
      sum.add(i, v);
      if (out != nullptr) store_at(out, i, n, v);
      if constexpr (Live != 0) (keep_partial(a[K], sums[K], where(valid, math::partial<K>(y), V(0.0)), i, n), ...);
    };
    if constexpr (HasPrep<F>) {
      const bool moves = (((F::prep_mask >> K & 1u) != 0 && a[K].step) || ...);
      auto prep = F::prep(argument(std::integral_constant<unsigned, K>{}, 0)...);
      for (Index i = 0; i < n; i += V::lanes) {
        if (moves && i != 0) prep = F::prep(argument(std::integral_constant<unsigned, K>{}, i)...);
        keep(i, f(argument(std::integral_constant<unsigned, K>{}, i)..., prep));
      }
    } else {
      for (Index i = 0; i < n; i += V::lanes) keep(i, f(argument(std::integral_constant<unsigned, K>{}, i)...));
    }
    run.sum = sum.total();
    if constexpr (Live != 0) ((a[K].keep == Keep::sum ? void(run.arguments[K].sum = sums[K].total()) : void()), ...);
  }
};

/// A density of which single numbers are common says `static constexpr bool has_point = true`: eight lanes take several times as long.
template <class F, unsigned Live, class Arguments>
struct FusePointOf {
  static constexpr FusePoint run = nullptr;
};
template <class F, unsigned Live, std::size_t... K>
  requires(F::has_point)
struct FusePointOf<F, Live, std::index_sequence<K...>> {
  static double run(const double* x, double* d) {
    const auto y = [](const auto&... a) WICK_LAMBDA_INLINE {
      if constexpr (HasPrep<F>)
        return F{}(a..., F::prep(a...));
      else
        return F{}(a...);
    }(argument<K>(x)...);
    ((d[K] = math::partial<K>(y).v), ...);
    return math::value_of(y).v;
  }

 private:
  template <unsigned J>
  static WICK_INLINE auto argument(const double* x) {
    if constexpr ((Live >> J & 1u) != 0)
      return math::variable<J>(Scalar(x[J]));
    else
      return Scalar(x[J]);
  }
};

#if defined(WICK_SECOND_ORDER)
template <class F, unsigned Arity, unsigned Live>
WICK_COLD void fuse_second(const void* f, SecondPoint& s) {
  if constexpr (std::is_empty_v<F> && std::is_default_constructible_v<F>)
    static_cast<void>(f), second_point<F, Live>(F{}, s, std::make_index_sequence<Arity>{});
  else
    second_point<F, Live>(*static_cast<const F*>(f), s, std::make_index_sequence<Arity>{});
}
#endif

/// `Live`: the arguments that have a derivative.
template <class F, unsigned Arity, unsigned Live = (1u << Arity) - 1u>
inline constexpr FuseSpec fuse_spec{"fuse", Arity, Live, &FuseLoop<F, 0, std::make_index_sequence<Arity>>::run,
                                     &FuseLoop<F, Live, std::make_index_sequence<Arity>>::run,
                                     FusePointOf<F, Live, std::make_index_sequence<Arity>>::run, WICK_SECOND(&fuse_second<F, Arity, Live>)};

}  // namespace wick::inline WICK_ABI::detail
