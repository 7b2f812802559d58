/// \file
/// Rule G: `expect_grad(name, f, args...)` compares a function's value, gradient and Hessian with finite differences,
/// and its values on all paths (outside and inside a recording, of constant, varying and differentiable arguments,
/// re-run) bit for bit.
#pragma once

#include <wick/ad/second_order.hpp>

#include "catch.hpp"

#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <wick/ad/grad.hpp>
#include <wick/ad/ops.hpp>
#include <wick/tensor/make.hpp>

#include "support/errors.hpp"
#include "support/finite_difference.hpp"

namespace wick_test {

namespace grad_detail {

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick::detail::Kind;
using wick::detail::Record;
using wick::detail::Recording;
using wick::detail::Tape;
using wick::detail::TensorAccess;
using wick::detail::Unrecorded;

inline bool same_bits(double a, double b) {
  return std::memcmp(&a, &b, sizeof a) == 0 ||
         (std::isnan(a) && std::isnan(b));  // NaNs may differ in sign between compilers' paths
}
inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.empty() != b.empty() || !(a.shape() == b.shape())) return false;
  for (Index i = 0; i < a.numel(); ++i)
    if (!same_bits(a.data()[i], b.data()[i])) return false;
  return true;
}

/// Weights that make a scalar of any output: of size about 1, all different, the same in every run.
inline double weight(Index i) { return 0.75 + 0.5 * std::sin(1.0 + 1.7 * static_cast<double>(i)); }
inline Tensor weights(const Shape& shape) {
  std::vector<double> w(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = weight(static_cast<Index>(i));
  return shape.empty() ? Tensor(1.0) : wick::from_values(shape, w);
}
/// The weighted sum of an output, without the library.
inline double contract(const Tensor& y) {
  if (y.dim() == 0) return y.item();
  long double s = 0;
  const std::vector<double> v = y.to_vector();
  for (std::size_t i = 0; i < v.size(); ++i)
    s += static_cast<long double>(v[i]) * static_cast<long double>(weight(static_cast<Index>(i)));
  return static_cast<double>(s);
}
inline Tensor weighted(const Tensor& y) { return y.dim() == 0 ? y : wick::sum(y * weights(y.shape())); }

// Erased types: a test has dozens of functions, and only the call itself is compiled for each.
using Args = std::vector<Tensor>;
using Function = std::function<Tensor(const Args&)>;

inline std::vector<double> flatten(const Args& args) {
  std::vector<double> x;
  for (const Tensor& t : args)
    for (const double v : t.to_vector()) x.push_back(v);
  return x;
}
inline Args unflatten(const Args& like, const std::vector<double>& x) {
  Args args(like.size());
  std::size_t at = 0;
  for (std::size_t k = 0; k < like.size(); ++k) {
    const auto n = static_cast<std::size_t>(like[k].numel());
    const std::vector<double> own(x.begin() + static_cast<std::ptrdiff_t>(at),
                                  x.begin() + static_cast<std::ptrdiff_t>(at + n));
    args[k] = like[k].dim() == 0 ? Tensor(own[0]) : wick::from_values(like[k].shape(), own);
    at += n;
  }
  return args;
}

/// The arguments as leaves of a recording: those in `which` of this kind, the others as constants.
inline Args leaves_of(Tape& tape, const Args& args, Kind kind, unsigned which = ~0u) {
  Args leaves = args;
  for (std::size_t k = 0; k < args.size(); ++k)
    if ((which >> k & 1u) != 0) leaves[k] = push_leaf(tape, args[k], kind);
  return leaves;
}
inline std::vector<double> adjoints_of(Tape& tape, const Args& leaves) {
  std::vector<double> g;
  for (const Tensor& leaf : leaves)
    if (TensorAccess::run(leaf) == tape.run())
      for (const double v : wick::detail::adjoint_of(tape, TensorAccess::record(leaf)).to_vector()) g.push_back(v);
  return g;
}

/// Value and flat gradient of the weighted output; `which` is the set of differentiable arguments.
inline std::pair<Tensor, std::vector<double>> gradient(const Function& f, const Args& args, unsigned which = ~0u) {
  Recording recording;
  Tape& tape = recording.tape();
  const Args leaves = leaves_of(tape, args, Kind::differentiable, which);
  const Tensor y = f(leaves);
  wick::detail::run_backward(tape, weighted(y));
  return {TensorAccess::detached(y), adjoints_of(tape, leaves)};
}

/// Overwrites what a recorded operation computed, unless the memory belongs to its input.
inline void poison(Record& r) {
  const double bad = -12345.678;
  if (!r.is_tensor())
    r.value = bad;
  else if (r.block->base == nullptr)
    for (Index i = 0; i < r.block->numel; ++i) r.block->data[i] = bad;
}

/// Runs all general operations of a recording anew and returns the output and gradient of the second run.
inline std::pair<Tensor, std::vector<double>> rerun(const Function& f, const Args& args) {
  Recording recording;
  Tape& tape = recording.tape();
  const Args leaves = leaves_of(tape, args, Kind::differentiable);
  const Tensor y = f(leaves);
  const Tensor loss = weighted(y);
  wick::detail::run_backward(tape, loss);
  tape.clear_adjoints();
  for (std::uint32_t i = 1; i < tape.size(); ++i) {
    if (tape[i].op != wick::detail::Op::general) continue;
    poison(tape[i]);
    (*static_cast<const wick::detail::OpFns* const*>(tape[i].payload))->forward(tape, i);
  }
  wick::detail::run_backward(tape, loss);
  Tensor value = TensorAccess::detached(y);
  if (y.dim() == 0 && TensorAccess::run(y) == tape.run()) value = Tensor(tape[TensorAccess::record(y)].value);
  return {value, adjoints_of(tape, leaves)};
}

/// Everything that must give the same bits as `y`, or the same error.
inline void for_each_path(const Function& f, const Args& args,
                          const std::function<void(const std::string&, const std::function<Tensor()>&)>& each) {
  each("outside a recording", [&] { return f(args); });
  each("of constants inside a recording", [&] {
    Recording recording;
    return TensorAccess::detached(f(args));
  });
  each("of varying arguments", [&] {
    Recording recording;
    const Tensor y = f(leaves_of(recording.tape(), args, Kind::varying));
    CHECK((TensorAccess::kind(y) == Kind::varying && TensorAccess::run(y) == recording.tape().run()));
    return TensorAccess::detached(y);
  });
  each("of differentiable arguments, not recorded", [&] {
    Recording recording;
    const Args leaves = leaves_of(recording.tape(), args, Kind::differentiable);
    const std::uint32_t records = recording.tape().size();
    Unrecorded nothing;
    const Tensor y = f(leaves);
    CHECK(recording.tape().size() == records);
    return TensorAccess::detached(y);
  });
  for (unsigned which = 1; which < (1u << args.size()); ++which)
    each("with the gradient of arguments " + std::to_string(which), [&] { return gradient(f, args, which).first; });
}

inline std::vector<double> part(const std::vector<double>& g, std::size_t first, std::size_t count) {
  return {g.begin() + static_cast<std::ptrdiff_t>(first), g.begin() + static_cast<std::ptrdiff_t>(first + count)};
}
inline bool close(const std::vector<double>& a, const std::vector<double>& b, double relative) {
  if (a.size() != b.size()) return false;
  double size = 0;
  for (const double v : b) size = std::max(size, std::abs(v));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= relative * size) && !same_bits(a[i], b[i])) return false;
  return true;
}

/// The values are the same bits on every path, and the gradient is the same whether other arguments have one or not,
/// and when the recording is run again.
inline void check_paths(const std::string& name, const Function& f, const Args& args) {
  const Tensor y = f(args);
  for_each_path(f, args, [&](const std::string& path, const std::function<Tensor()>& run) {
    INFO(name << " " << path);
    CHECK(same_bits(y, run()));
  });
  INFO(name);
  const auto [value, all] = gradient(f, args);
  std::size_t at = 0;
  for (std::size_t k = 0; k < args.size(); ++k) {
    const auto n = static_cast<std::size_t>(args[k].numel());
    INFO("argument " << k);
    CHECK(close(gradient(f, args, 1u << k).second, part(all, at, n), 1e-14));
    at += n;
  }
  INFO("run again");
  const auto [again, gradient_again] = rerun(f, args);
  CHECK(same_bits(y, again));
  CHECK(close(gradient_again, all, 0.0));
}

/// The size of the terms a function is made of, against which a finite difference of 0 is judged.
inline double term_size(double value, const std::vector<double>& x, const std::vector<double>& g) {
  double size = std::abs(value), terms = 0;
  for (std::size_t i = 0; i < x.size(); ++i) terms += std::abs(x[i] * g[i]);
  return std::max(size, terms);
}

inline void check_gradient(const std::string& name, const Function& f, const Args& args) {
  const std::vector<double> x = flatten(args);
  const auto value = [&](const std::vector<double>& at) { return contract(f(unflatten(args, at))); };
  const std::vector<double> g = gradient(f, args).second;
  const auto report = compare_derivatives(name + " gradient", g, finite_gradient(value, x), gradient_tolerance,
                                          term_size(value(x), x, g));
  INFO(report.text);
  CHECK(report.ok);
}

/// The Hessian of the weighted output by the second-order pass, and its derivative along a direction by the first run of it.
inline std::vector<double> exact_hessian(const Function& f, const Args& args, const std::vector<double>& along, double& slope) {
  Recording recording;
  Tape& tape = recording.tape();
  const Args leaves = leaves_of(tape, args, Kind::differentiable);
  const Tensor loss = weighted(f(leaves));
  wick::detail::run_backward(tape, loss);
  wick::detail::SecondPass pass(tape);
  pass.keep_adjoints();
  std::vector<std::uint32_t> records;
  std::vector<Index> first;
  Index n = 0;
  for (const Tensor& leaf : leaves) {
    records.push_back(TensorAccess::record(leaf));
    first.push_back(n);
    n += leaf.numel();
  }
  const auto run = [&](const std::vector<double>& direction) {
    std::vector<const double*> data;
    for (const Index at : first) data.push_back(direction.data() + at);
    pass.run_tangents(records.data(), data.data(), data.size());
  };
  std::vector<double> out;
  for (Index i = 0; i < n; ++i) {
    std::vector<double> unit(static_cast<std::size_t>(n), 0.0);
    unit[static_cast<std::size_t>(i)] = 1;
    run(unit);
    pass.run_adjoints();
    for (const double v : adjoints_of(tape, leaves)) out.push_back(v);
  }
  run(along);
  slope = TensorAccess::run(loss) == tape.run() ? *pass.tangent(TensorAccess::record(loss)) : 0.0;
  return out;
}

inline void check_hessian(const std::string& name, const Function& f, const Args& args) {
  const std::vector<double> x = flatten(args);
  const std::size_t n = x.size();
  const auto value = [&](const std::vector<double>& at) { return contract(f(unflatten(args, at))); };
  const Differences ours = finite_hessian_of_gradient(
      [&](const std::vector<double>& at) { return gradient(f, unflatten(args, at)).second; }, x);
  const double terms = term_size(value(x), x, gradient(f, args).second);
  const auto report =
      compare_derivatives(name + " Hessian", ours.value, finite_hessian(value, x), hessian_tolerance, terms);
  INFO(report.text);
  CHECK(report.ok);
  std::vector<double> along(n);
  for (std::size_t i = 0; i < n; ++i) along[i] = weight(static_cast<Index>(i) + 3);
  double slope = 0, by_gradient = 0;
  const std::vector<double> exact = exact_hessian(f, args, along, slope), g = gradient(f, args).second;
  const auto second = compare_derivatives(name + " second-order pass", exact, ours, gradient_tolerance, term_size(value(x), x, g));
  INFO(second.text);
  CHECK(second.ok);
  for (std::size_t i = 0; i < n; ++i) by_gradient += g[i] * along[i];
  INFO("along a direction " << slope << ", by the gradient " << by_gradient);
  CHECK(std::abs(slope - by_gradient) <= 1e-12 * (1 + std::abs(by_gradient) + terms));
  double size = 0, skew = 0;
  for (const double v : ours.value) size = std::max(size, std::abs(v));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) skew = std::max(skew, std::abs(ours.value[i * n + j] - ours.value[j * n + i]));
  INFO(name << " Hessian is not symmetric by " << skew << " of " << size);
  CHECK(skew <= 1e-7 * std::max(size, 1e-7));
}

template <class F, std::size_t... K>
Function erase(const F& f, std::index_sequence<K...>) {
  return [&f](const Args& args) { return Tensor(f(args[K]...)); };
}
template <class F, class... T>
Function erase(const F& f, const T&...) {
  return erase(f, std::index_sequence_for<T...>{});
}

}  // namespace grad_detail

/// Values on all paths, for functions whose derivatives are checked otherwise.
template <class F, class... T>
void expect_same_paths(const std::string& name, const F& f, const T&... args) {
  grad_detail::check_paths(name, grad_detail::erase(f, args...), {wick::Tensor(args)...});
}
/// Values on all paths and the gradient, for functions without a useful Hessian and for many elements.
template <class F, class... T>
void expect_gradient(const std::string& name, const F& f, const T&... args) {
  expect_same_paths(name, f, args...);
  grad_detail::check_gradient(name, grad_detail::erase(f, args...), {wick::Tensor(args)...});
}
/// Values on all paths, gradient and Hessian of f(args...).
template <class F, class... T>
void expect_grad(const std::string& name, const F& f, const T&... args) {
  expect_gradient(name, f, args...);
  grad_detail::check_hessian(name, grad_detail::erase(f, args...), {wick::Tensor(args)...});
}
/// f(args...) throws an E with this id and advice on every path.
template <class E, class F, class... T>
void expect_throws_alike(const std::string& name, const std::string& id, const std::string& advice, const F& f,
                         const T&... args) {
  using namespace grad_detail;
  for_each_path(erase(f, args...), {Tensor(args)...}, [&](const std::string& path, const std::function<Tensor()>& run) {
    const auto report = expect_error<E>(run, id, "", advice);
    INFO(name << " " << path << ": " << report.text);
    CHECK(report.ok);
  });
}

}  // namespace wick_test
