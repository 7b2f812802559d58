/// \file
/// Tables with named columns of numbers or text, and the errors of CSV files.
#pragma once

#include <string>
#include <vector>

#include <wick/core/error.hpp>
#include <wick/core/list.hpp>
#include <wick/tensor/make.hpp>

namespace wick::inline WICK_ABI {

/// What is wrong with a CSV file, and where: the message begins with file:line:column, as a compiler's does.
class CsvError : public DomainError {
 public:
  WICK_COLD CsvError(std::string_view id, detail::Text text, detail::Text tries, std::string_view file, Index line, Index column)
      : DomainError(id, "", std::move(text), std::move(tries)), file_(file), line_(line), column_(column) {}
  std::string_view file() const noexcept { return file_; }
  /// Counted from 1; 0 where the whole file is meant.
  Index line() const noexcept { return line_; }
  /// Of the character, in bytes from 1; 0 where the whole line is meant.
  Index column() const noexcept { return column_; }

 private:
  detail::Text file_;
  Index line_, column_;
};

namespace detail {

/// A place in a file.
struct CsvPlace {
  Index line = 0, column = 0;
};

[[noreturn]] WICK_COLD inline void raise_csv(const char* id, std::string_view file, CsvPlace at, Parts text, Parts tries) {
  Text all(file);
  if (at.line != 0) all.add({":", at.line});
  if (at.column != 0) all.add({":", at.column});
  throw CsvError(id, all.add(": ").add(text), join(tries), file, at.line, at.column);
}

struct CsvColumn {
  std::string name;
  Tensor values;                     ///< of a column of numbers
  Tensor present;                    ///< 1 where there is a value; empty: everywhere
  std::vector<std::string> strings;  ///< of a column of text
  bool text = false;
  std::string not_number;            ///< why a column is text: its first cell that is no number, and where that stands
  CsvPlace at;
};

}  // namespace detail

/// A table: columns of equal length, each with a name and either numbers or text.
///
/// Missing numbers are NaN, missing text is empty; `present` tells them apart as a mask of 1 and 0, which is what `handlers::mask` and
/// `Distribution::mask` take. `table["x"]` is a column of numbers. Errors name the file that the table was read from.
class CsvTable {
 public:
  /// `source` is what errors call it.
  explicit CsvTable(std::string source = "table") : source_(std::move(source)) {}

  Index rows() const noexcept { return rows_; }
  Index columns() const noexcept { return static_cast<Index>(columns_.size()); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& c : columns_) out.push_back(c.name);
    return out;
  }
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
  /// Throws wick.csv.E406 when there is no such column; so do all that take a name.
  bool is_text(std::string_view name) const { return at(name).text; }

  /// The numbers of a column, NaN where they are missing. Shape (rows,). Throws wick.csv.E407 for a column of text, with the place of its
  /// first cell that is no number.
  const Tensor& operator[](std::string_view name) const {
    const detail::CsvColumn& c = at(name);
    if (WICK_UNLIKELY(c.text)) raise_text(c);
    return c.values;
  }
  /// 1 where the column has a value, 0 where it is missing. Shape (rows,).
  Tensor present(std::string_view name) const {
    const detail::CsvColumn& c = at(name);
    return c.present.empty() ? ones({rows_}) : c.present;
  }
  /// How many values are missing.
  Index missing(std::string_view name) const {
    Index n = 0;
    for (const double p : present(name).values()) n += p == 0 ? 1 : 0;
    return n;
  }
  /// The cells of a column of text. Throws wick.csv.E412 for a column of numbers.
  const std::vector<std::string>& text(std::string_view name) const {
    const detail::CsvColumn& c = at(name);
    if (WICK_UNLIKELY(!c.text))
      detail::raise<UsageError>("wick.csv.E412", "", {std::string_view(source_), ": column \"", std::string_view(c.name), "\" has numbers, and its text is not kept"},
                                {"read it as text: read_csv(file, {.text = {\"", std::string_view(c.name), "\"}})\n  or take its numbers: table[\"", std::string_view(c.name), "\"]"});
    return c.strings;
  }
  /// The different texts of a column, sorted.
  std::vector<std::string> categories(std::string_view name) const;
  /// Which of `categories(name)` each row has; NaN where it is missing. Shape (rows,).
  Tensor codes(std::string_view name) const;
  /// Columns of numbers side by side. Shape (rows, number of names); without names, all columns of numbers.
  Tensor matrix(const std::vector<std::string>& names) const;
  Tensor matrix() const {
    std::vector<std::string> numeric;
    for (const auto& c : columns_)
      if (!c.text) numeric.push_back(c.name);
    return matrix(numeric);
  }

  /// Adds a column. Throws wick.csv.E411 unless it has one value a row, E405 when there is one of that name.
  CsvTable& add(std::string name, const Tensor& numbers, const Tensor& present = {});
  CsvTable& add(std::string name, std::vector<std::string> text);

  const std::string& source() const noexcept { return source_; }
  /// For readers and writers.
  const detail::CsvColumn& at(Index column) const noexcept { return columns_[static_cast<std::size_t>(column)]; }
  void adopt(detail::List<detail::CsvColumn> columns, Index rows) {
    columns_ = std::move(columns);
    rows_ = rows;
  }

 private:
  const detail::CsvColumn* find(std::string_view name) const noexcept {
    for (const auto& c : columns_)
      if (c.name == name) return &c;
    return nullptr;
  }
  const detail::CsvColumn& at(std::string_view name) const {
    const detail::CsvColumn* c = find(name);
    if (WICK_UNLIKELY(c == nullptr)) raise_missing(name);
    return *c;
  }
  void check_new(const std::string& name, const Shape& shape, Index values) const;
  [[noreturn]] void raise_missing(std::string_view name) const;
  [[noreturn]] void raise_text(const detail::CsvColumn& c) const;

  std::string source_;
  detail::List<detail::CsvColumn> columns_;
  Index rows_ = 0;
};

namespace detail {
/// The names of columns for a message: "a", "b", …
WICK_COLD inline Text csv_names(const std::vector<std::string>& names) {
  Text out;
  for (const std::string& n : names) {
    if (out.size() > 300) {
      out.add(", …");
      break;
    }
    out.add(out.empty() ? "\"" : ", \"").add(std::string_view(n)).add("\"");
  }
  return out;
}
[[noreturn]] WICK_COLD inline void raise_csv_column(std::string_view file, std::string_view wanted, const std::vector<std::string>& names) {
  const bool other = names.size() == 1 && names[0].find_first_of(";\t|,") != std::string::npos;  // read with the wrong separator
  raise_csv("wick.csv.E406", file, {}, {"there is no column \"", wanted, "\"; there are ", csv_names(names)},
            {other ? "say what separates the columns: {.separator = ';'}, or '\\t'\n  or " : "", "use one of these names\n  or {.header = false} where the first line is data"});
}
}  // namespace detail

WICK_COLD inline void CsvTable::raise_missing(std::string_view name) const { detail::raise_csv_column(source_, name, names()); }
WICK_COLD inline void CsvTable::raise_text(const detail::CsvColumn& c) const {
  const std::string_view name = c.name;
  if (c.at.line == 0)
    detail::raise_csv("wick.csv.E407", source_, {}, {"column \"", name, "\" is text, wanted are numbers"}, {"take its text(\"", name, "\") or codes(\"", name, "\")"});
  detail::raise_csv("wick.csv.E407", source_, c.at, {"column \"", name, "\": \"", std::string_view(c.not_number), "\" is not a number"},
                    {"correct the file\n  or name such cells in {.missing = {…}}\n  or take the column's text(\"", name, "\") or codes(\"", name, "\")"});
}

inline std::vector<std::string> CsvTable::categories(std::string_view name) const {
  const std::vector<std::string>& cells = text(name);
  const Tensor there = present(name);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (there.data()[i] == 0) continue;
    std::size_t low = 0, high = out.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      out[middle] < cells[i] ? low = middle + 1 : high = middle;
    }
    if (low == out.size() || out[low] != cells[i]) out.insert(out.begin() + static_cast<std::ptrdiff_t>(low), cells[i]);
  }
  return out;
}
inline Tensor CsvTable::codes(std::string_view name) const {
  const std::vector<std::string>&cells = text(name), all = categories(name);
  const Tensor there = present(name);
  Tensor out = full({rows_}, detail::kNaN);
  double* to = detail::TensorAccess::fresh_data(out);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (there.data()[i] == 0) continue;
    std::size_t low = 0, high = all.size();
    while (low + 1 < high) {
      const std::size_t middle = (low + high) / 2;
      cells[i] < all[middle] ? high = middle : low = middle;
    }
    to[i] = static_cast<double>(low);
  }
  return out;
}
inline Tensor CsvTable::matrix(const std::vector<std::string>& names) const {
  Tensor out = zeros({rows_, names.size()});
  double* to = detail::TensorAccess::fresh_data(out);
  const auto width = static_cast<Index>(names.size());
  for (Index j = 0; j < width; ++j) {
    const Tensor& column = (*this)[names[static_cast<std::size_t>(j)]];
    for (Index i = 0; i < rows_; ++i) to[i * width + j] = column.data()[i];
  }
  return out;
}

inline void CsvTable::check_new(const std::string& name, const Shape& shape, Index values) const {
  if (shape.rank() != 1 || (!columns_.empty() && values != rows_))
    detail::raise_csv("wick.csv.E411", source_, {}, {"column \"", std::string_view(name), "\" has shape ", shape, "; wanted is (", columns_.empty() ? detail::Text("rows") : detail::join({rows_}), ",)"},
                      {"give one value a row"});
  if (contains(name)) detail::raise_csv("wick.csv.E405", source_, {}, {"there is a column \"", std::string_view(name), "\" already"}, {"give every column its own name"});
}
inline CsvTable& CsvTable::add(std::string name, const Tensor& numbers, const Tensor& present) {
  check_new(name, numbers.shape(), numbers.numel());
  if (!present.empty() && !(present.shape() == numbers.shape()))
    detail::raise_csv("wick.csv.E411", source_, {}, {"column \"", std::string_view(name), "\" has shape ", numbers.shape(), ", what is present of it ", present.shape()}, {"give the mask one value a row"});
  rows_ = numbers.numel();
  columns_.push_back({std::move(name), detail::TensorAccess::detached(numbers), present, {}, false, {}, {}});
  return *this;
}
inline CsvTable& CsvTable::add(std::string name, std::vector<std::string> text) {
  check_new(name, Shape{text.size()}, static_cast<Index>(text.size()));
  rows_ = static_cast<Index>(text.size());
  columns_.push_back({std::move(name), {}, {}, std::move(text), true, {}, {}});
  return *this;
}

}  // namespace wick::inline WICK_ABI
