#include "ad/expect_grad.hpp"

#include <atomic>
#include <deque>
#include <optional>
#include <thread>

using wick::Index;
using wick::Tensor;
using wick::UsageError;
using wick::detail::Kind;
using wick::detail::Op;
using wick::detail::Recording;
using wick::detail::Tape;
using wick::detail::TensorAccess;
using wick_test::expect_error;

namespace {

Tensor leaf(const Recording& r, const Tensor& x, Kind kind = Kind::differentiable) {
  return push_leaf(r.tape(), x, kind);
}

}  // namespace

TEST_CASE("tape: a record has 32 bytes, and rank-0 arithmetic needs nothing else", "[ad][tape]") {
  STATIC_REQUIRE(sizeof(wick::detail::Record) == 32);
  STATIC_REQUIRE(sizeof(Tensor) == 24);
  Recording recording;
  Tape& tape = recording.tape();
  const Tensor x = leaf(recording, 2.0);
  const std::uint32_t before = tape.size();
  const Tensor y = x * x;
  CHECK(tape.size() == before + 1);
  const Tensor z = y + 1.0;  // and a record for the constant
  CHECK(tape.size() == before + 3);
  CHECK(tape[TensorAccess::record(z)].op == Op::add);
  CHECK(TensorAccess::is_scalar(z));
  const Tensor e = wick::exp(z);
  CHECK(tape.size() == before + 4);
  CHECK(tape[TensorAccess::record(e)].op >= Op::first_function);
}

TEST_CASE("tape: the kind of a result is that of its strongest input", "[ad][tape]") {
  Recording recording;
  const Tensor constant{1.0, 2.0}, varying = leaf(recording, Tensor{1.0, 2.0}, Kind::varying),
                                   differentiable = leaf(recording, Tensor{1.0, 2.0});
  const auto check = [&](const auto& f) {
    CHECK(TensorAccess::kind(f(constant, constant)) == Kind::constant);
    CHECK(TensorAccess::run(f(constant, constant)) == 0);
    CHECK(TensorAccess::kind(f(constant, varying)) == Kind::varying);
    CHECK(TensorAccess::kind(f(varying, constant)) == Kind::varying);
    CHECK(TensorAccess::kind(f(varying, differentiable)) == Kind::differentiable);
    CHECK(TensorAccess::kind(f(differentiable, constant)) == Kind::differentiable);
    CHECK(TensorAccess::run(f(varying, constant)) == recording.tape().run());
  };
  check([](const Tensor& a, const Tensor& b) { return a * b; });
  check([](const Tensor& a, const Tensor& b) { return wick::sum(a) / wick::sum(b); });
  check([](const Tensor& a, const Tensor& b) { return wick::where(Tensor{1.0, 0.0}, a, b); });
  check([](const Tensor& a, const Tensor& b) { return wick::cat({a, b}); });
  check([](const Tensor& a, const Tensor& b) { return wick::matmul(a, b); });
  check([](const Tensor& a, const Tensor& b) { return wick::fuse([](auto x, auto y) { return x * y; }, a, b); });
  check([](const Tensor& a, const Tensor& b) { return wick::fuse_sum([](auto x, auto y) { return x * y; }, a, b); });
  check([](const Tensor& a, const Tensor& b) { return wick::reshape(a + b, {2, 1}); });
  check([](const Tensor& a, const Tensor& b) { return wick::logsumexp(wick::expand(a * b, {3, 2}), 0); });
  CHECK(TensorAccess::kind(wick::stop_gradient(differentiable)) == Kind::constant);
  const std::uint32_t records = recording.tape().size();
  const Tensor y = constant + wick::exp(constant) * 2.0;
  CHECK(recording.tape().size() == records);  // constants alone leave no record
}

TEST_CASE("tape: without a recording nothing is kept", "[ad][tape]") {
  Tensor kept;
  {
    Recording recording;
    const Tensor x = leaf(recording, Tensor{1.0, 2.0});
    kept = x * 3.0;
    CHECK(TensorAccess::run(kept) != 0);
  }
  const Tensor y = kept + 1.0;  // its run has ended: a plain value
  CHECK(TensorAccess::run(y) == 0);
  CHECK(y.to_vector() == std::vector<double>{4, 7});
}

TEST_CASE("tape: a value of an ended run is a constant of the next", "[ad][tape]") {
  Tensor kept;
  for (int step = 0; step < 5; ++step) {
    Recording recording;  // the same tape every time
    const Tensor x = leaf(recording, Tensor{1.0, 2.0});
    const Tensor y = step == 0 ? x : x * kept;
    if (step > 0) CHECK(TensorAccess::kind(kept * 2.0) == Kind::constant);
    wick::detail::run_backward(recording.tape(), wick::sum(y));
    const Tensor g = wick::detail::adjoint_of(recording.tape(), TensorAccess::record(x));
    CHECK(g.to_vector() == (step == 0 ? std::vector<double>{1, 1} : kept.to_vector()));
    kept = y;
  }
}

TEST_CASE("tape: survivors are promoted and outlive their step anywhere", "[ad][tape]") {
  std::optional<Tensor> kept, expanded, view;
  {
    Recording recording;
    const Tensor x = leaf(recording, Tensor{1.0, 2.0, 3.0});
    const Tensor y = wick::exp(x * 0.0) + x;
    kept = y;
    expanded = wick::expand(y, {2, 3});
    view = wick::reshape(y, {3, 1});
    CHECK_FALSE(TensorAccess::block(y)->shared);
  }
  CHECK(TensorAccess::block(*kept)->shared);
  CHECK(TensorAccess::block(*view)->shared);
  CHECK(kept->to_vector() == std::vector<double>{2, 3, 4});
  std::vector<double> seen;
  std::thread([&] {
    seen = (*kept + *expanded).to_vector();
    const Tensor copy = *kept;  // counted by both threads
    CHECK(copy.data() == kept->data());
    kept.reset();
    expanded.reset();
  }).join();
  CHECK(seen == std::vector<double>{4, 6, 8, 4, 6, 8});
  CHECK(view->to_vector() == std::vector<double>{2, 3, 4});
  view.reset();  // the last holder of the memory
}

TEST_CASE("tape: a value of a step under way on another thread is refused", "[ad][tape][errors]") {
  Recording recording;
  const Tensor x = leaf(recording, Tensor{1.0, 2.0}), s = wick::sum(x), v = leaf(recording, Tensor(1.0), Kind::varying);
  std::vector<wick_test::ErrorReport> reports;
  std::thread([&] {
    const auto refuse = [&](const auto& f) {
      reports.push_back(expect_error<UsageError>(f, "wick.tape.E112", "", "finish the step"));
    };
    const auto all = [&] {
      refuse([&] { return s + 1.0; });
      refuse([&] { return wick::exp(v); });
      refuse([&] { return wick::exp(x); });
      refuse([&] { return wick::sum(x); });
      refuse([&] { return wick::reshape(x, {2, 1}); });
      refuse([&] { return wick::take(x, 0); });
      refuse([&] { return wick::take(Tensor{1.0, 2.0}, v); });
      refuse([&] { return wick::cat({Tensor{1.0}, Tensor{2.0}, wick::unsqueeze(s, 0)}); });
      refuse([&] { return wick::matmul(x, Tensor{1.0, 2.0}); });
      refuse([&] { return wick::fuse_sum([](auto a) { return a; }, s); });
      refuse([&] { return wick::where(Tensor(1.0), s, 0.0); });
    };
    all();
    Recording own;  // whether or not the other thread records too
    all();
  }).join();
  CHECK(reports.size() == 22);
  for (const auto& r : reports) {
    INFO(r.text);
    CHECK(r.ok);
  }
  CHECK(s.item() == 3.0);
}

TEST_CASE("tape: an inner gradient may not depend on what an outer one differentiates", "[ad][tape][errors]") {
  const auto inner = [](const Tensor& t) { return wick::sum(t * t); };
  const auto refused = [](const auto& f) {
    const auto report = expect_error<UsageError>(
        [&] {
          return wick::grad(f)(Tensor{1.0, 2.0});
        },
        "wick.tape.E113", "", "hvp or jvp");
    INFO(report.text);
    CHECK(report.ok);
  };
  refused([&](const Tensor& x) {
    return wick::sum(wick::grad([&](const Tensor& t) { return wick::sum(t * x); })(Tensor{3.0, 4.0}));
  });
  refused([&](const Tensor& x) { return wick::sum(wick::grad(inner)(x)); });  // as an argument
  refused([&](const Tensor& x) {
    const Tensor s = wick::sum(x);
    return wick::grad([&](const Tensor&) { return s; })(Tensor(1.0));  // passed through untouched
  });
  refused([&](const Tensor& x) {
    const Tensor big = wick::expand(wick::sum(x), {3});
    return wick::grad([&](const Tensor& t) { return wick::sum(t * big); })(Tensor(1.0));
  });
  // With constants, varying values and stop_gradient it is allowed, and the outer recording goes on afterwards.
  const Tensor g = wick::grad([&](const Tensor& x) {
    const Tensor h =
        wick::grad([&](const Tensor& t) { return wick::sum(t * wick::stop_gradient(x)); })(Tensor{3.0, 4.0});
    CHECK(h.to_vector() == std::vector<double>{1, 2});
    return wick::sum(x * h);
  })(Tensor{1.0, 2.0});
  CHECK(g.to_vector() == std::vector<double>{1, 2});
}

TEST_CASE("tape: an exception closes the recording", "[ad][tape][errors]") {
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(wick::grad([](const Tensor& x) {
                      return wick::sum(x) + wick::sum(x + Tensor{1.0, 2.0, 3.0});
                    })(Tensor{1.0, 2.0}),
                    wick::ShapeError);
    CHECK(wick::detail::context.tape == nullptr);
  }
  CHECK(wick::grad([](const Tensor& x) { return x * x; })(Tensor(3.0)).item() == 6.0);
}

TEST_CASE("tape: what is differentiated must be a scalar and have a value", "[ad][errors]") {
  const auto report = expect_error<wick::ShapeError>(
      [] {
        return wick::grad([](const Tensor& x) { return x; })(Tensor{1.0, 2.0});
      },
      "wick.ad.E130", "", "sum(y)");
  INFO(report.text);
  CHECK(report.ok);
  CHECK(expect_error<UsageError>([] { return wick::grad([](const Tensor&) { return Tensor(); })(Tensor(1.0)); },
                                 "wick.tensor.E100", "")
            .ok);
  CHECK(expect_error<UsageError>([] { return wick::grad([](const Tensor& x) { return x; })(Tensor()); },
                                 "wick.tensor.E100", "")
            .ok);
}

TEST_CASE("value_and_grad: results, and functions that do not depend on their argument", "[ad]") {
  const auto [v, g] =
      wick::value_and_grad([](const Tensor& x, const Tensor& y) { return wick::sum(x * y); })(Tensor{1.0, 2.0}, 3.0);
  CHECK(v.item() == 9.0);
  CHECK(g[0].to_vector() == std::vector<double>{3, 3});
  CHECK(g[1].item() == 3.0);
  CHECK(TensorAccess::run(v) == 0);
  const auto [w, h] = wick::value_and_grad([](const Tensor&) { return Tensor(5.0); })(Tensor{1.0, 2.0});
  CHECK(w.item() == 5.0);
  CHECK(h.to_vector() == std::vector<double>{0, 0});
  const auto [a, b] = wick::value_and_grad([](const Tensor& x) { return wick::sum(x < 1.5); })(Tensor{1.0, 2.0});
  CHECK(a.item() == 1.0);
  CHECK(b.to_vector() == std::vector<double>{0, 0});
  CHECK(wick::grad([](const Tensor& x) { return x; })(2.0).item() == 1.0);
}

TEST_CASE("tape: adjoints can be cleared and seeded anew", "[ad][tape]") {
  Recording recording;
  Tape& tape = recording.tape();
  const Tensor x = leaf(recording, Tensor{1.0, 2.0});
  const Tensor a = wick::sum(x * x), b = wick::sum(wick::exp(x));
  wick::detail::run_backward(tape, a);
  CHECK(wick::detail::adjoint_of(tape, TensorAccess::record(x)).to_vector() == std::vector<double>{2, 4});
  tape.clear_adjoints();
  wick::detail::run_backward(tape, b);
  const Tensor g = wick::detail::adjoint_of(tape, TensorAccess::record(x));
  CHECK(g.at({0}) == Approx(std::exp(1.0)));
  CHECK(g.at({1}) == Approx(std::exp(2.0)));
}

TEST_CASE("tape: an adjoint that is lent, or one number for all elements, is copied before something is added", "[ad][tape]") {
  std::vector<double> of_x, of_w;
  for (int i = 0; i < 300; ++i) {
    of_x.push_back(0.01 * i - 1.0);
    of_w.push_back(2.0 - 0.03 * i);
  }
  const Tensor x = of_x, w = of_w;
  const auto near = [&](const char* what, const Tensor& g, auto expected) {
    INFO(what);
    bool same = g.numel() == x.numel();
    for (std::size_t i = 0; same && i < of_x.size(); ++i) same = std::abs(g.data()[i] - expected(of_x[i], of_w[i])) < 1e-12;
    CHECK(same);
    CHECK((x.to_vector() == of_x && w.to_vector() == of_w));
  };
  const auto of = [&](auto f) { return wick::grad(f)(x); };
  using wick::cat, wick::dot, wick::exp, wick::reshape, wick::sum;
  const Tensor kept = of([](const Tensor& y) { return sum(y) + sum(y * y); });
  near("one number", kept, [](double a, double) { return 1 + 2 * a; });
  near("an operand", of([&](const Tensor& y) { return dot(y, w) + sum(exp(y)); }), [](double a, double b) { return b + std::exp(a); });
  near("both operands", of([&](const Tensor& y) { return dot(y + y, w); }), [](double, double b) { return 2 * b; });
  near("difference", of([&](const Tensor& y) { return dot(y - 3.0 * y, w) - sum(-y); }), [](double, double b) { return 1 - 2 * b; });
  near("square", of([](const Tensor& y) { return sum(y * y); }), [](double a, double) { return 2 * a; });
  near("dot with itself", of([](const Tensor& y) { return dot(y, y); }), [](double a, double) { return 2 * a; });
  near("through shapes", of([&](const Tensor& y) { return dot(reshape(cat({reshape(y, {30, 10}), reshape(y, {30, 10})}), {600}), cat({w, w})) + sum(y); }),
       [](double, double b) { return 2 * b + 1; });
  near("the first is kept", kept, [](double a, double) { return 1 + 2 * a; });
}

TEST_CASE("tape: broadcasting in short runs, over more elements than are worked out at a time", "[ad][tape]") {
  std::vector<double> of_x, of_r{0.7, 1.2, 1.9}, of_c;
  for (int i = 0; i < 303; ++i) of_x.push_back(1.5 + std::sin(0.7 * i));
  for (int i = 0; i < 101; ++i) of_c.push_back(1.4 + std::cos(0.3 * i));
  const Tensor x = wick::from_values({101, 3}, of_x), r = of_r, c = wick::from_values({101, 1}, of_c);
  const auto f = [](const Tensor& a, const Tensor& b, const Tensor& d, const Tensor& e) { return wick::sum(pow(a, b) / d + a * b - e * (b + d)); };
  const auto g = wick::grad(f)(x, r, c, 0.8);
  double of_number = 0, worst = 0;
  std::vector<double> row(3, 0.0), column(101, 0.0);
  for (std::size_t i = 0; i < 101; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      const double a = of_x[3 * i + j], b = of_r[j], d = of_c[i], y = std::pow(a, b) / d;
      worst = std::max(worst, std::abs(g[0].at({i, j}) - (y * b / a + b)));
      row[j] += y * std::log(a) + a - 0.8;
      column[i] += -y / d;
      of_number -= b + d;
    }
  // b + d is of shape (101, 3): each is added up over the other's dimension.
  for (std::size_t j = 0; j < 3; ++j) worst = std::max(worst, std::abs(g[1].at({j}) - row[j]) / 100);
  for (std::size_t i = 0; i < 101; ++i) worst = std::max(worst, std::abs(g[2].at({i, 0}) - (column[i] - 3 * 0.8)));
  CHECK(worst < 1e-12);
  CHECK(g[3].item() == Approx(of_number).epsilon(1e-12));
}

TEST_CASE("tape: many tapes at once, and tapes of threads that ended", "[ad][tape]") {
  for (int round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&right, t] {
        const Tensor x{1.0, static_cast<double>(t)};
        for (int i = 0; i < 50; ++i)
          if (wick::grad([](const Tensor& y) { return wick::sum(y * y); })(x).at({1}) == 2.0 * t) ++right;
      });
    for (std::thread& t : threads) t.join();
    CHECK(right == 400);
  }
}

TEST_CASE("tape: there are 4096 of them, and they are given back", "[ad][tape][errors]") {
  std::size_t depth = 0;
  wick_test::ErrorReport report;
  std::thread([&] {  // its tapes are freed when it ends
    for (int round = 0; round < 2; ++round) {
      report = expect_error<UsageError>(
          [&] {
            std::deque<Recording> open;
            for (depth = 0; depth < 5000; ++depth) open.emplace_back();
            return 0;
          },
          "wick.tape.E110", "", "fewer");
    }
  }).join();
  INFO(report.text);
  CHECK(report.ok);
  CHECK(depth <= wick::detail::kTapeSlots);
  CHECK(depth > wick::detail::kTapeSlots - 100);
  CHECK(wick::grad([](const Tensor& x) { return x * x; })(Tensor(3.0)).item() == 6.0);
}
