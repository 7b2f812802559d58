// Checkpoint files: whole at every moment, refused when they are not.
#include "catch.hpp"

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <wick/io/checkpoint_file.hpp>

#include "support/errors.hpp"
#include "support/stat.hpp"

using namespace wick;
using namespace wick_test;
using detail::ByteReader;
using detail::ByteWriter;
using detail::CheckpointFile;
using detail::SystemFiles;
using detail::write_checkpoint_file;

namespace {

std::string scratch(const char* name) { return scratch_dir() + "/" + name; }
std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// A content that says which it is: `n` words that are all `which`.
ByteWriter content(std::uint64_t which, std::size_t n) {
  ByteWriter out;
  for (std::size_t i = 0; i < n; ++i) out.count(which);
  return out;
}
/// Which content a file has; it must be whole.
std::uint64_t which(const std::string& path) {
  const CheckpointFile file(path);
  ByteReader in = file.content();
  const std::uint64_t first = in.count();
  bool same = true;
  while (in.left() > 0) same = in.count() == first && same;
  REQUIRE((same && !in.failed()));
  return first;
}

/// Numbers below `n` from a seed.
struct Random {
  std::uint64_t state;
  std::size_t below(std::size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % n);
  }
};

/// The process dies, or the system refuses, at one of its calls; a write may be done in part.
struct Killed {};
struct FailingFiles : SystemFiles {
  int calls_left;
  std::size_t bytes_left;
  bool dies;
  FailingFiles(int calls, std::size_t bytes, bool d) : calls_left(calls), bytes_left(bytes), dies(d) {}
  bool stops() {
    if (calls_left-- > 0) return false;
    if (dies) throw Killed();
    errno = EIO;
    return true;
  }
  bool open(const char* path) { return !stops() && SystemFiles::open(path); }
  bool write(const unsigned char* p, std::size_t n) {
    if (n <= bytes_left) {
      bytes_left -= n;
      return !stops() && SystemFiles::write(p, n);
    }
    SystemFiles::write(p, bytes_left);
    if (dies) throw Killed();
    errno = ENOSPC;
    return false;
  }
  bool sync() { return !stops() && SystemFiles::sync(); }
  bool close() { return SystemFiles::close() && !stops(); }
  bool rename(const char* from, const char* to) { return !stops() && SystemFiles::rename(from, to); }
  ~FailingFiles() {
    if (is_open()) SystemFiles::close();
  }
};

template <class Call>
void refused(Call call, const char* id, const std::string& says, const std::string& path) {
  const ErrorReport report = expect_error<CheckpointError>(call, id, "", "");
  INFO(report.text << report.message);
  REQUIRE(report.ok);
  REQUIRE(report.message.find('"' + path + '"') != std::string::npos);
  REQUIRE(report.message.find(says) != std::string::npos);
}

}  // namespace

TEST_CASE("checkpoint file: the old one or the new one is there whole after a kill at 200 random moments", "[io][checkpoint]") {
  const std::string path = scratch("kill.wick");
  SystemFiles files;
  write_checkpoint_file(files, path, content(1000, 40));
  Random random{seed_of("checkpoint file: kill")};
  std::uint64_t now = 1000;
  int replaced = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const ByteWriter next = content(i, 1 + random.below(300));
    // Half of the moments are before a call, half within a write.
    FailingFiles dying(i % 2 == 0 ? static_cast<int>(random.below(8)) : 99, i % 2 == 0 ? ~std::size_t{0} : random.below(next.size() + 32), true);
    try {
      write_checkpoint_file(dying, path, next);
      now = i;
    } catch (const Killed&) {
    }
    const std::uint64_t there = which(path);
    REQUIRE((there == now || there == i));  // died between the renaming and the return
    if (there == i) ++replaced;
    now = there;
  }
  REQUIRE(replaced > 5);
  REQUIRE(replaced < 60);
  write_checkpoint_file(files, path, content(7, 3));  // what a dead process left behind is no hindrance
  REQUIRE(which(path) == 7);
  REQUIRE(!std::filesystem::exists(path + ".new"));
}

TEST_CASE("checkpoint file: a killed process leaves a whole file", "[io][checkpoint]") {
  const std::string path = scratch("process.wick");
  SystemFiles files;
  write_checkpoint_file(files, path, content(0, 10));
  Random random{seed_of("checkpoint file: process")};
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::uint64_t k = 1;; ++k) write_checkpoint_file(files, path, content(k, 20000));
    }
    ::usleep(static_cast<useconds_t>(random.below(4000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    which(path);
  }
}

TEST_CASE("checkpoint file: what cannot be written is refused, and the old file stays", "[io][checkpoint][errors]") {
  const std::string path = scratch("refused.wick");
  SystemFiles files;
  write_checkpoint_file(files, path, content(1, 10));
  const std::string before = bytes_of(path);
  for (int call = 0; call < 7; ++call) {
    FailingFiles failing(call, ~std::size_t{0}, false);
    refused([&] { write_checkpoint_file(failing, path, content(2, 10)); }, "wick.checkpoint.E630", "cannot be", path);
    REQUIRE(bytes_of(path) == before);
    REQUIRE(!std::filesystem::exists(path + ".new"));
  }
  const std::string nowhere = scratch("no/such/folder/fit.wick"), folder = scratch("folder.wick");
  std::filesystem::create_directory(folder);
  refused([&] { write_checkpoint_file(files, nowhere, content(2, 10)); }, "wick.checkpoint.E630", "No such file", nowhere);
  refused([&] { write_checkpoint_file(files, folder, content(2, 10)); }, "wick.checkpoint.E630", "no ordinary file", folder);
  if (std::filesystem::exists("/dev/full")) {
    refused([&] { write_checkpoint_file(files, "/dev/full", content(2, 10)); }, "wick.checkpoint.E630", "no ordinary file", "/dev/full");
    // A full disk: the new file is that device.
    const std::string full = scratch("full.wick");
    std::filesystem::create_symlink("/dev/full", full + ".new");
    refused([&] { write_checkpoint_file(files, full, content(2, 10)); }, "wick.checkpoint.E630", "No space left", full);
    REQUIRE(!std::filesystem::exists(full));
  }
}

TEST_CASE("checkpoint file: a link stays a link", "[io][checkpoint]") {
  const std::string path = scratch("real.wick"), link = scratch("link.wick");
  SystemFiles files;
  write_checkpoint_file(files, path, content(1, 10));
  std::filesystem::create_symlink(path, link);
  write_checkpoint_file(files, link, content(2, 10));
  REQUIRE(std::filesystem::is_symlink(link));
  REQUIRE(which(path) == 2);
}

TEST_CASE("checkpoint file: what is no whole checkpoint is refused", "[io][checkpoint][errors]") {
  const std::string path = scratch("damaged.wick"), missing = scratch("missing.wick");
  SystemFiles files;
  write_checkpoint_file(files, path, content(77, 6));
  const std::string whole = bytes_of(path);
  REQUIRE(whole.size() == 8 + 8 + 8 + 48 + 8);
  refused([&] { CheckpointFile file(missing); }, "wick.checkpoint.E631", "No such file", missing);
  refused([&] { CheckpointFile file(scratch_dir()); }, "wick.checkpoint.E631", "cannot be read", scratch_dir());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put(path, whole.substr(0, n));
    refused([&] { CheckpointFile file(path); }, "wick.checkpoint.E632", "cut short", path);
  }
  put(path, whole + "x");
  refused([&] { CheckpointFile file(path); }, "wick.checkpoint.E632", "it should have 80", path);
  put(path, "a,b\n1,2\n3,4\n");
  refused([&] { CheckpointFile file(path); }, "wick.checkpoint.E632", "no checkpoint", path);
  std::string other = whole;
  other[8] = 2;
  put(path, other);
  refused([&] { CheckpointFile file(path); }, "wick.checkpoint.E633", "version 2", path);
  for (std::size_t i = 24; i < whole.size(); ++i) {
    std::string bad = whole;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    put(path, bad);
    refused([&] { CheckpointFile file(path); }, "wick.checkpoint.E634", "damaged", path);
  }
  put(path, whole);
  REQUIRE(which(path) == 77);
}

TEST_CASE("checkpoint file: the checksum is that of XZ", "[io][checkpoint]") {
  detail::Crc64 sum;
  sum.add(reinterpret_cast<const unsigned char*>("123456789"), 9);
  REQUIRE(sum.value() == 0x995DC9BBDF1939FAu);  // the check value of CRC-64/XZ
}
