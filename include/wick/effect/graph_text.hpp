/// \file
/// Dependency graphs as text that Graphviz and Mermaid draw.
#pragma once

#include <wick/effect/graph.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Boxes in boxes: the sites that are in exactly these plates, and the boxes of those in more. Plates that overlap without one being inside the other
/// are drawn as several boxes of one name.
struct GraphBox {
  std::string plate;
  std::vector<std::size_t> nodes;
  std::vector<GraphBox> inside;
};

inline GraphBox graph_boxes(const Graph& g) {
  std::vector<std::size_t> count(g.plates.size(), 0);
  const auto index = [&](const std::string& name) {
    std::size_t i = 0;
    while (g.plates[i].name != name) ++i;
    return i;
  };
  for (const GraphNode& n : g.nodes)
    for (const std::string& p : n.plates) ++count[index(p)];
  GraphBox root;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    // One order of plates for all sites, those with more sites outside: then nested plates nest, and few boxes are needed.
    std::vector<std::size_t> path;
    for (const std::string& p : g.nodes[i].plates) {
      std::size_t at = 0;
      const std::size_t k = index(p);
      while (at < path.size() && (count[path[at]] > count[k] || (count[path[at]] == count[k] && path[at] < k))) ++at;
      path.insert(path.begin() + static_cast<std::ptrdiff_t>(at), k);
    }
    GraphBox* box = &root;
    for (const std::size_t k : path) {
      GraphBox* next = nullptr;
      for (GraphBox& b : box->inside)
        if (b.plate == g.plates[k].name) next = &b;
      if (next == nullptr) {
        box->inside.push_back({g.plates[k].name, {}, {}});
        next = &box->inside.back();
      }
      box = next;
    }
    box->nodes.push_back(i);
  }
  return root;
}

inline std::string plate_label(const Graph& g, const std::string& name) {
  for (const GraphPlate& p : g.plates) {
    if (p.name != name) continue;
    const std::string size = std::to_string(p.size);
    return name + (p.sequential ? ", " + size + " turns" : ", " + size) + (p.size == p.full_size ? "" : " of " + std::to_string(p.full_size));
  }
  return name;
}
inline std::string node_label(const GraphNode& n) { return n.distribution.empty() ? n.name : n.name + (n.kind == NodeKind::param ? " in " : " ~ ") + n.distribution; }

/// Text in quotes; what would end it is escaped.
inline std::string dot_quoted(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}
inline std::string mermaid_quoted(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) c == '"' ? out += "#quot;" : out += c;
  return out + "\"";
}

/// Writes boxes, sites and edges of a graph by the words of one language.
class GraphWriter {
 public:
  GraphWriter(bool dot, std::string& out) : dot_(dot), out_(&out) {}
  void write(const Graph& g, const std::string& prefix, std::size_t depth) {
    box(g, graph_boxes(g), prefix, depth);
    for (const GraphEdge& e : g.edges) line(depth, id(prefix, e.from) + (dot_ ? " -> " : " --> ") + id(prefix, e.to) + (dot_ ? ";" : ""));
  }
  void begin_box(const std::string& label, std::size_t depth) {
    const std::string name = "b" + std::to_string(boxes_++);
    line(depth, dot_ ? "subgraph cluster_" + name + " {" : "subgraph " + name + "[" + mermaid_quoted(label) + "]");
    if (dot_) line(depth + 1, "label=" + dot_quoted(label) + "; labelloc=b; labeljust=r;");
  }
  void end_box(std::size_t depth) { line(depth, dot_ ? "}" : "end"); }
  void line(std::size_t depth, const std::string& text) { out_->append(2 * depth, ' ').append(text).append("\n"); }

 private:
  static std::string id(const std::string& prefix, std::size_t i) { return prefix + std::to_string(i); }
  void box(const Graph& g, const GraphBox& b, const std::string& prefix, std::size_t depth) {
    for (const std::size_t i : b.nodes) node(g.nodes[i], id(prefix, i), depth);
    for (const GraphBox& inner : b.inside) {
      begin_box(plate_label(g, inner.plate), depth);
      box(g, inner, prefix, depth + 1);
      end_box(depth);
    }
  }
  void node(const GraphNode& n, const std::string& name, std::size_t depth) {
    const auto k = static_cast<unsigned>(n.kind);
    if (dot_) {
      constexpr const char* style[] = {"shape=ellipse", "shape=ellipse, style=filled, fillcolor=gray85", "shape=plaintext", "shape=ellipse, style=dashed", "shape=box, style=filled, fillcolor=black, fontcolor=white"};
      return line(depth, name + " [label=" + dot_quoted(node_label(n)) + ", " + style[k] + "];");
    }
    constexpr const char *left[] = {"([", "([", ">", "{{", "["}, *right[] = {"])", "])", "]", "}}", "]"};
    constexpr const char* kinds[] = {"latent", "observed", "param", "deterministic", "factor"};
    line(depth, name + left[k] + mermaid_quoted(node_label(n)) + right[k] + ":::" + kinds[k]);
  }
  bool dot_;
  std::string* out_;
  std::size_t boxes_ = 0;
};

inline std::string graph_text(bool dot, const Graph& model, const Graph* guide) {
  std::string out;
  GraphWriter w(dot, out);
  w.line(0, dot ? "digraph {" : "flowchart TD");
  if (!dot) out += "  classDef observed fill:#ddd\n  classDef deterministic stroke-dasharray:4\n";
  if (guide == nullptr) {
    w.write(model, "n", 1);
  } else {
    for (const Graph* g : {&model, guide}) {
      w.begin_box(g == &model ? "model" : "guide", 1);
      w.write(*g, g == &model ? "m" : "g", 2);
      w.end_box(1);
    }
  }
  if (dot) w.line(0, "}");
  return out;
}

}  // namespace detail

/// For Graphviz (`dot -Tsvg`): plates are boxes, with their sizes; observed sites are grey, deterministic ones dashed, parameters have no outline,
/// factors are black. Plates that overlap are drawn as boxes of one name.
inline std::string to_dot(const Graph& g) { return detail::graph_text(true, g, nullptr); }
/// Model and guide beside each other.
inline std::string to_dot(const Graph& model, const Graph& guide) { return detail::graph_text(true, model, &guide); }
/// The same for Mermaid, which Markdown viewers draw.
inline std::string to_mermaid(const Graph& g) { return detail::graph_text(false, g, nullptr); }
inline std::string to_mermaid(const Graph& model, const Graph& guide) { return detail::graph_text(false, model, &guide); }

}  // namespace wick::inline WICK_ABI
