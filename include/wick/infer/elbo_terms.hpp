/// \file
/// What an ELBO is made of, site by site.
#pragma once

#include <string>
#include <vector>

#include <wick/infer/elbo.hpp>
#include <wick/optim/key_table.hpp>

namespace wick::inline WICK_ABI {

/// The terms of one site.
struct ElboTerm {
  std::string site;
  double log_p = 0;          ///< the model's log density, scaled and masked; 0 for sites of the guide alone
  double log_q = 0;          ///< the guide's; 0 for observed sites
  bool is_observed = false;  ///< observed by the model, or a factor of it: log_p is part of the likelihood
  bool is_local = false;     ///< inside a plate, vectorised or sequential
  /// log q − log p: at the draws made, not its expectation.
  double kl() const noexcept { return log_q - log_p; }
};

/// The parts of an estimate of the ELBO: `elbo` = `likelihood` − `global_kl` − `local_kl` to rounding.
///
/// All are means over the ELBO's particles, of terms scaled and masked as in the loss: with a subsample the sums over its plates are estimates
/// for the whole. KL means log q − log p at the draws, whose expectation is the divergence. Auxiliary sites and factors of the guide are
/// part of the KLs, factors of the model of the likelihood; a site drawn `from_prior` has terms 0.
class ElboTerms {
 public:
  double elbo = 0;        ///< minus the loss of these draws
  double likelihood = 0;  ///< Σ log p of observed sites
  double global_kl = 0;   ///< of latent sites outside plates
  double local_kl = 0;    ///< Σ over latent sites inside plates

  /// In the order of the model's sites, then those of the guide alone.
  const std::vector<ElboTerm>& sites() const noexcept { return sites_; }
  /// Throws wick.trace.E220 when there is no such site.
  const ElboTerm& operator[](std::string_view site) const {
    for (const ElboTerm& t : sites_)
      if (t.site == site) return t;
    detail::raise<SiteError>("wick.trace.E220", site, {"the ELBO has no term of such a site\n", text()}, {"use one of the names in the table"});
  }
  /// A table of all terms and their sums.
  std::string format() const { return std::string(text().view()); }

  // For inference: adds what one particle says, `weight` times.
  void add(const detail::ParticleTraces& t, double weight) {
    for (const Site& s : t.model) {
      if (s.type != SiteType::sample) continue;
      ElboTerm& term = at(s, s.is_observed);
      if (!detail::from_prior(s, t.guide)) term.log_p += weight * s.log_prob_sum().item();
    }
    for (const Site& s : t.guide)
      if (s.type == SiteType::sample) at(s, false).log_q += weight * s.log_prob_sum().item();
  }
  void finish(double loss) {
    elbo = -loss;
    for (const ElboTerm& t : sites_) (t.is_observed ? likelihood : t.is_local ? local_kl : global_kl) += t.is_observed ? t.log_p : t.kl();
  }

 private:
  ElboTerm& at(const Site& s, bool observed) {
    const std::size_t known = places_.find(s.name.id());
    if (known != detail::KeyTable::none) return sites_[known];
    places_.put(s.name.id(), sites_.size());
    sites_.push_back({std::string(s.name.view()), 0, 0, observed, !s.frames.empty()});
    return sites_.back();
  }
  detail::Text text() const;
  std::vector<ElboTerm> sites_;
  detail::KeyTable places_;  ///< by id of the name
};

WICK_COLD inline detail::Text ElboTerms::text() const {
  std::size_t width = 10;
  for (const ElboTerm& t : sites_) width = t.site.size() > width ? t.site.size() : width;
  detail::Text out;
  const auto row = [&](std::string_view name, const char* what, std::initializer_list<const double*> numbers) {
    char buffer[40];
    detail::Text line;
    line.add("  ").add(name).pad_to(width + 4).add(what).pad_to(width + 14);
    for (const double* x : numbers) {
      if (x == nullptr)
        std::snprintf(buffer, sizeof buffer, "%13s", "");
      else
        std::snprintf(buffer, sizeof buffer, "%13.4f", *x);
      line.add(buffer);
    }
    line.trim();
    out.add(line).add("\n");
  };
  detail::Text head;
  head.add("  site").pad_to(width + 4).add("what").pad_to(width + 14).add("        log p        log q  log q/log p\n");
  out.add(head);
  for (const ElboTerm& t : sites_) {
    const double kl = t.kl();
    row(t.site, t.is_observed ? "observed" : t.is_local ? "local" : "global", {&t.log_p, t.is_observed ? nullptr : &t.log_q, t.is_observed ? nullptr : &kl});
  }
  row("likelihood", "", {&likelihood});
  row("global KL", "", {nullptr, nullptr, &global_kl});
  row("local KLs", "", {nullptr, nullptr, &local_kl});
  row("ELBO", "", {&elbo});
  return out;
}

}  // namespace wick::inline WICK_ABI
