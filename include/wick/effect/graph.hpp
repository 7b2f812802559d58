/// \file
/// Which sites of a program depend on which.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <wick/effect/handlers/common.hpp>
#include <wick/effect/handlers/trace.hpp>
#include <wick/effect/param_store.hpp>

namespace wick::inline WICK_ABI {

enum class NodeKind : std::uint8_t { latent, observed, param, deterministic, factor };

/// A site of the graph.
struct GraphNode {
  std::string name;
  NodeKind kind;
  std::string distribution;            ///< of sample sites; the constraint of parameters
  std::vector<std::string> plates;     ///< around it, outermost first
};
struct GraphPlate {
  std::string name;
  Index size, full_size;
  bool sequential;
};
struct GraphEdge {
  std::size_t from, to;
  friend bool operator==(const GraphEdge&, const GraphEdge&) = default;
};

/// Sites in execution order, plates, and an edge wherever one site's distribution, value, mask or scale is computed from another one's value.
struct Graph {
  std::vector<GraphNode> nodes;
  std::vector<GraphPlate> plates;
  std::vector<GraphEdge> edges;

  /// Whether there is an edge between sites of these names.
  bool has_edge(std::string_view from, std::string_view to) const {
    for (const GraphEdge& e : edges)
      if (nodes[e.from].name == from && nodes[e.to].name == to) return true;
    return false;
  }
  /// Parameters that no site depends on: nothing can be learned about them.
  std::vector<std::string> unused_params() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      bool used = nodes[i].kind != NodeKind::param;
      for (const GraphEdge& e : edges) used = used || e.from == i;
      if (!used) out.push_back(nodes[i].name);
    }
    return out;
  }
};

namespace detail {

/// Gives all sites the values of an earlier run, but one site another one; and notes which computed values come out otherwise.
class Wiggle final : public Handler {
 public:
  Wiggle(const Trace& base, const Site& site, const Tensor& value, List<bool>& changed) : base_(&base), site_(&site), value_(&value), changed_(&changed) {
    enter(all_types, no_types);
  }
  void process(Message& m) override {
    const Site* s = base_->find(m.name);
    if (s == nullptr || s->type != m.type) return;
    const auto at = static_cast<std::size_t>(s - base_->begin());
    if (m.type == SiteType::deterministic || m.is_observed) (*changed_)[at] = (*changed_)[at] || !same_bits(m.value, s->value);
    m.value = s == site_ ? *value_ : s->value;
    m.done = true;
  }
  static bool same_bits(const Tensor& a, const Tensor& b) {
    if (a.empty() != b.empty() || !(a.shape() == b.shape())) return false;
    for (Index i = 0; i < (a.empty() ? 0 : a.numel()); ++i)
      if (a.data()[i] != b.data()[i] && (a.data()[i] == a.data()[i] || b.data()[i] == b.data()[i])) return false;
    return true;
  }

 private:
  const Trace* base_;
  const Site* site_;
  const Tensor* value_;
  List<bool>* changed_;
};

/// Notes which plates computed sites and plated parameters stand in: their messages carry none.
class PlacedSites final : public Handler {
 public:
  PlacedSites() { enter(types_of(SiteType::deterministic, SiteType::param), no_types); }
  void process(Message& m) override {
    if (m.type == SiteType::param && m.event_dim < 0) return;
    Placed p{m.name, {}};
    for (const Handler* h = inner(); h != nullptr; h = h->inner())
      if (const Frame* f = HandlerAccess::frame(*h)) p.frames.push_back(*f);
    sites_.push_back(p);
  }
  Frames frames_of(const Site& s) const {
    for (const Placed& p : sites_)
      if (s.frames.empty() && p.name == s.name) return p.frames;
    return s.frames;
  }

 private:
  struct Placed {
    Name name;
    Frames frames;
  };
  List<Placed> sites_;
};

/// Whether a sample site is another one: distribution, parameters, mask, scale.
inline bool differs(const Site& a, const Site& b) {
  if (a.type != b.type || a.fn() == nullptr) return a.type != b.type;
  if (&a.fn()->info() != &b.fn()->info() || !(a.fn()->shape() == b.fn()->shape())) return true;
  for (unsigned k = 0; k < a.fn()->info().arity; ++k)
    if (!Wiggle::same_bits(a.fn()->parameters()[k], b.fn()->parameters()[k])) return true;
  return !Wiggle::same_bits(a.mask, b.mask) || !Wiggle::same_bits(a.scale, b.scale);
}

/// Another value that the site might have had: a draw, or a step away from the present one.
inline Tensor another_value(const Site& s, std::uint64_t turn) {
  if (s.type == SiteType::sample) return s.fn()->sample_with(site_key(make_base(turn, make_stream(Role::user), 1, 0), s.name.hash(), 0, 0));
  const double step = 0.37 * static_cast<double>(turn + 1);
  if (s.param == nullptr) return s.value + step;
  return s.param->constraint().to_constrained(s.param->unconstrained() + step);
}

/// Runs the program anew for each value of each site that could be another one, all others as they were.
class Dependencies {
 public:
  explicit Dependencies(const Callable& program) : program_(program) {}
  Graph find() {
    const std::size_t before = param_store().size();
    const Unrecorded off;
    try {
      List<bool> none_changed;
      run(base_, nullptr, {}, none_changed);
      for (const Site& s : base_)
        if (at(s) != none) find_children(s);
    } catch (...) {
      param_store().truncate(before);
      throw;
    }
    param_store().truncate(before);
    return std::move(graph_);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr std::uint64_t kTries = 6;  // a value may decide nothing, as in where(z > 0, a, b) with z > 0 again

  /// Runs the program, with `value` in place of one site's.
  void run(Trace& out, const Site* site, const Tensor& value, List<bool>& changed) {
    RandomScope random(0);
    const RandomGuard guard(random);
    const handlers::trace<> record(out);
    if (site == nullptr) {
      const PlacedSites note;
      program_();
      for (const Site& s : out)
        if (s.type != SiteType::plate) add_node(s, out, note.frames_of(s));
      return;
    }
    const Wiggle other(base_, *site, value, changed);
    program_();
  }
  std::size_t at(const Site& s) const {
    const auto i = static_cast<std::size_t>(&s - base_.begin());
    return i < node_.size() ? node_[i] : none;
  }
  void add_node(const Site& s, const Trace& t, const Frames& frames);
  void add_plate(const Frame& f);
  void find_children(const Site& s);
  void add_edge(std::size_t from, std::size_t to) {
    const GraphEdge e{from, to};
    for (const GraphEdge& old : graph_.edges)
      if (old == e) return;
    graph_.edges.push_back(e);
  }

  const Callable& program_;
  Trace base_;
  Graph graph_;
  List<std::size_t> node_;  ///< of each site of `base_`
};

inline void Dependencies::add_plate(const Frame& f) {
  for (const GraphPlate& p : graph_.plates)
    if (p.name == f.name.view()) return;
  graph_.plates.push_back({std::string(f.name.view()), f.size, f.full_size, !f.vectorized()});
}
inline void Dependencies::add_node(const Site& s, const Trace& t, const Frames& frames) {
  GraphNode node{std::string(s.name.view()), NodeKind::latent, "", {}};
  switch (s.type) {
    case SiteType::param: node.kind = NodeKind::param; break;
    case SiteType::deterministic: node.kind = NodeKind::deterministic; break;
    default: node.kind = std::string_view(s.fn()->name()) == "Unit" ? NodeKind::factor : s.is_observed ? NodeKind::observed : NodeKind::latent;
  }
  if (s.fn() != nullptr) node.distribution = s.fn()->name();
  if (s.param != nullptr) node.distribution = s.param->constraint().to_string();
  for (const Frame& f : frames) {
    add_plate(f);
    node.plates.emplace_back(f.name.view());
  }
  node_.resize(static_cast<std::size_t>(&s - t.begin()) + 1, none);
  node_[node_.size() - 1] = graph_.nodes.size();
  graph_.nodes.push_back(std::move(node));
}

inline void Dependencies::find_children(const Site& s) {
  if (graph_.nodes[at(s)].kind == NodeKind::factor) return;
  for (std::uint64_t turn = 0; turn < kTries; ++turn) {
    List<bool> changed;
    changed.resize(base_.size(), false);
    const Tensor value = another_value(s, turn);
    Trace now;
    bool whole = true;
    try {
      run(now, &s, value, changed);
    } catch (const Error&) {  // this value is not for this program: what came before says something all the same
      whole = false;
    }
    for (const Site& child : base_) {
      if (at(child) == none || &child == &s || child.type == SiteType::param) continue;
      const Site* c = now.find(child.name);
      const bool other = c == nullptr ? whole : changed[static_cast<std::size_t>(&child - base_.begin())] || differs(*c, child);
      if (other) add_edge(at(s), at(child));
    }
  }
}

}  // namespace detail

/// The dependency graph of a program, a model or a guide, called with these arguments.
///
/// Found by running it: once as it is, then for each site with other values of that site alone, all others held. So edges are direct ones, they are found
/// through every computation, branches of the host program included, and a value that has no influence in the runs made has no edge. The program is
/// called 1 + 6 times the number of its sites; the parameter store is left as it was.
/// Throws: what the program throws in its first run. Example: `std::puts(to_dot(dependency_graph(model, y)).c_str());` (effect/graph_text.hpp).
template <class F, class... T>
Graph dependency_graph(F&& program, const T&... x) {
  auto call = [&] { static_cast<void>(program(x...)); };
  const detail::Callable callable(call);
  return detail::Dependencies(callable).find();
}

}  // namespace wick::inline WICK_ABI
