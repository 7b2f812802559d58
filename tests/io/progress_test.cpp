#include "catch.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include <wick/core/owner.hpp>
#include <wick/io/progress.hpp>

using wick::detail::format_progress;
using wick::detail::ProgressLine;
using wick::detail::Callback;

namespace {

std::string formatted(wick::Index done, wick::Index all, double loss, double seconds) {
  char line[160];
  const int length = format_progress(line, sizeof line, done, all, loss, seconds);
  REQUIRE(length == static_cast<int>(std::string(line).size()));
  return line;
}

/// Standard error goes to `file` while this lives.
class Redirected {
 public:
  explicit Redirected(int file) : before_(dup(2)) {
    std::fflush(stderr);
    dup2(file, 2);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;
  ~Redirected() {
    std::fflush(stderr);
    dup2(before_, 2);
    close(before_);
  }

 private:
  int before_;
};

void run_line(bool wanted, int steps) {
  ProgressLine line(wanted);
  for (int i = 1; i <= steps; ++i) line.update(i, steps, 1.0 / i);
}

}  // namespace

TEST_CASE("progress: numbers of any size fit the line", "[io]") {
  for (const double loss : {1e7, -1e7, 1e200, -1e308, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    for (const wick::Index steps : {wick::Index{1}, std::numeric_limits<wick::Index>::max()})
      for (const double seconds : {1e-300, 1.0, 1e300}) CHECK(formatted(1, steps, loss, seconds).size() < 160);
  CHECK(formatted(1, 2, 1e200, 1.0).find("loss 1e+200") != std::string::npos);
  char small[10];
  CHECK(format_progress(small, sizeof small, 1, 2, 3.0, 1.0) == 9);
}

TEST_CASE("progress: step, loss, rate and remaining time are in the line", "[io]") {
  REQUIRE(formatted(1200, 5000, 31.4159, 0.15) == "step 1200/5000  loss 31.42  8000 it/s  ETA 0:00");
  REQUIRE(formatted(100, 1000, -2.5, 10.0) == "step 100/1000  loss -2.50  10 it/s  ETA 1:30");
  REQUIRE(formatted(3, 100, 7e5, 10.0) == "step 3/100  loss 700000.00  0.30 it/s  ETA 5:23");
  REQUIRE(formatted(1, 10000, 1.0, 1.0) == "step 1/10000  loss 1.00  1.00 it/s  ETA 2:46:39");
  REQUIRE(formatted(5, 5, 1.0, 0.0) == "step 5/5  loss 1.00  0.00 it/s  ETA 0:00");
}

TEST_CASE("progress: silent where standard error is no terminal", "[io]") {
  const std::string path = wick_test::scratch_dir() + "/stderr.txt";
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0600);
  REQUIRE(file >= 0);
  {
    const Redirected redirected(file);
    run_line(true, 1000);
  }
  REQUIRE(lseek(file, 0, SEEK_END) == 0);
  close(file);
}

TEST_CASE("progress: a terminal sees the last step and one line; nothing if it is not wanted", "[io]") {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
    WARN("no pseudo-terminal here");
    return;
  }
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  REQUIRE(terminal >= 0);
  fcntl(master, F_SETFL, O_NONBLOCK);
  const auto shown = [&](bool wanted) {
    {
      const Redirected redirected(terminal);
      run_line(wanted, 1000);
    }
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(master, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
    return text;
  };
  REQUIRE(shown(false).empty());
  const std::string text = shown(true);
  REQUIRE(text.find("\rstep 1000/1000  loss 0.00") != std::string::npos);
  REQUIRE(text.find('\n') == text.size() - 1);  // the terminal turns it into "\r\n"
  REQUIRE(text.size() < 10 * 80);               // a short run shows few lines
  close(terminal);
  close(master);
}

TEST_CASE("Callback: owns its callable, copies with it, and takes void for yes", "[io]") {
  Callback<int> none;
  REQUIRE_FALSE(static_cast<bool>(none));
  std::vector<int> seen;
  Callback<int> watcher;
  {
    int limit = 3;
    watcher = [&seen, limit](const int& i) {
      seen.push_back(i);
      return i < limit;
    };
    limit = 0;
  }
  const Callback<int> copy = watcher;
  watcher = Callback<int>();
  REQUIRE_FALSE(static_cast<bool>(watcher));
  REQUIRE(copy(2));
  REQUIRE_FALSE(copy(3));
  Callback<int> silent([&](int i) { seen.push_back(i); });
  REQUIRE(silent(9));
  Callback<int> moved = std::move(silent);
  REQUIRE(moved(8));
  REQUIRE(seen == std::vector<int>{2, 3, 9, 8});
}
