/// \file
/// What an example leaves in its folder: CSV files, pictures that gnuplot makes from them, and summary.json.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "options.hpp"

namespace example {

/// The final figures of a run by name, as JSON: numbers, lists of numbers and texts.
class Summary {
 public:
  /// One value is written as a number, several as a list. What JSON cannot hold (NaN, infinity) becomes null.
  void add(const std::string& name, std::span<const double> values);
  void add(const std::string& name, double value) { add(name, std::span(&value, 1)); }
  void add(const std::string& name, const char* text);
  std::string json() const { return "{\n" + members_ + "\n}\n"; }

 private:
  void member(const std::string& name, const std::string& json);
  std::string members_;
};

/// A picture: what gnuplot is told to draw, from the CSV files beside it.
struct Picture {
  std::string name;
  int width, height;  ///< in pixels
  std::string script;
};

/// The folder of one run. A file that cannot be written ends the program with a message.
class Output {
 public:
  explicit Output(const Options& options);

  /// Columns under a header line. With `block`, an empty line follows every so many rows: gnuplot's form of a grid.
  void csv(const std::string& name, const char* header, std::initializer_list<std::span<const double>> columns,
           std::size_t block = 0) const;
  /// Each picture as SVG and PNG, if there is a gnuplot; its script is left beside the data in any case.
  void pictures(const std::vector<Picture>& list) const;
  void summary(const Summary& s) const;

 private:
  void write(const std::string& name, const std::string& text) const;
  std::string folder_;
};

}  // namespace example
