/// \file
/// Draws as tables: to and from CSV files.
#pragma once

#include <wick/infer/predictive.hpp>
#include <wick/io/csv.hpp>
#include <wick/io/csv_write.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// One column for each element of a draw: "z", "y[0]", "y[0,2]".
inline void add_draws(CsvTable& table, std::string_view name, const Tensor& all) {
  const Shape shape = all.shape().tail(all.dim() - 1);
  const Index count = shape.numel(), n = all.shape()[0];
  List<Index> at;
  at.resize(shape.size(), 0);
  for (Index k = 0; k < count; ++k) {
    std::string column(name);
    for (std::size_t d = 0; d < at.size(); ++d) column.append(d == 0 ? "[" : ",").append(std::to_string(at[d]));
    if (!at.empty()) column += ']';
    Tensor values = zeros({n});
    for (Index i = 0; i < n; ++i) TensorAccess::fresh_data(values)[i] = all.data()[i * count + k];
    table.add(std::move(column), values);
    for (std::size_t d = at.size(); d-- > 0;) {
      if (++at[d] < shape[d]) break;
      at[d] = 0;
    }
  }
}

}  // namespace detail

/// Draws as a table: one row a draw, one column for each element of a site ("z", "y[0]", "y[0,2]"), and "log_weight" and "return" if there are any.
inline CsvTable to_table(const Samples& samples) {
  CsvTable table("samples");
  for (const Samples::Item& i : samples) detail::add_draws(table, i.name.view(), i.values);
  if (!samples.return_values().empty()) detail::add_draws(table, "return", samples.return_values());
  if (!samples.log_weights().empty()) table.add("log_weight", samples.log_weights());
  return table;
}

namespace detail {

/// The indices in the name of a column, "site[1,2]" or, where `mark` is a dot, "site.1.2"; false for any other name.
inline bool element_indices(const std::string& name, const std::string& site, char mark, List<Index>& at) {
  at.clear();
  if (name.compare(0, site.size(), site) != 0 || name.size() <= site.size() || name[site.size()] != mark) return false;
  for (const char *p = name.data() + site.size(), *end = name.data() + name.size(); p + 1 < end;) {
    Index index = 0;
    const auto [next, error] = std::from_chars(p + 1, end, index);
    if (error != std::errc() || index < 0) return false;
    at.push_back(index);
    if (mark == '.' ? next == end : next + 1 == end && *next == ']') return true;
    if (next == end || *next != (mark == '.' ? '.' : ',')) return false;
    p = next;
  }
  return false;
}

/// The draws of a site whose elements have columns with this mark; empty where there are none.
inline Tensor elements_of(const CsvTable& table, const std::string& site, char mark) {
  // The least and the largest index in each dimension say the shape.
  List<Index> least, most, at;
  for (const std::string& name : table.names()) {
    if (!element_indices(name, site, mark, at)) continue;
    for (std::size_t d = 0; d < at.size(); ++d) {
      if (d == least.size()) {
        least.push_back(at[d]);
        most.push_back(at[d]);
      }
      least[d] = at[d] < least[d] ? at[d] : least[d];
      most[d] = at[d] > most[d] ? at[d] : most[d];
    }
  }
  if (least.empty()) return {};
  Shape shape;
  shape.push_back(table.rows());
  Index base = 1;
  for (std::size_t d = 0; d < least.size(); ++d) base = least[d] < base ? least[d] : base;
  for (std::size_t d = 0; d < least.size(); ++d) shape.push_back(most[d] - base + 1);
  const Index count = shape.tail(shape.rank() - 1).numel();
  Tensor all = zeros(shape);
  for (Index k = 0; k < count; ++k) {
    std::string name;
    Index rest = k;
    for (std::size_t d = shape.size(); d-- > 1; rest /= shape[d]) name.insert(0, std::to_string(rest % shape[d] + base)).insert(0, 1, d == 1 || mark == '.' ? mark : ',');
    const Tensor& column = table[site + name + (mark == '.' ? "" : "]")];
    for (Index i = 0; i < table.rows(); ++i) TensorAccess::fresh_data(all)[i * count + k] = column.data()[i];
  }
  return all;
}

}  // namespace detail

/// Draws of these sites out of a table as `to_table` makes them, or with elements counted from 1: "y[1,2]", or "y.1.2" as CmdStan writes them.
/// Throws wick.csv.E406 when a site or one of its elements has no column.
inline Samples samples_of(const CsvTable& table, const std::vector<std::string>& sites) {
  Samples out;
  for (const std::string& site : sites) {
    Tensor all = table.contains(site) ? table[site] : detail::elements_of(table, site, '[');
    if (all.empty()) all = detail::elements_of(table, site, '.');
    if (all.empty()) detail::raise_csv_column(table.source(), site, table.names());
    out.set(site, std::move(all));
  }
  return out;
}

/// Makes all draws of a Predictive and writes them to a CSV file, chunk by chunk, so that memory is bounded: `write_draws("draws.csv",
/// Predictive(model, guide, {.num_samples = 100000}), x, y)`. Throws wick.csv.E410 and what Predictive throws.
template <class Model, class Source, class... T>
void write_draws(const std::string& path, Predictive<Model, Source> predictive, const T&... x) {
  CsvWriter writer(path);
  predictive.for_each_chunk([&](const SampleChunk& c) { writer.add(to_table(c.samples)); }, x...);
  writer.close();
}

}  // namespace wick::inline WICK_ABI
