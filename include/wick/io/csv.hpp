/// \file
/// Reading CSV files.
#pragma once

#include <charconv>

#include <wick/io/csv_table.hpp>

namespace wick::inline WICK_ABI {

/// How a CSV file is read.
struct CsvOptions {
  char separator = ',';
  char quote = '"';
  char comment = '\0';                        ///< lines that begin with it are left out; '\0': none are
  char decimal = '.';
  bool header = true;                         ///< the first line has the columns' names
  std::vector<std::string> names = {};        ///< in place of the header's; without a header they are "0", "1", … by default
  std::vector<std::string> columns = {};      ///< which ones to read, in this order; none: all
  std::vector<std::string> text = {};         ///< columns that are text even if all their cells are numbers
  std::vector<std::string> missing = {"", "NA", "N/A", "NaN", "nan", "null"};  ///< cells without a value
};

namespace detail {

struct CsvCell {
  const char* begin;
  std::uint32_t size;
  bool quoted, doubled;  ///< stands in quotes; has quotes in it, which are written twice
  std::string_view view() const noexcept { return {begin, size}; }
};

/// Of a number that is beyond what a double can be: whether it is too small, not too large.
inline bool is_too_small(std::string_view s) noexcept {
  const std::size_t e = s.find_first_of("eE");
  const std::string_view digits = s.substr(0, e);
  const std::size_t dot = digits.find('.'), point = dot == s.npos ? digits.size() : dot;
  Index power = 0;
  if (e != s.npos) {
    const bool less = s[e + 1] == '-';
    const char* from = s.data() + e + 1 + (s[e + 1] == '+' ? 1 : 0);
    if (std::from_chars(from, s.data() + s.size(), power).ec != std::errc()) power = less ? -(Index{1} << 60) : Index{1} << 60;
  }
  return static_cast<Index>(point) - static_cast<Index>(digits.find_first_of("123456789")) + power < 0;
}
/// A number as it stands in files, whatever the locale; false for anything else. Too large ones are ±∞, too small ones ±0.
inline bool parse_number(std::string_view s, char decimal, double& out) {
  if (s.empty()) return false;
  if (decimal != '.') {
    char buffer[64];
    if (s.size() > sizeof buffer || s.find('.') != s.npos) return false;
    for (std::size_t i = 0; i < s.size(); ++i) buffer[i] = s[i] == decimal ? '.' : s[i];
    return parse_number({buffer, s.size()}, '.', out);
  }
  if (s.size() > 1 && s[0] == '+' && s[1] != '-') s.remove_prefix(1);
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (end != s.data() + s.size()) return false;
  if (WICK_LIKELY(error == std::errc())) return true;
  if (error != std::errc::result_out_of_range) return false;
  out = is_too_small(s) ? 0.0 : kInf;
  if (s[0] == '-') out = -out;
  return true;
}

/// Takes a text apart into cells.
class CsvReader {
 public:
  CsvReader(const std::string& text, const CsvOptions& options, std::string_view file) : o_(options), file_(file), at_(text.data()), end_(text.data() + text.size()), line_begin_(at_) {
    check_options();
  }
  CsvTable read();

 private:
  void check_options() const;
  void check_text();
  bool next_row();
  CsvCell next_cell(bool& last);
  CsvCell quoted_cell(bool& last);
  void end_of_cell(bool& last);
  std::string text_of(const CsvCell& c) const;
  void end_of_line() noexcept;
  void skip_blank() noexcept {
    while (at_ < end_ && is_blank(*at_)) ++at_;
  }
  bool is_blank(char c) const noexcept { return (c == ' ' || c == '\t') && c != o_.separator; }
  static bool is_end(char c) noexcept { return c == '\n' || c == '\r'; }
  CsvPlace place(const char* p) const noexcept { return {line_, p - line_begin_ + 1}; }
  void name_columns();
  void check_names(const std::vector<std::string>& names, Index line) const;
  void select_columns();
  void check_width();
  CsvColumn column(std::size_t field) const;
  bool is_missing(const CsvCell& c) const;
  bool is_kept_text(const std::string& name) const;

  const CsvOptions& o_;
  std::string_view file_;
  const char* at_;
  const char* end_;
  const char* line_begin_;
  Index line_ = 1;
  List<CsvCell> row_;
  struct Start {
    Index line;
    const char* begin;
  };
  Start start_{};  ///< of the row under way
  std::vector<std::string> names_;
  List<std::size_t> fields_;  ///< which fields are kept
  List<CsvCell> cells_;       ///< row by row
  List<Start> rows_;
};

WICK_COLD inline void CsvReader::check_options() const {
  const char special[] = {o_.separator, o_.quote, o_.comment, o_.decimal};
  for (int i = 0; i < 4; ++i) {
    bool bad = is_end(special[i]) || (special[i] == '\0' && (i == 0 || i == 3));
    for (int j = 0; j < i; ++j) bad = bad || (special[i] == special[j] && special[i] != '\0');
    if (bad)
      raise<UsageError>("wick.csv.E408", "", {file_, ": separator, quote, comment and decimal must differ, and be no line ends"}, {"with a decimal comma: {.separator = ';', .decimal = ','}"});
  }
}

/// A text file is UTF-8, or at least has no zero bytes.
inline void CsvReader::check_text() {
  const char* const begin = at_;
  const std::string_view all(begin, static_cast<std::size_t>(end_ - begin));
  if (all.substr(0, 3) == "\xEF\xBB\xBF") line_begin_ = at_ += 3;
  const std::size_t zero = all.find('\0');
  if (zero == all.npos) return;
  for (std::size_t i = 0; i < zero; ++i)
    if (all[i] == '\n') ++line_, line_begin_ = begin + i + 1;
  raise_csv("wick.csv.E409", file_, place(all.data() + zero), {"a zero byte: this is no text, or its characters have more than one byte"},
            {"give the CSV file itself, not an archive or spreadsheet\n  or save it as UTF-8"});
}

/// The next row with something in it, into row_.
inline bool CsvReader::next_row() {
  for (;;) {
    row_.clear();
    if (at_ == end_) return false;
    start_ = {line_, at_};
    skip_blank();
    if (at_ == end_) return false;
    if (is_end(*at_)) {
      end_of_line();
    } else if (o_.comment != '\0' && *at_ == o_.comment) {
      while (at_ < end_ && !is_end(*at_)) ++at_;
      end_of_line();
    } else {
      break;
    }
  }
  for (bool last = false; !last;) row_.push_back(next_cell(last));
  return true;
}
inline CsvCell CsvReader::next_cell(bool& last) {
  skip_blank();
  if (at_ < end_ && *at_ == o_.quote && o_.quote != '\0') return quoted_cell(last);
  const char* begin = at_;
  while (at_ < end_ && *at_ != o_.separator && !is_end(*at_)) ++at_;
  const char* stop = at_;
  while (stop > begin && is_blank(stop[-1])) --stop;
  end_of_cell(last);
  return {begin, static_cast<std::uint32_t>(stop - begin), false, false};
}
inline CsvCell CsvReader::quoted_cell(bool& last) {
  const CsvPlace opened = place(at_);
  const char* begin = ++at_;
  bool doubled = false;
  for (;; ++at_) {
    if (at_ == end_)
      raise_csv("wick.csv.E403", file_, opened, {"the quote that begins here is not closed before the end of the file"},
                {"look whether the file was cut short\n  or close the quote; a quote inside quotes is written twice\n  or {.quote = '\\0'} where quotes mean nothing"});
    if (*at_ == o_.quote) {
      if (at_ + 1 == end_ || at_[1] != o_.quote) break;
      ++at_;
      doubled = true;
    } else if (*at_ == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    }
  }
  const CsvCell cell{begin, static_cast<std::uint32_t>(at_ - begin), true, doubled};
  ++at_;
  skip_blank();
  if (at_ < end_ && *at_ != o_.separator && !is_end(*at_))
    raise_csv("wick.csv.E404", file_, place(at_), {"after the closing quote a separator or the end of the line is expected"}, {"write a quote inside quotes twice\n  or {.quote = '\\0'} where quotes mean nothing"});
  end_of_cell(last);
  return cell;
}
inline std::string CsvReader::text_of(const CsvCell& c) const {
  std::string out(c.view());
  if (c.doubled)
    for (std::size_t i = 0; (i = out.find(o_.quote, i)) != out.npos; ++i) out.erase(i, 1);
  return out;
}
inline void CsvReader::end_of_cell(bool& last) {
  if (at_ < end_ && *at_ == o_.separator) {
    ++at_;
    return;
  }
  last = true;
  if (at_ < end_) end_of_line();
}
inline void CsvReader::end_of_line() noexcept {
  if (at_ == end_) return;
  at_ += *at_ == '\r' && at_ + 1 < end_ && at_[1] == '\n' ? 2 : 1;
  ++line_;
  line_begin_ = at_;
}

/// Takes the header, and stops behind the first row of data, which is in row_ if there is one.
inline void CsvReader::name_columns() {
  const bool any = next_row();
  if (!any && (o_.header || o_.names.empty()))
    raise_csv("wick.csv.E401", file_, {}, {"there is nothing in it; expected is ", o_.header ? "a line with the names of the columns" : "a line of data"}, {"look whether the file was cut short, or is another one"});
  if (o_.header) {
    for (const CsvCell& c : row_) names_.push_back(text_of(c));
    const Start header = start_;
    next_row();
    // As R writes tables: the rows have names, their column has none. A separator too many at the end of the row is something else.
    if (row_.size() == names_.size() + 1 && o_.names.empty() && (row_.back().size != 0 || row_.back().quoted)) names_.insert(names_.begin(), std::string());
    if (o_.names.empty()) check_names(names_, header.line);
  }
  if (!o_.names.empty()) {
    if (o_.header && o_.names.size() != names_.size())
      raise_csv("wick.csv.E402", file_, {}, {"the header has ", Index(names_.size()), " columns, .names has ", Index(o_.names.size())}, {"give as many names as there are columns"});
    check_names(o_.names, 0);
    names_ = o_.names;
  } else if (!o_.header) {
    for (std::size_t i = 0; i < row_.size(); ++i) names_.push_back(std::to_string(i));
  }
}
inline void CsvReader::check_names(const std::vector<std::string>& names, Index line) const {
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (names[i] == names[j] && !names[i].empty())
        raise_csv("wick.csv.E405", file_, {line, 0}, {"two columns have the name \"", std::string_view(names[i]), "\""}, {"rename one of them\n  or give all names: {.names = {…}}"});
}
inline void CsvReader::select_columns() {
  check_names(o_.columns, 0);
  const auto place_of = [&](const std::string& name) {
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) return i;
    raise_csv_column(file_, name, names_);
  };
  for (const std::string& name : o_.text) place_of(name);
  for (const std::string& name : o_.columns) fields_.push_back(place_of(name));
  if (o_.columns.empty())
    for (std::size_t i = 0; i < names_.size(); ++i) fields_.push_back(i);
}
inline void CsvReader::check_width() {
  if (WICK_LIKELY(row_.size() == names_.size())) return;
  const bool extra = row_.size() == names_.size() + 1 && row_.back().size == 0;
  const bool cut = at_ == end_ && row_.size() < names_.size() && !is_end(end_[-1]);
  raise_csv("wick.csv.E402", file_, {start_.line, 0}, {"this line has ", Index(row_.size()), row_.size() == 1 ? " cell" : " cells", ", expected are ", Index(names_.size()), ": ", csv_names(names_)},
            {cut ? "look whether the file was cut short: its last line has no end\n  or " : extra ? "take the separator at the end of the line away, or end the header with one as well\n  or " : "", "correct the line; a cell with a separator in it stands in quotes\n  or say what separates the columns, as in {.separator = ';'}"});
}

inline bool CsvReader::is_missing(const CsvCell& c) const {
  if (c.quoted) return c.size == 0;
  for (const std::string& m : o_.missing)
    if (c.view() == m) return true;
  return false;
}
inline bool CsvReader::is_kept_text(const std::string& name) const {
  for (const std::string& t : o_.text)
    if (t == name) return true;
  return false;
}
/// One column, of numbers if all its cells are, or are missing.
inline CsvColumn CsvReader::column(std::size_t field) const {
  CsvColumn c;
  c.name = names_[fields_[field]];
  c.text = is_kept_text(c.name);
  const std::size_t n = rows_.size(), width = fields_.size();
  const Tensor present = ones({n});
  Tensor values = zeros({n});
  Tensor mask = present;
  double *to = TensorAccess::fresh_data(values), *there = TensorAccess::fresh_data(mask);
  bool missing = false;
  for (std::size_t i = 0; i < n; ++i) {
    const CsvCell& cell = cells_[i * width + field];
    double x = kNaN;
    bool none = is_missing(cell);
    if (!none && !c.text && !parse_number(cell.view(), o_.decimal, x)) {
      c.text = true;
      c.not_number = text_of(cell);
      c.at.line = rows_[i].line;
      const char* from = rows_[i].begin;
      for (const char* p = from; p < cell.begin; ++p)
        if (*p == '\n') ++c.at.line, from = p + 1;
      c.at.column = cell.begin - from + (cell.quoted ? 0 : 1);
    }
    none = none || (!c.text && x != x);
    to[i] = x;
    there[i] = none ? 0.0 : 1.0;
    missing = missing || none;
  }
  if (missing) c.present = mask;
  if (!c.text) {
    c.values = values;
    return c;
  }
  c.strings.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const CsvCell& cell = cells_[i * width + field];
    c.strings.push_back(is_missing(cell) ? std::string() : text_of(cell));
  }
  return c;
}

inline CsvTable CsvReader::read() {
  check_text();
  name_columns();
  select_columns();
  for (; !row_.empty(); next_row()) {
    check_width();
    rows_.push_back(start_);
    for (const std::size_t f : fields_) cells_.push_back(row_[f]);
  }
  List<CsvColumn> columns;
  for (std::size_t i = 0; i < fields_.size(); ++i) columns.push_back(column(i));
  CsvTable table{std::string(file_)};
  table.adopt(std::move(columns), static_cast<Index>(rows_.size()));
  return table;
}

/// The bytes of a file. Throws wick.csv.E400.
WICK_COLD inline std::string read_text(const std::string& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) raise_csv("wick.csv.E400", path, {}, {"this file cannot be opened"}, {"check the name; relative names count from the folder in which the program was started"});
  for (std::size_t size = 0;;) {
    text.resize(size + (size < 65536 ? 65536 : size));
    const std::size_t got = std::fread(text.data() + size, 1, text.size() - size, file);
    size += got;
    if (got == 0) {
      text.resize(size);
      break;
    }
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) raise_csv("wick.csv.E400", path, {}, {"this file cannot be read"}, {"give the name of a file, not of a folder"});
  return text;
}

}  // namespace detail

/// The table in a text; `name` is what errors call it. As `read_csv`.
inline CsvTable parse_csv(const std::string& text, const CsvOptions& options = {}, std::string_view name = "text") { return detail::CsvReader(text, options, name).read(); }

/// Reads a CSV file: lines of cells, the first one with the columns' names.
///
/// A column whose cells are all numbers, or missing, is one of numbers, others are text. Numbers are read alike in every locale, to the last bit.
/// Cells may stand in quotes (then also with separators and line ends in them, a quote written twice); a quoted cell is missing only if it is
/// empty. Blanks around cells, empty lines, a byte order mark and the kind of line ends do not matter. Where rows have one cell more than
/// the header, the first is the row's name, as in R: its column is "".
/// Throws CsvError with file, line and column: wick.csv.E400 (no such file), E401 (empty), E402 (a line with more or fewer cells), E403 (a quote
/// that is not closed), E404, E405 (two columns of one name), E406 (`columns` or `text` name none), E409 (no text); E408 for options.
inline CsvTable read_csv(const std::string& path, const CsvOptions& options = {}) { return parse_csv(detail::read_text(path), options, path); }
inline CsvTable read_csv(const char* path, const CsvOptions& options = {}) { return read_csv(std::string(path), options); }
/// From a stream such as std::ifstream or std::cin, to its end.
template <class Stream>
  requires requires(Stream& s, char* to) { s.read(to, 1).gcount(); }
CsvTable read_csv(Stream& in, const CsvOptions& options = {}, std::string_view name = "stream") {
  std::string text;
  char buffer[4096];
  do {
    in.read(buffer, sizeof buffer);
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
  } while (in.gcount() > 0);
  return parse_csv(text, options, name);
}

}  // namespace wick::inline WICK_ABI
