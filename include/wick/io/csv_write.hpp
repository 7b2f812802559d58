/// \file
/// Writing CSV files.
#pragma once

#include <charconv>

#include <wick/io/csv_table.hpp>

namespace wick::inline WICK_ABI {

struct CsvWriteOptions {
  char separator = ',';
};

namespace detail {

/// The shortest text that reads as the same double.
inline void add_number(std::string& out, double x) {
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, x);
  out.append(buffer, end);
}
/// A cell of text, in quotes where it would not be read back as it is.
inline void add_cell(std::string& out, std::string_view s, char separator) {
  bool plain = !s.empty() && s.front() != ' ' && s.back() != ' ' && s.front() != '\t' && s.back() != '\t';
  for (const char* m : {"NA", "N/A", "NaN", "nan", "null"}) plain = plain && s != m;
  for (const char c : s) plain = plain && c != separator && c != '"' && c != '\n' && c != '\r';
  if (plain) {
    out.append(s);
    return;
  }
  out += '"';
  for (const char c : s) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}
inline void add_header(std::string& out, const CsvTable& t, char separator) {
  for (Index j = 0; j < t.columns(); ++j) {
    if (j != 0) out += separator;
    add_cell(out, t.at(j).name, separator);
  }
  out += '\n';
}
inline void add_rows(std::string& out, const CsvTable& t, char separator, Index first, Index last) {
  for (Index i = first; i < last; ++i) {
    for (Index j = 0; j < t.columns(); ++j) {
      if (j != 0) out += separator;
      const CsvColumn& c = t.at(j);
      const bool missing = !c.present.empty() && c.present.data()[i] == 0;
      if (!c.text)
        add_number(out, missing ? kNaN : c.values.data()[i]);
      else if (missing)
        out += "NA";
      else
        add_cell(out, c.strings[static_cast<std::size_t>(i)], separator);
    }
    out += '\n';
  }
}

}  // namespace detail

/// A table as CSV text: a line of names, then the rows. Numbers have the digits they need to be read back to the last bit, missing ones
/// are "nan", missing text is "NA".
inline std::string to_csv(const CsvTable& table, const CsvWriteOptions& options = {}) {
  std::string out;
  detail::add_header(out, table, options.separator);
  detail::add_rows(out, table, options.separator, 0, table.rows());
  return out;
}

/// Writes one table to a file, part after part. What is in the file stays there until the first part comes.
///
/// Throws wick.csv.E410 when the file cannot be written, E411 for a part with other columns than the first. A writer that is not
/// closed is closed by its destructor, which cannot say whether that worked.
class CsvWriter {
 public:
  explicit CsvWriter(std::string path, const CsvWriteOptions& options = {}) : path_(std::move(path)), options_(options), file_(std::fopen(path_.c_str(), "ab")) {
    if (file_ == nullptr) raise();
  }
  CsvWriter(const CsvWriter&) = delete;
  CsvWriter& operator=(const CsvWriter&) = delete;
  ~CsvWriter() {
    if (file_ != nullptr) std::fclose(file_);
  }
  /// Adds the rows of `part`; the first part's names are the header.
  void add(const CsvTable& part) {
    if (file_ == nullptr) detail::raise_csv("wick.csv.E410", path_, {}, {"the writer is closed"}, {"add all rows before close()"});
    std::string text;
    if (!begun_) {
      names_ = part.names();
      file_ = std::freopen(path_.c_str(), "wb", file_);  // only now: whoever makes the rows may have failed
      if (file_ == nullptr) raise();
      detail::add_header(text, part, options_.separator);
      begun_ = true;
    } else if (names_ != part.names()) {
      detail::raise_csv("wick.csv.E411", path_, {}, {"rows with the columns ", detail::csv_names(part.names()), "; the file has ", detail::csv_names(names_)}, {"give all parts the same columns"});
    }
    for (Index i = 0; i < part.rows() || !text.empty();) {
      const Index last = part.rows() - i < 1000 ? part.rows() : i + 1000;
      detail::add_rows(text, part, options_.separator, i, last);
      if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) raise();
      text.clear();
      i = last;
    }
  }
  /// Ends the file. Throws wick.csv.E410 if anything could not be written.
  void close() {
    std::FILE* file = file_;
    file_ = nullptr;
    if (file != nullptr && std::fclose(file) != 0) raise();
  }

 private:
  [[noreturn]] WICK_COLD void raise() const { detail::raise_csv("wick.csv.E410", path_, {}, {"this file cannot be written"}, {"check that its folder exists, may be written to, and has room"}); }
  std::string path_;
  CsvWriteOptions options_;
  std::FILE* file_;
  std::vector<std::string> names_;
  bool begun_ = false;
};

/// Writes a table to a file. Throws wick.csv.E410.
inline void write_csv(const std::string& path, const CsvTable& table, const CsvWriteOptions& options = {}) {
  CsvWriter writer(path, options);
  writer.add(table);
  writer.close();
}

}  // namespace wick::inline WICK_ABI
