#include "catch.hpp"

#include <clocale>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include <wick/ad/ops.hpp>
#include <wick/io/csv.hpp>
#include <wick/io/csv_write.hpp>

#include "support/errors.hpp"

using namespace wick;
using V = std::vector<double>;
using S = std::vector<std::string>;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

bool same(const Tensor& t, const V& expected) {
  const V got = t.to_vector();
  bool equal = got.size() == expected.size();
  for (std::size_t i = 0; equal && i < got.size(); ++i) equal = got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]));
  return equal;
}

struct Where {
  Index line, column;
};
/// Reading `text` fails with this error at this place.
std::string fails(const char* id, const std::string& text, Where at, const char* advice, const CsvOptions& options = {}, const char* use = nullptr) {
  std::string message;
  const auto call = [&] {
    try {
      const CsvTable t = parse_csv(text, options, "data.csv");
      if (use != nullptr) t[use];
    } catch (const CsvError& e) {
      CHECK(e.file() == "data.csv");
      CHECK(e.line() == at.line);
      CHECK(e.column() == at.column);
      throw;
    }
  };
  const auto report = wick_test::expect_error<CsvError>(call, id, "", advice);
  INFO(report.text << report.message);
  CHECK(report.ok);
  std::string place = std::string(id) + ": data.csv";
  if (at.line != 0) place += ":" + std::to_string(at.line);
  if (at.column != 0) place += ":" + std::to_string(at.column);
  CHECK(report.message.rfind(place + ": ", 0) == 0);
  return report.message;
}
bool says(const std::string& message, const char* part) { return message.find(part) != std::string::npos; }
std::string file_of(const std::string& text) {
  static int count = 0;
  const std::string path = wick_test::scratch_dir() + "/" + std::to_string(++count) + ".csv";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace

TEST_CASE("csv: columns of numbers and text, by name", "[io][csv]") {
  const CsvTable t = parse_csv("x,name,y\n1,a,2.5\n-3e2,b,.5\n+4,a,5.\n");
  CHECK(t.rows() == 3);
  CHECK(t.columns() == 3);
  CHECK(t.names() == S{"x", "name", "y"});
  CHECK(same(t["x"], {1, -300, 4}));
  CHECK(same(t["y"], {2.5, 0.5, 5}));
  CHECK(t["x"].shape() == Shape{3});
  CHECK(t.is_text("name"));
  CHECK_FALSE(t.is_text("x"));
  CHECK(t.text("name") == S{"a", "b", "a"});
  CHECK(t.categories("name") == S{"a", "b"});
  CHECK(same(t.codes("name"), {0, 1, 0}));
  CHECK(t.contains("y"));
  CHECK_FALSE(t.contains("z"));
  CHECK(t.matrix({"y", "x"}).shape() == Shape{3, 2});
  CHECK(same(t.matrix({"y", "x"}), {2.5, 1, 0.5, -300, 5, 4}));
  CHECK(same(t.matrix(), {1, 2.5, -300, 0.5, 4, 5}));
  CHECK(same(t.present("x"), {1, 1, 1}));
  CHECK(t.missing("x") == 0);
}

TEST_CASE("csv: missing values are NaN, and 0 in the mask", "[io][csv]") {
  const CsvTable t = parse_csv("a,b,c\n1,NA,x\n,2,\nnan,NaN,NA\nnull,4,\"\"\nN/A,5,\"NA\"\n");
  CHECK(same(t["a"], {1, nan_value, nan_value, nan_value, nan_value}));
  CHECK(same(t.present("a"), {1, 0, 0, 0, 0}));
  CHECK(same(t["b"], {nan_value, 2, nan_value, 4, 5}));
  CHECK(t.missing("b") == 2);
  CHECK(t.text("c") == S{"x", "", "", "", "NA"});  // in quotes NA is a text
  CHECK(same(t.present("c"), {1, 0, 0, 0, 1}));
  CHECK(t.categories("c") == S{"NA", "x"});
  CHECK(same(t.codes("c"), {1, nan_value, nan_value, nan_value, 0}));
  // Others by choice; then NA is a text. NaN is always missing, infinity is a number.
  const CsvTable own = parse_csv("a,b,c\n?,NA,inf\n-9,1,-INF\n3,2,NAN\n", {.missing = {"?", "-9"}});
  CHECK(same(own["a"], {nan_value, nan_value, 3}));
  CHECK(own.is_text("b"));
  CHECK(same(own["c"], {INFINITY, -INFINITY, nan_value}));
  CHECK(own.missing("c") == 1);
  // A column without any value is one of numbers.
  CHECK(same(parse_csv("a,b\n,1\n,2\n")["a"], {nan_value, nan_value}));
}

TEST_CASE("csv: quotes, blanks, line ends, comments, byte order mark", "[io][csv]") {
  CHECK(parse_csv("a,b\n\"x, y\",\"say \"\"hi\"\"\"\n").text("b") == S{"say \"hi\""});
  CHECK(parse_csv("a,b\n\"two\nlines\",1\nz,2\n").text("a") == S{"two\nlines", "z"});
  CHECK(parse_csv("a,b\n  x\t, 1 \n \"q\" ,2\n").text("a") == S{"x", "q"});
  CHECK(parse_csv("a;b\n5\" pipe;1\n", {.separator = ';'}).text("a") == S{"5\" pipe"});
  CHECK(parse_csv("a,b\n'x,y',1\n\"z,2\n", {.quote = '\''}).text("a") == S{"x,y", "\"z"});
  CHECK(parse_csv("a,b\n\"x,1\n", {.quote = '\0'}).text("a") == S{"\"x"});
  CHECK(same(parse_csv("a,b\n\"1\",2\n")["a"], {1}));
  CHECK(same(parse_csv("\"a\",b\r\n1,2\r\n\r\n3,4\r\n")["b"], {2, 4}));
  CHECK(same(parse_csv("a,b\r1,2\r3,4")["b"], {2, 4}));
  CHECK(same(parse_csv("\n\n  \na,b\n\n1,2\n   \n3,4\n\n\n")["a"], {1, 3}));
  CHECK(same(parse_csv("# made by hand\na,b\n1,2\n  # and this\n3,4 # not this\n", {.comment = '#', .columns = {"a"}})["a"], {1, 3}));
  CHECK(parse_csv("\xEF\xBB\xBF" "a,b\n1,2\n").names() == S{"a", "b"});
  CHECK(parse_csv("n\xC3\xA4me,b\nM\xC3\xBCller,2\n").text("n\xC3\xA4me") == S{"M\xC3\xBCller"});
  CHECK(same(parse_csv("a\tb c\n1\t2\n", {.separator = '\t'})["b c"], {2}));
  CHECK(same(parse_csv("a|b|c\n1|2|\n", {.separator = '|', .header = false, .names = {"a", "b", "c"}, .missing = {"b", ""}})["b"], {nan_value, 2}));
  CHECK(parse_csv("\"a\"\"b\",c\n\"\"\"\",1\n\"\"\"x\"\"\",2\n").text("a\"b") == S{"\"", "\"x\""});
}

TEST_CASE("csv: headers, names and choice of columns", "[io][csv]") {
  const CsvTable bare = parse_csv("1,x\n2,y\n", {.header = false});
  CHECK(bare.names() == S{"0", "1"});
  CHECK(same(bare["0"], {1, 2}));
  CHECK(parse_csv("1,x\n2,y\n", {.header = false, .names = {"n", "t"}}).text("t") == S{"x", "y"});
  CHECK(same(parse_csv("a,a\n1,2\n", {.names = {"n", "m"}})["m"], {2}));
  const CsvTable some = parse_csv("a,b,c\n1,x,3\n2,y,4\n", {.columns = {"c", "a"}});
  CHECK(some.names() == S{"c", "a"});
  CHECK(same(some.matrix(), {3, 1, 4, 2}));
  CHECK(parse_csv("zip,b\n00501,1\n", {.text = {"zip"}}).text("zip") == S{"00501"});
  CHECK(same(parse_csv("zip,b\n00501,1\n")["zip"], {501}));
  // Rows with names, as R writes them.
  const CsvTable r = parse_csv("\"dept\";\"n\"\n\"1\";\"A\";5\n\"2\";\"B\";6\n", {.separator = ';'});
  CHECK(r.names() == S{"", "dept", "n"});
  CHECK(same(r["n"], {5, 6}));
  // A header alone is a table without rows.
  const CsvTable none = parse_csv("a,b\n");
  CHECK(none.rows() == 0);
  CHECK(none["b"].shape() == Shape{0});
  CHECK(none.matrix().shape() == Shape{0, 2});
  CHECK(parse_csv("", {.header = false, .names = {"a"}}).rows() == 0);
}

TEST_CASE("csv: numbers are read to the last bit, in every locale", "[io][csv]") {
  const auto read = [](const std::string& cell, CsvOptions o = {}) {
    o.separator = ';';
    return parse_csv("x;t\n" + cell + ";a\n", o)["x"].at({0});
  };
  CHECK(read("0.1") == 0.1);
  CHECK(read("179769313486231570814527423731704356798070e267") == std::numeric_limits<double>::max());
  CHECK(read("4.9406564584124654e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(read("1e400") == INFINITY);
  CHECK(read("-1e400") == -INFINITY);
  CHECK(read("1e-400") == 0.0);
  CHECK(std::signbit(read("-1E-400")));
  CHECK(read("0." + std::string(400, '0') + "1") == 0.0);
  CHECK(read(std::string(400, '9')) == INFINITY);
  CHECK(read("1,5", {.decimal = ','}) == 1.5);
  CHECK(read("-,25e1", {.decimal = ','}) == -2.5);
  for (const char* no : {"0x10", "1.2.3", "1e", "--1", "+-1", "1 2", "1,5", "e5", ".", "+", "1d5", "12a"}) {
    INFO(no);
    CHECK(parse_csv(std::string("x;t\n") + no + ";a\n", {.separator = ';'}).is_text("x"));
  }
  CHECK(parse_csv("x;t\n1.5;a\n", {.separator = ';', .decimal = ','}).is_text("x"));
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, locale) != nullptr) {
      CHECK(read("1.5") == 1.5);
      CHECK(to_csv(CsvTable().add("x", Tensor{1.5})) == "x\n1.5\n");
    }
  std::setlocale(LC_ALL, before.c_str());
  // Beyond what a double can be: by its size, not by the sign of its exponent.
  const std::string zeros(400, '0');
  CHECK(same(parse_csv("x\n1" + zeros + "e-10\n0." + zeros + "1e+5\n-0." + zeros + "1\n-1" + zeros + "\n1e-99999999999999999999\n1e+99999999999999999999\n1" + zeros + "e-400\n")["x"],
             {wick::detail::kInf, 0, -0.0, -wick::detail::kInf, 0, wick::detail::kInf, 1}));
}

TEST_CASE("csv: from files and streams", "[io][csv]") {
  const std::string path = file_of("a,b\n1,x\n2,y\n");
  const CsvTable t = read_csv(path);
  CHECK(same(t["a"], {1, 2}));
  CHECK(t.source() == path);
  std::ifstream in(path);
  CHECK(read_csv(in).text("b") == S{"x", "y"});
  std::istringstream text("a\n3\n");
  CHECK(same(read_csv(text)["a"], {3}));
  std::string large = "a,b\n";
  for (int i = 0; i < 50000; ++i) large += std::to_string(i) + ",\"" + std::to_string(i % 7) + "\"\n";
  const CsvTable l = read_csv(file_of(large));
  CHECK(l.rows() == 50000);
  CHECK(l["a"].at({49999}) == 49999);
  CHECK(l["b"].at({49999}) == 49999 % 7);
  std::istringstream again(large);
  CHECK(same(read_csv(again)["a"], l["a"].to_vector()));
}

TEST_CASE("csv errors: files that are not there, empty, or no text", "[io][csv][errors]") {
  for (const std::string& path : {wick_test::scratch_dir() + "/none.csv", wick_test::scratch_dir()}) {
    const auto report = wick_test::expect_error<CsvError>([&] { return read_csv(path); }, "wick.csv.E400", "", path == wick_test::scratch_dir() ? "folder" : "relative names");
    INFO(report.text);
    CHECK(report.ok);
    CHECK(says(report.message, path.c_str()));
  }
  for (const char* empty : {"", "\n\n", "   ", "\xEF\xBB\xBF"}) {
    CHECK(says(fails("wick.csv.E401", empty, {0, 0}, "cut short"), "names of the columns"));
    fails("wick.csv.E401", empty, {0, 0}, "cut short", {.header = false});
  }
  fails("wick.csv.E401", "# nothing else", {0, 0}, "cut short", {.comment = '#'});
  fails("wick.csv.E409", std::string("a,b\n1,\0" "2\n", 9), {2, 3}, "UTF-8");
  fails("wick.csv.E409", std::string("\xFF\xFE" "a\0,\0", 6), {1, 4}, "spreadsheet");
}

TEST_CASE("csv errors: ragged and cut-short files name the line", "[io][csv][errors]") {
  const std::string m = fails("wick.csv.E402", "a,b,c\n1,2,3\n4,5\n6,7,8\n", {3, 0}, "quotes");
  CHECK(says(m, "has 2 cells, expected are 3: \"a\", \"b\", \"c\""));
  CHECK_FALSE(says(m, "cut short"));
  fails("wick.csv.E402", "a,b\n1,2\n3,4,5\n", {3, 0}, "separator in it");
  fails("wick.csv.E402", "# c\n\na,b\n\"x\ny\",2\n\n3\n", {7, 0}, "separator", {.comment = '#'});
  fails("wick.csv.E402", "a,b,c\n1,2,3\n4,5", {3, 0}, "cut short");
  fails("wick.csv.E403", "a,b\n1,2\n3,\"4\n5,6\n", {3, 3}, "cut short");
  fails("wick.csv.E403", "a,\"b", {1, 3}, "twice");
  fails("wick.csv.E404", "a,b\n\"x\" y,2\n", {2, 5}, "twice");
  fails("wick.csv.E402", "a,b\n1,2\n", {0, 0}, "as many names", {.names = {"x"}});
  // A separator at the end of each row is no row's name.
  fails("wick.csv.E402", "a,b\n1,2,\n3,4,\n", {2, 0}, "end the header with one");
}

TEST_CASE("csv errors: columns", "[io][csv][errors]") {
  CHECK(says(fails("wick.csv.E405", "# x\na,b,a\n1,2,3\n", {2, 0}, ".names", {.comment = '#'}), "\"a\""));
  CHECK(says(fails("wick.csv.E406", "a,b\n1,2\n", {0, 0}, "use one of these", {}, "c"), "\"a\", \"b\""));
  fails("wick.csv.E405", "1,2\n", {0, 0}, "rename", {.header = false, .names = {"x", "x"}});
  fails("wick.csv.E405", "a,b\n1,2\n", {0, 0}, "rename", {.columns = {"b", "b"}});
  fails("wick.csv.E406", "a;b\n1;2\n", {0, 0}, "separator = ';'", {}, "a");
  fails("wick.csv.E406", "a,b\n1,2\n", {0, 0}, "use one of these", {.columns = {"c"}});
  fails("wick.csv.E406", "a,b\n1,2\n", {0, 0}, "use one of these", {.text = {"c"}});
  const std::string m = fails("wick.csv.E407", "a,b\n1,2\n1,  3.x\n5,y\n", {3, 5}, ".missing", {}, "b");
  CHECK(says(m, "column \"b\": \"3.x\" is not a number"));
  fails("wick.csv.E407", "a,b\n\"p\nq\",1\n\"r\ns\",\"x\"\n", {5, 4}, "codes", {}, "b");
  fails("wick.csv.E407", "a,b\n\"p\"\"\nq\",x\n", {3, 4}, "codes", {}, "b");
  const CsvTable t = parse_csv("a,b\n1,x\n");
  const auto no_text = wick_test::expect_error<UsageError>([&] { return t.text("a"); }, "wick.csv.E412", "", ".text = {\"a\"}");
  INFO(no_text.text << no_text.message);
  CHECK(no_text.ok);
  CHECK(wick_test::expect_error<CsvError>([&] { return t.matrix({"a", "b"}); }, "wick.csv.E407", "", "codes").ok);
  for (const CsvOptions& o : {CsvOptions{.separator = '"'}, CsvOptions{.separator = '\n'}, CsvOptions{.separator = '\0'}, CsvOptions{.decimal = ','}, CsvOptions{.comment = '"'}, CsvOptions{.quote = '\r'}})
    CHECK(wick_test::expect_error<UsageError>([&] { return parse_csv("a\n1\n", o); }, "wick.csv.E408", "", "separator = ';'").ok);
}

TEST_CASE("csv: tables are written so that they are read back", "[io][csv]") {
  CsvTable t;
  t.add("x", Tensor{1, 0.1, -1e300, 1.0 / 3});
  t.add("t", S{"plain", "a,b", "say \"hi\"", "two\nlines"}).add("m", Tensor{1, 2, 3, 4}, Tensor{1, 0, 1, 1}).add("na", S{"NA", "", " blank ", "null"});
  CHECK(to_csv(t) == "x,t,m,na\n1,plain,1,\"NA\"\n0.1,\"a,b\",nan,\"\"\n-1e+300,\"say \"\"hi\"\"\",3,\" blank \"\n0.3333333333333333,\"two\nlines\",4,\"null\"\n");
  const CsvTable back = parse_csv(to_csv(t));
  CHECK(same(back["x"], t["x"].to_vector()));
  CHECK(back.text("t") == t.text("t"));
  CHECK(same(back["m"], {1, nan_value, 3, 4}));
  CHECK(back.text("na") == t.text("na"));
  CHECK(to_csv(t, {.separator = ';'}).rfind("x;t;m;na\n1;plain;1;\"NA\"\n0.1;a,b;", 0) == 0);
  // Random cells, with all that has a meaning.
  std::uint32_t state = 1;
  const auto next = [&](std::uint32_t n) { return (state = state * 1664525u + 1013904223u) / 65536u % n; };
  for (int round = 0; round < 200; ++round) {
    CsvTable random;
    const std::size_t rows = 1 + next(6);
    S cells(rows);
    V numbers(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const char marks[] = "ab,\";\n\r \t'#";
      for (std::uint32_t k = next(6); k > 0; --k) cells[i] += marks[next(sizeof marks - 1)];
      cells[i] += 'x';
      numbers[i] = std::ldexp(static_cast<double>(next(65536)) - 32768, static_cast<int>(next(200)) - 100);
    }
    random.add("n", numbers).add("t", cells);
    const CsvTable read = parse_csv(to_csv(random));
    INFO(to_csv(random));
    REQUIRE(read.text("t") == cells);
    REQUIRE(same(read["n"], numbers));
  }
}

TEST_CASE("csv: writers add parts and say what is wrong", "[io][csv][errors]") {
  const std::string path = wick_test::scratch_dir() + "/written.csv";
  const auto part = [](Index first, Index last) { return CsvTable().add("i", first + arange(last - first)).add("half", 0.5 * (first + arange(last - first))); };
  {
    CsvWriter writer(path);
    writer.add(part(0, 2500));
    writer.add(part(2500, 2500));
    writer.add(part(2500, 4000));
    CHECK(wick_test::expect_error<CsvError>([&] { writer.add(CsvTable().add("i", Tensor{1})); }, "wick.csv.E411", "", "same columns").ok);
    writer.close();
    CHECK(wick_test::expect_error<CsvError>([&] { writer.add(part(0, 1)); }, "wick.csv.E410", "", "close()").ok);
  }
  const CsvTable t = read_csv(path);
  CHECK(t.rows() == 4000);
  CHECK(same(t["half"], (0.5 * arange(4000)).to_vector()));
  { const CsvWriter failed(path); }  // before the first part
  CHECK(read_csv(path).rows() == 4000);
  write_csv(path, part(0, 3));
  CHECK(read_csv(path).rows() == 3);
  CHECK(wick_test::expect_error<CsvError>([&] { write_csv(wick_test::scratch_dir() + "/no/such.csv", t); }, "wick.csv.E410", "", "folder").ok);
  CHECK(wick_test::expect_error<CsvError>([&] { write_csv(wick_test::scratch_dir(), t); }, "wick.csv.E410", "", "folder").ok);
  if (std::ifstream("/dev/full"))
    CHECK(wick_test::expect_error<CsvError>([&] { write_csv("/dev/full", t); }, "wick.csv.E410", "", "room").ok);
  CsvTable bad;
  bad.add("x", Tensor{1, 2});
  CHECK(wick_test::expect_error<CsvError>([&] { bad.add("y", Tensor{1, 2, 3}); }, "wick.csv.E411", "", "one value a row").ok);
  CHECK(wick_test::expect_error<CsvError>([&] { bad.add("y", 1.0); }, "wick.csv.E411", "", "one value a row").ok);
  CHECK(wick_test::expect_error<CsvError>([&] { bad.add("y", S{"a"}); }, "wick.csv.E411", "", "one value a row").ok);
  CHECK(wick_test::expect_error<CsvError>([&] { bad.add("y", Tensor{1, 2}, Tensor{1}); }, "wick.csv.E411", "", "one value a row").ok);
  CHECK(wick_test::expect_error<CsvError>([&] { bad.add("x", Tensor{1, 2}); }, "wick.csv.E405", "", "own name").ok);
  CHECK(bad.columns() == 1);
  CHECK(wick_test::expect_error<CsvError>([&] { return CsvTable().add("t", S{"x"})["t"]; }, "wick.csv.E407", "", "codes").ok);
}
