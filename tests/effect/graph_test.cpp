// The dependency graph and its drawings; per-plate densities, score parts and traces as text.
#include <sstream>

#include <wick/ad/grad.hpp>
#include <wick/ad/ops.hpp>
#include <wick/effect/graph_text.hpp>
#include <wick/effect/trace_parts.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// A mixture with a switch in C++, a computed value, a parameter that nobody else reads, and a factor.
void mixture(const Tensor& y) {
  const Tensor spread = param("spread", 1.0, constraints::positive);
  param("unused", 0.0);
  const Tensor k = sample("k", Bernoulli({.probs = 0.5}));
  Tensor loc;
  {
    const plate parts("parts", 2);
    loc = sample("loc", Normal(0.0, 1.0));
  }
  const Tensor mean = deterministic("mean", take(loc, k));
  const Tensor z = sample("z", Normal(k.item() == 1.0 ? 10.0 : -10.0, 1.0));
  const plate data("data", y.size(0));
  sample("y", Normal(mean, spread), obs(y));
  factor("f", 0.0 * z - z);
}

Graph graph() { return dependency_graph(mixture, Tensor{0.5, 1.5, 2.5}); }

void overlapping() {
  const plate a("a", 2, {.dim = -1});
  sample("x", Normal(0.0, 1.0));
  const plate b("b", 3, {.dim = -2});
  const Tensor z = sample("z", Normal(0.0, 1.0));
  const handlers::block_plate outside("a");
  sample("y", Normal(sum(z, {-1}, true), 1.0));
}

}  // namespace

TEST_CASE("graph: edges are direct dependences, through indices, branches and computed values", "[effect][graph]") {
  const OwnParams params;
  const Graph g = graph();
  CHECK(params.store.size() == 0);  // as before
  CHECK(stack_is_empty());
  CHECK(g.has_edge("k", "mean"));
  CHECK(g.has_edge("loc", "mean"));
  CHECK(g.has_edge("k", "z"));  // by `if`, which no record on a tape tells
  CHECK(g.has_edge("mean", "y"));
  CHECK(g.has_edge("spread", "y"));
  CHECK(g.has_edge("z", "f"));
  CHECK_FALSE(g.has_edge("k", "y"));  // through `mean` only
  CHECK_FALSE(g.has_edge("loc", "z"));
  CHECK(g.edges.size() == 6);
  CHECK(g.unused_params() == std::vector<std::string>{"unused"});
  REQUIRE(g.nodes.size() == 8);
  CHECK(g.nodes[0].kind == NodeKind::param);
  CHECK(g.nodes[0].distribution == "positive");
  CHECK(g.nodes[3].plates == std::vector<std::string>{"parts"});
  CHECK(g.nodes[4].kind == NodeKind::deterministic);
  CHECK(g.nodes[6].kind == NodeKind::observed);
  CHECK(g.nodes[7].kind == NodeKind::factor);
}

TEST_CASE("graph: sites that appear or vanish with a value depend on it; values the program refuses say nothing more", "[effect][graph]") {
  const auto program = [] {
    const Tensor on = sample("on", Bernoulli({.probs = 0.5}));
    const Tensor u = sample("u", Uniform(0.0, 1.0));
    if (on.item() == 1.0) sample("x", Normal(0.0, 1.0));
    sample("w", Normal(0.0, 2.0 - u));
    sample("v", Bernoulli({.probs = deterministic("p", 0.9 * u)}));
  };
  const Graph g = dependency_graph(handlers::condition(program, {{"on", 1.0}}));
  CHECK(g.has_edge("on", "x"));
  CHECK(g.has_edge("u", "w"));
  CHECK(g.has_edge("u", "p"));
  CHECK(g.has_edge("p", "v"));
  CHECK_FALSE(g.has_edge("u", "v"));  // through `p` only
  CHECK_FALSE(g.has_edge("on", "w"));
}

TEST_CASE("graph: computed sites and plated parameters stand in their plates", "[effect][graph]") {
  const OwnParams params;
  const Graph g = dependency_graph([] {
    param("all", 0.0);
    const plate rows("rows", 2);
    deterministic("d", sample("x", Normal(param("own", zeros({2}), constraints::real, {.event_dim = 0}), 1.0)));
  });
  CHECK(g.nodes[0].plates.empty());
  for (std::size_t i = 1; i < 4; ++i) CHECK(g.nodes[i].plates == std::vector<std::string>{"rows"});
}

TEST_CASE("graph: drawn for Graphviz, plates as boxes", "[effect][graph]") {
  const OwnParams params;
  CHECK(to_dot(graph()) == R"(digraph {
  n0 [label="spread in positive", shape=plaintext];
  n1 [label="unused in real", shape=plaintext];
  n2 [label="k ~ Bernoulli", shape=ellipse];
  n4 [label="mean", shape=ellipse, style=dashed];
  n5 [label="z ~ Normal", shape=ellipse];
  subgraph cluster_b0 {
    label="parts, 2"; labelloc=b; labeljust=r;
    n3 [label="loc ~ Normal", shape=ellipse];
  }
  subgraph cluster_b1 {
    label="data, 3"; labelloc=b; labeljust=r;
    n6 [label="y ~ Normal", shape=ellipse, style=filled, fillcolor=gray85];
    n7 [label="f ~ Unit", shape=box, style=filled, fillcolor=black, fontcolor=white];
  }
  n0 -> n6;
  n2 -> n4;
  n2 -> n5;
  n3 -> n4;
  n4 -> n6;
  n5 -> n7;
}
)");
}

TEST_CASE("graph: overlapping plates are boxes of one name; model and guide stand beside each other", "[effect][graph]") {
  const Graph g = dependency_graph(overlapping);
  CHECK(g.edges == std::vector<GraphEdge>{{1, 2}});
  const auto guide = [] {
    for (const Index i : plate("steps \"s\"", 4, {.subsample_size = 2})) sample("q" + std::to_string(i), Normal(0.0, 1.0));
  };
  const std::string m = to_mermaid(g, dependency_graph(handlers::seed(guide, 1)));
  CHECK(m.find(R"(flowchart TD
  classDef observed fill:#ddd
  classDef deterministic stroke-dasharray:4
  subgraph b0["model"]
    subgraph b1["a, 2"]
      m0(["x ~ Normal"]):::latent
      subgraph b2["b, 3"]
        m1(["z ~ Normal"]):::latent
      end
    end
    subgraph b3["b, 3"]
      m2(["y ~ Normal"]):::latent
    end
    m1 --> m2
  end
  subgraph b4["guide"]
    subgraph b5["steps #quot;s#quot;, 2 turns of 4"]
)") == 0);
  CHECK_THAT(to_dot(dependency_graph([] { sample("a\"b", Normal(0.0, 1.0)); })), contains(R"(label="a\"b ~ Normal")"));
}

TEST_CASE("trace: density by plate, by filter, and its score parts", "[effect][trace]") {
  const auto program = [] {
    sample("g", Normal(0.0, 1.0), obs(0.3));
    const plate b("b", 3, {.dim = -2});
    sample("u", Normal(0.0, 1.0), obs(reshape(Tensor{0.1, 0.2, 0.3}, {3, 1})));
    const plate a("a", 4, {.subsample = Tensor{2.0, 0.0}});
    sample("v", Normal(0.0, 1.0), obs(Tensor{{0.1, 0.2}, {0.3, 0.4}, {0.5, 0.6}}));
  };
  const Trace t = handlers::trace(program).get_trace();
  const Tensor by_a = plate_log_prob(t, "a"), by_b = plate_log_prob(t, "b");
  CHECK(by_a.shape() == Shape{2});
  CHECK(by_a.at({1}) == Approx(2.0 * (normal_lpdf(0.2) + normal_lpdf(0.4) + normal_lpdf(0.6))));
  CHECK(by_b.at({2}) == Approx(normal_lpdf(0.3) + 2.0 * (normal_lpdf(0.5) + normal_lpdf(0.6))));
  CHECK(sum(by_b).item() + normal_lpdf(0.3) == Approx(t.log_prob_sum().item()));
  CHECK(log_prob_sum(t, [](const Site& s) { return s.name.view() == "g"; }).item() == Approx(normal_lpdf(0.3)));
  const auto loop = [] {
    for (const Index i : plate("steps", 3)) sample("x" + std::to_string(i), Normal(0.0, 1.0), obs(0.5 * static_cast<double>(i)));
  };
  CHECK(values(plate_log_prob(handlers::trace(loop).get_trace(), "steps"))[2] == Approx(normal_lpdf(1.0)));

  const Trace two = handlers::trace([] {
                      const handlers::scale five(5.0);
                      sample("r", Normal(0.0, 1.0));
                      sample("s", Normal(0.0, 1.0).without_rsample());
                    }).get_trace();
  const ScoreParts r = score_parts(two.at("r")), s = score_parts(two.at("s"));
  CHECK(r.entropy_term.item() == r.log_prob.item());
  CHECK(r.score_function.item() == 0.0);
  CHECK(s.entropy_term.item() == 0.0);
  CHECK(s.log_prob.item() == Approx(5.0 * s.score_function.item()));
}

TEST_CASE("trace: density by a plate that is not there, or that a value does not have, is an error", "[effect][trace]") {
  const Trace t = handlers::trace([] { sample("x", Normal(0.0, 1.0)); }).get_trace();
  check_error<SiteError>([&] { return plate_log_prob(t, "data"); }, "wick.trace.E700", "", "table");
  const auto narrow = [&] {
    const plate data("data", 3);
    handlers::replay([] { sample("x", Normal(0.0, 1.0)); }, t)();
  };
  check_error<ShapeError>([&] { return plate_log_prob(handlers::trace(narrow).get_trace(), "data"); }, "wick.trace.E701", "x", "outside the plate");
}

TEST_CASE("trace: prints its sites with values and densities", "[effect][trace]") {
  const OwnParams params;
  const Trace t = handlers::trace([] {
                    param("w", zeros({9}));
                    const plate data("data", 2);
                    sample("y", Normal(0.0, 1.0), obs(Tensor{0.5, 1.0}));
                    deterministic("d", 2.0);
                  }).get_trace();
  std::ostringstream out;
  out << t;
  CHECK(out.str() == "w parameter of shape (9,)\ndata plate\ny ~ Normal, observed = [0.5 1. ]  log density -2.462877066\nd deterministic site = 2\n");
}
