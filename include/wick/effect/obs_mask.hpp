/// \file
/// Partly observed sites.
#pragma once

#include <wick/effect/handlers/mask.hpp>
#include <wick/effect/primitives.hpp>

namespace wick::inline WICK_ABI {

/// Observed values where the mask is 1.
struct MaskedObs {
  Tensor value, mask;
};
/// Marks a site as observed where `obs_mask` (0/1, broadcasting to the batch shape) is 1: `sample("y", Normal(m, s), obs(y, is_there))`.
inline MaskedObs obs(Tensor value, Tensor obs_mask) { return {std::move(value), std::move(obs_mask)}; }

namespace detail {

WICK_NOINLINE inline Tensor sample_partly(std::string_view name, Distribution& seen, Distribution& unseen, MaskedObs o, const Infer& infer) {
  try {
    Tensor known, drawn;
    {
      const handlers::mask<> there(o.mask);
      known = sample_site(joined_name({name, "_observed"}).view(), seen, std::move(o.value), infer);
    }
    {
      const handlers::mask<> missing(!o.mask);
      drawn = sample_site(joined_name({name, "_unobserved"}).view(), unseen, {}, infer);
    }
    Shape batch = seen.batch_shape();
    if (WICK_UNLIKELY(!broadcast_into(batch, o.mask.shape())))
      raise<ShapeError>("wick.handler.E261", name, {"obs_mask of shape ", o.mask.shape(), " does not broadcast with the site's batch_shape ", seen.batch_shape()},
                        {"give one 0 or 1 for each element of the batch_shape, without the event dimensions"});
    Shape wide = o.mask.shape();
    for (Index i = 0; i < seen.event_dim() && !wide.empty(); ++i) wide.push_back(1);
    return deterministic(name, where(o.mask.shape() == wide ? o.mask : reshape(o.mask, wide), known, drawn));
  } catch (Error& e) {
    rethrow_located(e, intern(name));
  }
}

}  // namespace detail

/// A partly observed site, which is three: `name_observed`, masked by `obs_mask`; the latent `name_unobserved`, masked by its complement; and the
/// deterministic `name`, which has both. A guide samples `name_unobserved`, under the same mask: `handlers::mask(!is_there)`. Values at masked
/// elements may be anything, NaN too. Shapes and errors: as for any site; wick.handler.E251, E261 for the mask.
template <class D>
  requires std::derived_from<D, Distribution>
Tensor sample(std::string_view name, D dist, MaskedObs observed, const Infer& infer = {}) {
  D unseen = dist;
  return detail::sample_partly(name, dist, unseen, std::move(observed), infer);
}

}  // namespace wick::inline WICK_ABI
