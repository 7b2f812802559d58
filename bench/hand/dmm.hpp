/// \file
/// One SVI step of the deep Markov model (examples/dmm) in plain C++ with Eigen: the *hand-written* step of the speed
/// rule.
///
/// One step = the RNN over the series; the guide's chain z_t ~ Normal(combiner(z_{t-1}, h_t)) with the noise that the
/// library gives each of these sites; the loss -ELBO with one particle and its gradient by every parameter; one Adam
/// update. Double precision, no fast-math, Eigen's vectorised exp and log, no memory allocated in a step.
///
/// What a specialist knows: only RNN and guide are sequential. Once all z are drawn, transition and emitter are the
/// same function of 100 columns, so they are matrix products of a whole series, forward and backward; and so are the
/// gradients of all weights. All sizes are known to the compiler. The model as it is written goes step by step, and so
/// does the baseline in hand/dmm_steps.hpp.
///
/// `loss_and_gradient` is held against central differences by bench/dmm.cpp, and the steps against the library's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <wick/math/noise.hpp>

#include "adam_eigen.hpp"

namespace hand {

/// z has Z numbers; Z, hidden and RNN layers H. The series is one number a time step.
template <int Z, int H>
class Dmm {
 public:
  /// A weight matrix (rows = outputs, columns = inputs, column after column) or a bias (one column).
  struct Slot {
    const char* name;
    int rows, columns, at;
    int size() const { return rows * columns; }
  };
  enum Name {
    gate_w,
    gate_b,
    gate_out_w,
    gate_out_b,
    prop_w,
    prop_b,
    prop_out_w,
    prop_out_b,
    z_w,
    z_b,  // transition
    emit1_w,
    emit1_b,
    emit2_w,
    emit2_b,
    emit3_w,
    emit3_b,
    comb_w,
    comb_b,
    loc_w,
    loc_b,
    scale_w,
    scale_b,
    rnn_in_w,
    rnn_in_b,
    rnn_w,
    rnn_b,
    z_0,
    z_q_0,
    h_0,
    log_obs_scale,
    slots
  };
  struct Layout {
    Slot slot[slots] = {{"dmm$$$transition.lin_gate.weight", H, Z, 0},
                        {"dmm$$$transition.lin_gate.bias", H, 1, 0},
                        {"dmm$$$transition.lin_gate_out.weight", Z, H, 0},
                        {"dmm$$$transition.lin_gate_out.bias", Z, 1, 0},
                        {"dmm$$$transition.lin_prop.weight", H, Z, 0},
                        {"dmm$$$transition.lin_prop.bias", H, 1, 0},
                        {"dmm$$$transition.lin_prop_out.weight", Z, H, 0},
                        {"dmm$$$transition.lin_prop_out.bias", Z, 1, 0},
                        {"dmm$$$transition.lin_z.weight", Z, Z, 0},
                        {"dmm$$$transition.lin_z.bias", Z, 1, 0},
                        {"dmm$$$emitter.first.weight", H, Z, 0},
                        {"dmm$$$emitter.first.bias", H, 1, 0},
                        {"dmm$$$emitter.second.weight", H, H, 0},
                        {"dmm$$$emitter.second.bias", H, 1, 0},
                        {"dmm$$$emitter.third.weight", 1, H, 0},
                        {"dmm$$$emitter.third.bias", 1, 1, 0},
                        {"dmm$$$combiner.lin_z_to_hidden.weight", H, Z, 0},
                        {"dmm$$$combiner.lin_z_to_hidden.bias", H, 1, 0},
                        {"dmm$$$combiner.lin_hidden_to_loc.weight", Z, H, 0},
                        {"dmm$$$combiner.lin_hidden_to_loc.bias", Z, 1, 0},
                        {"dmm$$$combiner.lin_hidden_to_scale.weight", Z, H, 0},
                        {"dmm$$$combiner.lin_hidden_to_scale.bias", Z, 1, 0},
                        {"dmm$$$rnn.weight_ih_l0", H, 1, 0},
                        {"dmm$$$rnn.bias_ih_l0", H, 1, 0},
                        {"dmm$$$rnn.weight_hh_l0", H, H, 0},
                        {"dmm$$$rnn.bias_hh_l0", H, 1, 0},
                        {"dmm$$$z_0", Z, 1, 0},
                        {"dmm$$$z_q_0", Z, 1, 0},
                        {"dmm$$$h_0", H, 1, 0},
                        {"obs_scale", 1, 1, 0}};
    int total = 0;
    constexpr Layout() {
      for (Slot& s : slot) {
        s.at = total;
        total += (s.rows * s.columns + 7) / 8 * 8;  // each begins on a cache line
      }
    }
  };
  static constexpr Layout layout{};
  using Parameters = Eigen::Array<double, layout.total, 1>;

  Dmm(const double* x, int steps, bool backward, double lr, std::uint64_t seed)
      : T_(steps), backward_(backward), adam_(lr), seed_(seed), x_(Eigen::Map<const Eigen::RowVectorXd>(x, steps)) {
    for (auto* m : {&h_, &hin_, &c_, &g1_, &p1_, &e1_, &e2_, &dh_, &dpre_, &dc_, &dg1_, &dp1_, &de1_, &de2_})
      m->resize(H, T_);
    for (auto* m : {&z_, &zp_, &zq_, &eps_, &sq_, &sq_raw_, &gate_, &prop_, &lin_, &mp_, &sp_, &r_, &dz_, &dzp_,
                    &dprop_, &dgate_, &dlin_, &dloc_, &dscale_})
      m->resize(Z, T_);
    mean_.resize(T_);
    dmean_.resize(T_);
    for (int t = 0; t < T_; ++t) sites_.push_back(wick::hash_name("z_" + std::to_string(t)));
  }

  /// One SVI step; returns the loss.
  double step(double annealing) {
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    for (int t = 0; t < T_; ++t)
      wick::math::fill_normal(wick::site_key(base, sites_[static_cast<std::size_t>(t)], 0, 0), eps_.col(t).data(), Z);
    const double loss = loss_and_gradient(annealing);
    adam_.step(parameters_, gradient_);
    return loss;
  }

  /// The loss at the present parameters and noise; `gradient()` gets its derivatives.
  double loss_and_gradient(double annealing) {
    run_rnn();
    run_guide();
    const double loss = run_model(annealing);
    pull_model(annealing);
    pull_guide(annealing);
    pull_rnn();
    return loss;
  }

  Parameters& parameters() { return parameters_; }
  const Parameters& gradient() const { return gradient_; }
  Eigen::MatrixXd& noise() { return eps_; }

 private:
  using Hidden = Eigen::MatrixXd;
  using Latent = Eigen::MatrixXd;
  using HVector = Eigen::Matrix<double, H, 1>;
  using ZVector = Eigen::Matrix<double, Z, 1>;

  template <int R, int C>
  Eigen::Map<Eigen::Matrix<double, R, C>, Eigen::Aligned64> at(Name n) {
    return Eigen::Map<Eigen::Matrix<double, R, C>, Eigen::Aligned64>(parameters_.data() + layout.slot[n].at);
  }
  template <int R, int C>
  Eigen::Map<Eigen::Matrix<double, R, C>, Eigen::Aligned64> to(Name n) {
    return Eigen::Map<Eigen::Matrix<double, R, C>, Eigen::Aligned64>(gradient_.data() + layout.slot[n].at);
  }

  // For products of the whole series: of sizes known at run time, which cost nothing there and are compiled once.
  using Product = Eigen::Map<Eigen::MatrixXd, Eigen::AlignedMax>;
  Product mat(Name n) { return {parameters_.data() + layout.slot[n].at, layout.slot[n].rows, layout.slot[n].columns}; }
  Product grad(Name n) { return {gradient_.data() + layout.slot[n].at, layout.slot[n].rows, layout.slot[n].columns}; }

  // softplus(a) = max(a, 0) + log(1 + e), sigmoid(a) = (a < 0 ? e : 1) / (1 + e), e = exp(-|a|).
  template <class A>
  static auto softplus(const A& a) {
    return a.max(0.0) + (1.0 + (-a.abs()).exp()).log();
  }
  template <class A>
  static auto sigmoid(const A& a) {
    return 1.0 / (1.0 + (-a).exp());
  }

  int place(int i) const { return backward_ ? T_ - 1 - i : i; }  // of the RNN's turn i in time

  /// hin_.col(t): the state before time t in the RNN's direction; h_.col(t): the one after.
  void run_rnn() {
    const auto W = at<H, H>(rnn_w);
    const HVector bias = at<H, 1>(rnn_in_b) + at<H, 1>(rnn_b), in = at<H, 1>(rnn_in_w);
    HVector h = at<H, 1>(h_0);
    for (int i = 0; i < T_; ++i) {
      const int t = place(i);
      hin_.col(t) = h;
      HVector next = bias + in * x_[t];
      next.noalias() += W * h;
      h = next.cwiseMax(0.0);
      h_.col(t) = h;
    }
  }

  /// c_: tanh(lin_z_to_hidden z); then loc, scale and z.
  void run_guide() {
    const auto W = at<H, Z>(comb_w);
    const HVector b = at<H, 1>(comb_b);
    const Eigen::Matrix<double, H, Z> loc = at<Z, H>(loc_w).transpose(), scale = at<Z, H>(scale_w).transpose();
    const ZVector b_loc = at<Z, 1>(loc_b), b_scale = at<Z, 1>(scale_b);
    ZVector z = at<Z, 1>(z_q_0);
    for (int t = 0; t < T_; ++t) {
      zq_.col(t) = z;
      HVector a = b;
      for (int k = 0; k < Z; ++k) a += W.col(k) * z[k];
      c_.col(t) = 1.0 - 2.0 / (1.0 + (2.0 * a.array()).exp());
      const HVector hc = 0.5 * (c_.col(t) + h_.col(t));
      ZVector m = b_loc, s = b_scale;
      for (int k = 0; k < Z; ++k) {
        m[k] += loc.col(k).dot(hc);
        s[k] += scale.col(k).dot(hc);
      }
      sq_raw_.col(t) = s;
      sq_.col(t) = softplus(s.array()) + 1e-4;
      z = m + sq_.col(t).cwiseProduct(eps_.col(t));
      z_.col(t) = z;
    }
  }

  double run_model(double annealing) {
    zp_.col(0) = at<Z, 1>(z_0);
    zp_.rightCols(T_ - 1) = z_.leftCols(T_ - 1);

    g1_.noalias() = mat(gate_w) * zp_;
    g1_ = (g1_.colwise() + HVector(at<H, 1>(gate_b))).cwiseMax(0.0);
    gate_.noalias() = mat(gate_out_w) * g1_;
    gate_ = sigmoid((gate_.colwise() + ZVector(at<Z, 1>(gate_out_b))).array());
    p1_.noalias() = mat(prop_w) * zp_;
    p1_ = (p1_.colwise() + HVector(at<H, 1>(prop_b))).cwiseMax(0.0);
    prop_.noalias() = mat(prop_out_w) * p1_;
    prop_.colwise() += ZVector(at<Z, 1>(prop_out_b));
    lin_.noalias() = mat(z_w) * zp_;
    lin_.colwise() += ZVector(at<Z, 1>(z_b));
    mp_ = (1.0 - gate_.array()) * lin_.array() + gate_.array() * prop_.array();
    sp_ = softplus(prop_.array()) + 1e-4;

    e1_.noalias() = mat(emit1_w) * z_;
    e1_ = (e1_.colwise() + HVector(at<H, 1>(emit1_b))).cwiseMax(0.0);
    e2_.noalias() = mat(emit2_w) * e1_;
    e2_ = (e2_.colwise() + HVector(at<H, 1>(emit2_b))).cwiseMax(0.0);
    mean_.noalias() = mat(emit3_w) * e2_;
    mean_.array() += at<1, 1>(emit3_b)(0, 0);

    r_ = (z_ - mp_).cwiseQuotient(sp_);
    const double latents =
        0.5 * (r_.array().square() - eps_.array().square()).sum() + (sp_.array() / sq_.array()).log().sum();
    const double log_scale = at<1, 1>(log_obs_scale)(0, 0);
    dmean_ = (mean_ - x_) * std::exp(-log_scale);  // for the moment, the standardised residual
    return annealing * latents + T_ * (log_scale + 0.91893853320467274178) + 0.5 * dmean_.squaredNorm();
  }

  void pull_model(double annealing) {
    const double inverse = std::exp(-at<1, 1>(log_obs_scale)(0, 0));
    to<1, 1>(log_obs_scale)(0, 0) = T_ - dmean_.squaredNorm();
    dmean_ *= inverse;

    // The emitter
    to<1, 1>(emit3_b)(0, 0) = dmean_.sum();
    grad(emit3_w).noalias() = dmean_ * e2_.transpose();
    de2_.noalias() = mat(emit3_w).transpose() * dmean_;
    de2_ = (e2_.array() > 0.0).select(de2_, 0.0);
    to<H, 1>(emit2_b) = de2_.rowwise().sum();
    grad(emit2_w).noalias() = de2_ * e1_.transpose();
    de1_.noalias() = mat(emit2_w).transpose() * de2_;
    de1_ = (e1_.array() > 0.0).select(de1_, 0.0);
    to<H, 1>(emit1_b) = de1_.rowwise().sum();
    grad(emit1_w).noalias() = de1_ * z_.transpose();
    dz_.noalias() = mat(emit1_w).transpose() * de1_;

    // The transition: d loss / d loc = -r / scale, d loss / d scale = (1 - r^2) / scale; z has the opposite of loc.
    dlin_ = -annealing * r_.cwiseQuotient(sp_);  // for the moment, of loc
    dz_ -= dlin_;
    dgate_ = dlin_.array() * (prop_ - lin_).array() * gate_.array() * (1.0 - gate_.array());
    dprop_ =
        dlin_.array() * gate_.array() + annealing * (1.0 - r_.array().square()) / sp_.array() * sigmoid(prop_.array());
    dlin_.array() *= 1.0 - gate_.array();
    to<Z, 1>(z_b) = dlin_.rowwise().sum();
    grad(z_w).noalias() = dlin_ * zp_.transpose();
    dzp_.noalias() = mat(z_w).transpose() * dlin_;
    pull_pair(gate_w, gate_b, gate_out_w, gate_out_b, dgate_, g1_, dg1_);
    pull_pair(prop_w, prop_b, prop_out_w, prop_out_b, dprop_, p1_, dp1_);
    to<Z, 1>(z_0) = dzp_.col(0);
    dz_.leftCols(T_ - 1) += dzp_.rightCols(T_ - 1);
  }
  /// The two layers of gate or proposal.
  void pull_pair(Name w, Name b, Name w_out, Name b_out, const Latent& d, const Hidden& hidden, Hidden& dhidden) {
    to<Z, 1>(b_out) = d.rowwise().sum();
    grad(w_out).noalias() = d * hidden.transpose();
    dhidden.noalias() = mat(w_out).transpose() * d;
    dhidden = (hidden.array() > 0.0).select(dhidden, 0.0);
    to<H, 1>(b) = dhidden.rowwise().sum();
    grad(w).noalias() = dhidden * zp_.transpose();
    dzp_.noalias() += mat(w).transpose() * dhidden;
  }

  void pull_guide(double annealing) {
    const Eigen::Matrix<double, H, Z> loc = at<Z, H>(loc_w).transpose(), scale = at<Z, H>(scale_w).transpose();
    const auto W = at<H, Z>(comb_w);
    dscale_ = sigmoid(sq_raw_.array());
    ZVector from_next = ZVector::Zero();
    for (int t = T_ - 1; t >= 0; --t) {
      const ZVector dz = dz_.col(t) + from_next;
      dloc_.col(t) = dz;
      const ZVector ds =
          (dz.cwiseProduct(eps_.col(t)) - annealing * sq_.col(t).cwiseInverse()).cwiseProduct(dscale_.col(t));
      dscale_.col(t) = ds;
      HVector dhc = HVector::Zero();
      for (int k = 0; k < Z; ++k) dhc += loc.col(k) * dz[k] + scale.col(k) * ds[k];
      dhc *= 0.5;
      dh_.col(t) = dhc;
      const HVector da = dhc.array() * (1.0 - c_.col(t).array().square());
      dc_.col(t) = da;
      for (int k = 0; k < Z; ++k) from_next[k] = W.col(k).dot(da);
    }
    to<Z, 1>(z_q_0) = from_next;
    to<H, 1>(comb_b) = dc_.rowwise().sum();
    grad(comb_w).noalias() = dc_ * zq_.transpose();
    to<Z, 1>(loc_b) = dloc_.rowwise().sum();
    to<Z, 1>(scale_b) = dscale_.rowwise().sum();
    c_ = 0.5 * (c_ + h_);
    grad(loc_w).noalias() = dloc_ * c_.transpose();
    grad(scale_w).noalias() = dscale_ * c_.transpose();
  }

  void pull_rnn() {
    const Eigen::Matrix<double, H, H> Wt = at<H, H>(rnn_w).transpose();
    HVector back = HVector::Zero();
    for (int i = T_ - 1; i >= 0; --i) {
      const int t = place(i);
      const HVector d = (h_.col(t).array() > 0.0).select(dh_.col(t) + back, 0.0);
      dpre_.col(t) = d;
      back.noalias() = Wt * d;
    }
    to<H, 1>(h_0) = back;
    grad(rnn_in_w).noalias() = dpre_ * x_.transpose();
    to<H, 1>(rnn_b) = dpre_.rowwise().sum();
    to<H, 1>(rnn_in_b) = to<H, 1>(rnn_b);
    grad(rnn_w).noalias() = dpre_ * hin_.transpose();
  }

  int T_;
  bool backward_;
  alignas(64) Parameters parameters_ = Parameters::Zero();
  alignas(64) Parameters gradient_ = Parameters::Zero();
  AdamEigen<layout.total> adam_;
  std::uint64_t seed_, step_ = 0;
  Eigen::RowVectorXd x_;
  std::vector<std::uint64_t> sites_;
  Hidden h_, hin_, c_, g1_, p1_, e1_, e2_, dh_, dpre_, dc_, dg1_, dp1_, de1_, de2_;
  Latent z_, zp_, zq_, eps_, sq_, sq_raw_, gate_, prop_, lin_, mp_, sp_, r_, dz_, dzp_, dprop_, dgate_, dlin_, dloc_,
      dscale_;
  Eigen::RowVectorXd mean_, dmean_;
};

}  // namespace hand
