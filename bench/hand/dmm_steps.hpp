/// \file
/// The same step as in hand/dmm.hpp, gone about as the model is written: time step by time step, forward and backward,
/// with Eigen's matrix-vector products of sizes that are known at run time. Nothing is done for the whole series at
/// once but the RNN's input.
///
/// The parameters lie as in hand/dmm.hpp, so that both are checked against the library in the same way.
#pragma once

#include "dmm.hpp"

namespace hand {

template <int Z, int H>
class DmmSteps {
 public:
  using Whole = Dmm<Z, H>;
  using Name = typename Whole::Name;
  using Matrix = Eigen::MatrixXd;
  using Vector = Eigen::VectorXd;
  using Parameters = Eigen::ArrayXd;

  DmmSteps(const double* x, int steps, bool backward, double lr, std::uint64_t seed)
      : T_(steps), backward_(backward), lr_(lr), seed_(seed), x_(Eigen::Map<const Vector>(x, steps)) {
    const int n = Whole::layout.total;
    for (auto* a : {&parameters_, &gradient_, &m_, &v_}) a->setZero(n);
    for (auto* m : {&h_, &hin_, &c_, &hc_, &g1_, &p1_, &e1_, &e2_, &dh_}) m->resize(H, T_);
    for (auto* m : {&z_, &eps_, &sq_, &sq_raw_, &gate_, &prop_, &lin_, &sp_, &r_}) m->resize(Z, T_);
    mean_.resize(T_);
    for (auto* v : {&hidden_, &hidden2_, &back_}) v->resize(H);
    for (auto* v : {&dz_, &carry_, &dloc_, &dscale_, &dgate_, &dprop_, &dlin_}) v->resize(Z);
    for (int t = 0; t < T_; ++t) sites_.push_back(wick::hash_name("z_" + std::to_string(t)));
  }

  double step(double annealing) {
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    for (int t = 0; t < T_; ++t)
      wick::math::fill_normal(wick::site_key(base, sites_[static_cast<std::size_t>(t)], 0, 0), eps_.col(t).data(), Z);
    const double loss = loss_and_gradient(annealing);
    power1_ *= 0.9;
    power2_ *= 0.999;
    const double rate = lr_ / (1.0 - power1_), correction = 1.0 / std::sqrt(1.0 - power2_);
    m_ = 0.9 * m_ + (1.0 - 0.9) * gradient_;
    v_ = 0.999 * v_ + (1.0 - 0.999) * gradient_.square();
    parameters_ -= rate * (m_ / (v_.sqrt() * correction + 1e-8));
    return loss;
  }

  double loss_and_gradient(double annealing) {
    double loss = 0;
    run_rnn();
    const double log_scale = at(Name::log_obs_scale)(0, 0);
    for (int t = 0; t < T_; ++t) {
      infer(t);
      loss += annealing * transition(t) + emit(t, log_scale);
    }
    gradient_.setZero();
    carry_.setZero();
    for (int t = T_ - 1; t >= 0; --t) {
      pull_emit(t, log_scale);
      pull_transition(t, annealing);
      pull_infer(t, annealing);
    }
    pull_rnn();
    return loss;
  }

  Parameters& parameters() { return parameters_; }
  const Parameters& gradient() const { return gradient_; }
  Matrix& noise() { return eps_; }

 private:
  Eigen::Map<Matrix> at(Name n) { return map(parameters_, n); }
  Eigen::Map<Matrix> to(Name n) { return map(gradient_, n); }
  static Eigen::Map<Matrix> map(Parameters& p, Name n) {
    const auto& s = Whole::layout.slot[n];
    return {p.data() + s.at, s.rows, s.columns};
  }
  template <class A>
  static auto softplus(const A& a) {
    return a.max(0.0) + (1.0 + (-a.abs()).exp()).log();
  }
  template <class A>
  static auto sigmoid(const A& a) {
    return 1.0 / (1.0 + (-a).exp());
  }
  /// out = W in + b, and the way back: gradients of W and b, and to the input's.
  template <class In, class Out>
  void linear(Name w, const In& in, Out&& out) {
    out = at(static_cast<Name>(w + 1));
    out.noalias() += at(w) * in;
  }
  template <class In, class D, class To>
  void pull_linear(Name w, const In& in, const D& d, To&& to_in) {
    to(w).noalias() += d * in.transpose();
    to(static_cast<Name>(w + 1)) += d;
    to_in.noalias() += at(w).transpose() * d;
  }

  int place(int i) const { return backward_ ? T_ - 1 - i : i; }
  void run_rnn() {
    back_ = at(Name::h_0);
    for (int i = 0; i < T_; ++i) {
      const int t = place(i);
      hin_.col(t) = back_;
      hidden_ = at(Name::rnn_in_b) + at(Name::rnn_b) + at(Name::rnn_in_w) * x_[t];
      hidden_.noalias() += at(Name::rnn_w) * back_;
      back_ = hidden_.cwiseMax(0.0);
      h_.col(t) = back_;
    }
  }
  void pull_rnn() {
    back_.setZero();
    for (int i = T_ - 1; i >= 0; --i) {
      const int t = place(i);
      hidden_ = (h_.col(t).array() > 0.0).select(dh_.col(t) + back_, 0.0);
      to(Name::rnn_in_w) += hidden_ * x_[t];
      to(Name::rnn_in_b) += hidden_;
      to(Name::rnn_b) += hidden_;
      to(Name::rnn_w).noalias() += hidden_ * hin_.col(t).transpose();
      back_.noalias() = at(Name::rnn_w).transpose() * hidden_;
    }
    to(Name::h_0) = back_;
  }

  auto before(int t, Name first) {
    return t == 0 ? Eigen::Map<const Vector>(at(first).data(), Z) : Eigen::Map<const Vector>(z_.col(t - 1).data(), Z);
  }
  void infer(int t) {
    linear(Name::comb_w, before(t, Name::z_q_0), hidden_);
    c_.col(t) = 1.0 - 2.0 / (1.0 + (2.0 * hidden_.array()).exp());
    hc_.col(t) = 0.5 * (c_.col(t) + h_.col(t));
    linear(Name::scale_w, hc_.col(t), sq_raw_.col(t));
    sq_.col(t) = softplus(sq_raw_.col(t).array()) + 1e-4;
    linear(Name::loc_w, hc_.col(t), z_.col(t));
    z_.col(t) += sq_.col(t).cwiseProduct(eps_.col(t));
  }
  void pull_infer(int t, double annealing) {
    dscale_ = (dz_.array() * eps_.col(t).array() - annealing / sq_.col(t).array()) * sigmoid(sq_raw_.col(t).array());
    hidden_.setZero();
    pull_linear(Name::loc_w, hc_.col(t), dz_, hidden_);
    pull_linear(Name::scale_w, hc_.col(t), dscale_, hidden_);
    hidden_ *= 0.5;
    dh_.col(t) = hidden_;
    hidden_.array() *= 1.0 - c_.col(t).array().square();
    if (t == 0)
      pull_linear(Name::comb_w, before(t, Name::z_q_0), hidden_, to(Name::z_q_0));
    else
      pull_linear(Name::comb_w, before(t, Name::z_q_0), hidden_, carry_);
  }

  /// log q(z_t) - log p(z_t).
  double transition(int t) {
    const auto z = before(t, Name::z_0);
    linear(Name::gate_w, z, g1_.col(t));
    g1_.col(t) = g1_.col(t).cwiseMax(0.0).eval();
    linear(Name::gate_out_w, g1_.col(t), gate_.col(t));
    gate_.col(t) = sigmoid(gate_.col(t).array()).eval();
    linear(Name::prop_w, z, p1_.col(t));
    p1_.col(t) = p1_.col(t).cwiseMax(0.0).eval();
    linear(Name::prop_out_w, p1_.col(t), prop_.col(t));
    linear(Name::z_w, z, lin_.col(t));
    sp_.col(t) = softplus(prop_.col(t).array()) + 1e-4;
    const auto loc = (1.0 - gate_.col(t).array()) * lin_.col(t).array() + gate_.col(t).array() * prop_.col(t).array();
    r_.col(t) = (z_.col(t).array() - loc) / sp_.col(t).array();
    return 0.5 * (r_.col(t).array().square() - eps_.col(t).array().square()).sum() +
           (sp_.col(t).array() / sq_.col(t).array()).log().sum();
  }
  void pull_transition(int t, double annealing) {
    const auto gate = gate_.col(t).array(), prop = prop_.col(t).array(), lin = lin_.col(t).array(),
               r = r_.col(t).array(), s = sp_.col(t).array();
    dloc_ = -annealing * r / s;
    dz_ -= dloc_;
    dgate_ = dloc_.array() * (prop - lin) * gate * (1.0 - gate);
    dprop_ = dloc_.array() * gate + annealing * (1.0 - r.square()) / s * sigmoid(prop);
    dlin_ = dloc_.array() * (1.0 - gate);
    carry_.setZero();
    const auto z = before(t, Name::z_0);
    pull_linear(Name::z_w, z, dlin_, carry_);
    pull_hidden(Name::gate_out_w, Name::gate_w, g1_.col(t), z, dgate_, carry_);
    pull_hidden(Name::prop_out_w, Name::prop_w, p1_.col(t), z, dprop_, carry_);
    if (t == 0) to(Name::z_0) = carry_;
  }
  template <class Hidden, class In, class D, class To>
  void pull_hidden(Name out, Name in, const Hidden& h, const In& z, const D& d, To&& to_in) {
    hidden_.setZero();
    pull_linear(out, h, d, hidden_);
    hidden_ = (h.array() > 0.0).select(hidden_, 0.0);
    pull_linear(in, z, hidden_, to_in);
  }

  /// -log p(x_t).
  double emit(int t, double log_scale) {
    linear(Name::emit1_w, z_.col(t), e1_.col(t));
    e1_.col(t) = e1_.col(t).cwiseMax(0.0).eval();
    linear(Name::emit2_w, e1_.col(t), e2_.col(t));
    e2_.col(t) = e2_.col(t).cwiseMax(0.0).eval();
    mean_[t] = at(Name::emit3_b)(0, 0) + at(Name::emit3_w).row(0).dot(e2_.col(t));
    const double u = (mean_[t] - x_[t]) * std::exp(-log_scale);
    return log_scale + 0.91893853320467274178 + 0.5 * u * u;
  }
  void pull_emit(int t, double log_scale) {
    const double inverse = std::exp(-log_scale), u = (mean_[t] - x_[t]) * inverse, d = u * inverse;
    to(Name::log_obs_scale)(0, 0) += 1.0 - u * u;
    to(Name::emit3_b)(0, 0) += d;
    to(Name::emit3_w).row(0) += d * e2_.col(t).transpose();
    hidden2_ = (e2_.col(t).array() > 0.0).select(d * at(Name::emit3_w).row(0).transpose(), 0.0);
    hidden_.setZero();
    pull_linear(Name::emit2_w, e1_.col(t), hidden2_, hidden_);
    hidden_ = (e1_.col(t).array() > 0.0).select(hidden_, 0.0);
    dz_ = carry_;  // what the step after this one says of z_t
    pull_linear(Name::emit1_w, z_.col(t), hidden_, dz_);
  }

  int T_;
  bool backward_;
  double lr_, power1_ = 1.0, power2_ = 1.0;
  std::uint64_t seed_, step_ = 0;
  Vector x_;
  std::vector<std::uint64_t> sites_;
  Parameters parameters_, gradient_, m_, v_;
  Matrix h_, hin_, c_, hc_, g1_, p1_, e1_, e2_, dh_, z_, eps_, sq_, sq_raw_, gate_, prop_, lin_, sp_, r_;
  Vector mean_, hidden_, hidden2_, back_, dz_, carry_, dloc_, dscale_, dgate_, dprop_, dlin_;
};

}  // namespace hand
