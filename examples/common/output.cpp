#include "output.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace example {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.10g", value);
  return buffer;
}

/// The script that draws every picture twice; each has a file of its own, so that it can be changed and drawn by hand.
std::string script_for(const std::vector<Picture>& list) {
  const struct {
    std::string extension, terminal, font;
  } formats[] = {{"svg", "svg", "DejaVu Sans,Arial,sans-serif,13"}, {"png", "pngcairo", "DejaVu Sans,10"}};
  std::string text = "set encoding utf8\n";
  for (const Picture& p : list)
    for (const auto& format : formats)
      text += "reset\nset terminal " + format.terminal + " size " + std::to_string(p.width) + "," +
              std::to_string(p.height) + " noenhanced background 'white' font '" + format.font + "'\nset output '" +
              p.name + "." + format.extension + "'\nload '" + p.name + ".gp'\n";
  return text + "unset output\n";
}

bool has_gnuplot() {
#ifdef _WIN32
  return std::system("gnuplot --version >NUL 2>&1") == 0;
#else
  return std::system("gnuplot --version >/dev/null 2>&1") == 0;
#endif
}

}  // namespace

void Summary::add(const std::string& name, std::span<const double> values) {
  if (values.size() == 1) return member(name, number(values[0]));
  std::string list;
  for (const double v : values) list += (list.empty() ? "" : ", ") + number(v);
  member(name, "[" + list + "]");
}
void Summary::add(const std::string& name, const char* text) {
  member(name, std::string("\"").append(text).append("\""));
}
void Summary::member(const std::string& name, const std::string& json) {
  members_ += (members_.empty() ? "  \"" : ",\n  \"") + name + "\": " + json;
}

Output::Output(const Options& options) : folder_((std::filesystem::path(options.out) / options.name).string()) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) give_up(options.name + ": cannot make the folder " + folder_ + ": " + error.message());
}

void Output::csv(const std::string& name, const char* header, std::initializer_list<std::span<const double>> columns,
                 std::size_t block) const {
  std::string text = std::string(header) + "\n";
  char cell[40];
  for (std::size_t row = 0; row < columns.begin()->size(); ++row) {
    if (block != 0 && row != 0 && row % block == 0) text += '\n';
    const char* separator = "";
    for (const auto& column : columns) {
      std::snprintf(cell, sizeof cell, "%s%.8g", separator, column[row]);
      text += cell;
      separator = ",";
    }
    text += '\n';
  }
  write(name, text);
}

void Output::pictures(const std::vector<Picture>& list) const {
  for (const Picture& p : list) write(p.name + ".gp", p.script);
  write("pictures.gp", script_for(list));
  if (!has_gnuplot()) {
    std::printf("No pictures: there is no gnuplot here. With one: cd %s && gnuplot pictures.gp\n", folder_.c_str());
    return;
  }
  // From inside the folder, so that no path has to be quoted for the shell and for gnuplot.
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  const int status = std::system("gnuplot pictures.gp");
  std::filesystem::current_path(before);
  std::printf(status == 0 ? "Pictures: %s\n" : "gnuplot failed in %s\n", folder_.c_str());
}

void Output::summary(const Summary& s) const {
  write("summary.json", s.json());
  std::printf("Numbers: %s\n", folder_.c_str());
}

void Output::write(const std::string& name, const std::string& text) const {
  const std::string path = (std::filesystem::path(folder_) / name).string();
  std::FILE* file = std::fopen(path.c_str(), "w");
  const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file == nullptr || std::fclose(file) != 0 || !written) give_up("cannot write " + path);
}

}  // namespace example
