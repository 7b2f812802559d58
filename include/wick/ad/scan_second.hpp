/// \file
/// Second derivatives of scans: steps over nested dual numbers.
#pragma once

#include <wick/ad/second_pass.hpp>

#if defined(WICK_SECOND_ORDER)

#include <wick/ad/scan_run.hpp>

namespace wick::inline WICK_ABI::detail {

/// The arguments of step `t` and their tangents, behind the state's.
inline void scan_load(SecondPass& pass, const ScanPayload& p, Index t, double* x, double* dx) {
  unsigned lane = p.spec->states;
  for (std::size_t a = 0; a < p.count; ++a) {
    const Index n = p.widths[a].width == 0 ? 1 : static_cast<Index>(p.widths[a].width);
    const Index at = p.widths[a].moves ? t * n : 0;
    for (Index i = 0; i < n; ++i, ++lane) {
      x[lane] = pass.value(p.in[a + 1])[at + i];
      dx[lane] = pass.tangent(p.in[a + 1])[at + i];
    }
  }
}
inline void scan_load_state(SecondPass& pass, const ScanPayload& p, double* x, double* dx) {
  for (unsigned k = 0; k < p.spec->states; ++k) {
    x[k] = pass.value(p.in[0])[k];
    dx[k] = pass.tangent(p.in[0])[k];
  }
}

WICK_COLD inline void scan_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const ScanPayload*>(pass.tape()[i].payload);
  const ScanSpec& s = *p.spec;
  const Index states = s.states, outputs = s.outputs;
  double x[kScanLanes], dx[kScanLanes], y[2 * kScanLanes], dy[2 * kScanLanes];
  double* out = pass.tangent_output(i);
  scan_load_state(pass, p, x, dx);
  for (Index t = 0; t < p.steps; ++t) {
    scan_load(pass, p, t, x, dx);
    s.second(p.f, x, dx, y, dy, nullptr, nullptr);
    for (Index k = 0; k < states; ++k) {
      x[k] = y[k];
      dx[k] = dy[k];
      if (outputs == 0) out[t * states + k] = dy[k];
    }
    for (Index k = 0; k < outputs; ++k) out[t * outputs + k] = dy[states + k];
  }
  if (outputs != 0)
    for (Index k = 0; k < states; ++k) out[p.steps * outputs + k] = dx[k];
}

/// All Jacobians with their tangents first, then the reverse loop for the adjoint and its tangent together.
WICK_COLD inline void scan_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const ScanPayload*>(pass.tape()[i].payload);
  const ScanSpec& s = *p.spec;
  const Index states = s.states, outputs = s.outputs, lanes = s.lanes, rows = states + outputs, size = rows * lanes;
  const double *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  std::vector<double> jacobians(static_cast<std::size_t>(2 * size * p.steps));
  double x[kScanLanes], dx[kScanLanes], y[2 * kScanLanes], dy[2 * kScanLanes];
  scan_load_state(pass, p, x, dx);
  for (Index t = 0; t < p.steps; ++t) {
    scan_load(pass, p, t, x, dx);
    double* j = jacobians.data() + 2 * size * t;
    s.second(p.f, x, dx, y, dy, j, j + size);
    for (Index k = 0; k < states; ++k) {
      x[k] = y[k];
      dx[k] = dy[k];
    }
  }
  const auto element = [](const double* from, Index k) { return from == nullptr ? 0.0 : from[k]; };
  double next[kScanLanes], dnext[kScanLanes], before[kScanLanes], dbefore[kScanLanes];
  for (Index k = 0; k < states; ++k) {
    next[k] = outputs == 0 ? 0.0 : element(g, p.steps * outputs + k);
    dnext[k] = outputs == 0 ? 0.0 : element(dg, p.steps * outputs + k);
  }
  for (Index t = p.steps; t-- > 0;) {
    const double *j = jacobians.data() + 2 * size * t, *dj = j + size;
    for (Index k = 0; k < states && outputs == 0; ++k) {
      next[k] += element(g, t * states + k);
      dnext[k] += element(dg, t * states + k);
    }
    for (Index k = 0; k < lanes; ++k) before[k] = dbefore[k] = 0;
    for (Index r = 0; r < rows; ++r, j += lanes, dj += lanes) {
      const double a = r < states ? next[r] : element(g, t * outputs + (r - states)), da = r < states ? dnext[r] : element(dg, t * outputs + (r - states));
      for (Index k = 0; k < lanes; ++k) {
        if (a != 0) before[k] += a * j[k];
        dbefore[k] += (da == 0 ? 0.0 : da * j[k]) + (a == 0 ? 0.0 : a * dj[k]);
      }
    }
    for (Index k = 0; k < states; ++k) {
      next[k] = before[k];
      dnext[k] = dbefore[k];
    }
    Index lane = states;
    for (std::size_t a = 0; a < p.count; ++a) {
      const Index n = p.widths[a].width == 0 ? 1 : static_cast<Index>(p.widths[a].width), at = p.widths[a].moves ? t * n : 0;
      double* to = pass.pull_to(p.in[a + 1]);
      for (Index k = 0; k < n; ++k, ++lane)
        if (to != nullptr) to[at + k] += dbefore[lane];
    }
  }
  if (double* to = pass.pull_to(p.in[0]))
    for (Index k = 0; k < states; ++k) to[k] += dnext[k];
}

}  // namespace wick::inline WICK_ABI::detail

#endif
