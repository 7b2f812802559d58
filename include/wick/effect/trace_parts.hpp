/// \file
/// What a trace's densities are made of, and a trace as text.
#pragma once

#include <concepts>
#include <string>

#include <wick/ad/ops_index.hpp>
#include <wick/effect/trace.hpp>
#include <wick/tensor/print.hpp>

namespace wick::inline WICK_ABI {

/// The parts of a site's density in the gradient of an ELBO. A reparameterised site's gradient goes through its value: entropy_term is its log density
/// and score_function 0. The others have a score, neither scaled nor masked, and entropy_term 0.
struct ScoreParts {
  Tensor log_prob, score_function, entropy_term;
};
inline ScoreParts score_parts(const Site& s) {
  if (s.fn() == nullptr || s.fn()->has_rsample()) return {s.log_prob(), 0.0, s.log_prob()};
  return {s.log_prob(), s.score_function(), 0.0};
}

/// Σ of the log densities, scaled and masked, of the sample sites for which `keep(const Site&)` is true.
template <class F>
  requires std::predicate<F&, const Site&>
Tensor log_prob_sum(const Trace& t, F keep) {
  Tensor total = 0.0;
  for (const Site& s : t)
    if (s.type == SiteType::sample && keep(s)) total = total + s.log_prob_sum();
  return total;
}

/// The log density of each element of a plate, scaled and masked, summed over all sites in it: shape (size of the plate,), in the order of its
/// indices. Sites outside the plate are not in it. Throws: wick.trace.E700 when no sample site is in a plate of this name, E701 for a density that has not
/// the plate's dim.
inline Tensor plate_log_prob(const Trace& t, std::string_view plate) {
  const Name name(plate);
  Tensor total;
  detail::List<Tensor> turns;
  for (const Site& s : t) {
    if (s.type != SiteType::sample) continue;
    for (const Frame& f : s.frames) {
      if (!(f.name == name)) continue;
      if (!f.vectorized()) {
        turns.resize(static_cast<std::size_t>(f.size), Tensor(0.0));
        Tensor& turn = turns[static_cast<std::size_t>(f.counter - 1)];
        turn = turn + s.log_prob_sum();
        continue;
      }
      Tensor lp = s.log_prob();
      if (lp.shape().from_right(f.dim) != f.size)
        detail::raise<ShapeError>("wick.trace.E701", s.name.view(), {"the log density has shape ", lp.shape(), ", plate \"", plate, "\" has size ", f.size, " at dim ", f.dim},
                                  {"give values of the plate's size, or put the handler that gives them outside the plate"});
      for (Index d = lp.dim(); d > 0; --d)
        if (d != -f.dim) lp = sum(lp, {-d}, true);
      lp = reshape(lp, {f.size});
      total = total.empty() ? lp : total + lp;
    }
  }
  if (!turns.empty()) {
    const Tensor loop = stack_tensors({turns.data(), turns.size()});
    total = total.empty() ? loop : total + loop;
  }
  if (total.empty())
    detail::raise<SiteError>("wick.trace.E700", "", {"no sample site of the trace is in a plate \"", plate, "\"\n", t.shape_table()}, {"use the name of a plate in the table that has sites"});
  return total;
}

/// The sites with their values and log densities, one a line; large values by their shapes.
template <class = void>
WICK_COLD std::string to_string(const Trace& t) {
  std::string out;
  for (const Site& s : t) {
    const std::string_view name = s.name.view();
    out.append(name).append(s.fn() == nullptr ? std::string(" ") + detail::type_text(s.type) : " ~ " + std::string(s.fn()->name()) + (s.is_observed ? ", observed" : ""));
    if (!s.value.empty()) out += s.value.numel() <= 8 ? " = " + to_string(s.value) : " of shape " + detail::to_string(s.value.shape());
    if (s.fn() != nullptr) out += "  log density " + to_string(s.log_prob_sum());
    out += "\n";
  }
  return out;
}
/// `std::cout << trace`: as `to_string`. For every stream that takes a std::string.
template <class Stream, std::same_as<Trace> T>
  requires requires(Stream& s, const std::string& text) { s << text; }
decltype(auto) operator<<(Stream& s, const T& t) {
  return s << to_string(t);
}

}  // namespace wick::inline WICK_ABI
