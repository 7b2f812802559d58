/// \file
/// A progress line for long runs, silent where nobody watches.
#pragma once

#include <cmath>
#include <cstdio>
#include <ctime>

#include <wick/core/error.hpp>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace wick::inline WICK_ABI::detail {

/// "step 1200/5000  loss 31.42  8123 it/s  ETA 0:03" into `out`, cut off where it has no room; returns its length.
WICK_COLD inline int format_progress(char* out, std::size_t room, Index done, Index all, double loss, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const double seconds_left = rate > 0 ? static_cast<double>(all - done) / rate + 0.5 : 0;
  const long left = seconds_left < 3.6e9 ? static_cast<long>(seconds_left) : 3600000000L;
  char eta[32];
  if (left < 3600)
    std::snprintf(eta, sizeof eta, "%ld:%02ld", left / 60, left % 60);
  else
    std::snprintf(eta, sizeof eta, "%ld:%02ld:%02ld", left / 3600, left / 60 % 60, left % 60);
  const int length = std::snprintf(out, room, std::abs(loss) < 1e7 ? "step %lld/%lld  loss %.2f  %.*f it/s  ETA %s" : "step %lld/%lld  loss %.6g  %.*f it/s  ETA %s",
                                   static_cast<long long>(done), static_cast<long long>(all), loss, rate < 10 ? 2 : 0, rate, eta);
  return length < static_cast<int>(room) ? length : static_cast<int>(room) - 1;
}

/// Writes `format_progress` over itself on standard error, at most ten times a second, if that is a terminal.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted) {
#if defined(__unix__) || defined(__APPLE__)
    shown_ = wanted && isatty(2) != 0;
#else
    static_cast<void>(wanted);
#endif
    if (shown_) begin_ = last_ = now();
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (wrote_) std::fputc('\n', stderr);
  }
  void update(Index done, Index all, double loss) {
    if (WICK_UNLIKELY(shown_ && (done >= next_ || done == all))) write(done, all, loss);
  }

 private:
  /// Seconds; not <chrono>, which costs half a second of compile time.
  static double now() noexcept {
    std::timespec t{};
    std::timespec_get(&t, TIME_UTC);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }
  WICK_COLD void write(Index done, Index all, double loss) {
    const double time = now();
    const double seconds = time - begin_;
    // The clock is read some fifty times a second, however fast the steps are.
    next_ = done + 1 + static_cast<Index>(seconds > 0 ? 0.02 * static_cast<double>(done) / seconds : 0);
    if (done != all && time - last_ < 0.1) return;
    last_ = time;
    wrote_ = true;
    char line[160];
    format_progress(line, sizeof line, done, all, loss, seconds);
    std::fprintf(stderr, "\r%s   ", line);
    std::fflush(stderr);
  }
  bool shown_ = false, wrote_ = false;
  Index next_ = 0;
  double begin_ = 0, last_ = 0;
};

}  // namespace wick::inline WICK_ABI::detail
