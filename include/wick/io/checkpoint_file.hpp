/// \file
/// Files that are there whole or not at all: a checkpoint's frame, written beside the old file and put in its place.
#pragma once

#include <cerrno>
#include <cstdio>
#include <string>

#include <wick/core/bytes.hpp>
#include <wick/core/error.hpp>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace wick::inline WICK_ABI {

/// An error about a checkpoint.
class CheckpointError : public DomainError {
 public:
  WICK_COLD CheckpointError(std::string_view id, detail::Text text, detail::Text tries, std::string_view file)
      : DomainError(id, "", std::move(text), std::move(tries)), file_(file) {}
  std::string_view file() const noexcept { return file_; }

 private:
  detail::Text file_;
};

namespace detail {

[[noreturn]] WICK_COLD inline void raise_checkpoint(const char* id, std::string_view file, Parts text, Parts tries) {
  Text message;
  message.add({"\"", file, "\": "}).add(text);
  throw CheckpointError(id, std::move(message), join(tries), file);
}

/// What each byte does to it.
struct Crc64Table {
  std::uint64_t t[256]{};
  constexpr Crc64Table() {
    for (std::uint64_t i = 0; i < 256; ++i) {
      std::uint64_t x = i;
      for (int k = 0; k < 8; ++k) x = (x & 1) != 0 ? (x >> 1) ^ 0xC96C5795D7870F42u : x >> 1;
      t[i] = x;
    }
  }
};
inline constexpr Crc64Table crc64_table{};

/// CRC-64 with the polynomial of ECMA-182, bits reflected, as the file format XZ uses it.
class Crc64 {
 public:
  void add(const unsigned char* p, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) state_ = crc64_table.t[(state_ ^ p[i]) & 0xFFu] ^ (state_ >> 8);
  }
  std::uint64_t value() const noexcept { return ~state_; }

 private:
  std::uint64_t state_ = ~std::uint64_t{0};
};

/// The calls to the system that write a file, so that tests can let them fail. Each returns whether it worked.
struct SystemFiles {
#if defined(__unix__) || defined(__APPLE__)
  bool open(const char* path) { return (file_ = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) >= 0; }
  bool write(const unsigned char* p, std::size_t n) {
    while (n > 0) {
      const ssize_t done = ::write(file_, p, n);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      p += done;
      n -= static_cast<std::size_t>(done);
    }
    return true;
  }
  bool sync() { return ::fsync(file_) == 0 || errno == EINVAL; }
  bool close() { return ::close(std::exchange(file_, -1)) == 0; }
  bool rename(const char* from, const char* to) { return ::rename(from, to) == 0; }
  /// The new name is on the disk too; not all file systems can say so.
  void sync_folder(const char* folder) {
    const int f = ::open(folder, O_RDONLY | O_CLOEXEC);
    if (f < 0) return;
    ::fsync(f);
    ::close(f);
  }
  bool is_open() const noexcept { return file_ >= 0; }

 private:
  int file_ = -1;
#else
  bool open(const char* path) { return (file_ = std::fopen(path, "wb")) != nullptr; }
  bool write(const unsigned char* p, std::size_t n) { return std::fwrite(p, 1, n, file_) == n; }
  bool sync() { return std::fflush(file_) == 0; }
  bool close() { return std::fclose(std::exchange(file_, nullptr)) == 0; }
  bool rename(const char* from, const char* to) { return std::remove(to), std::rename(from, to) == 0; }
  void sync_folder(const char*) {}
  bool is_open() const noexcept { return file_ != nullptr; }

 private:
  std::FILE* file_ = nullptr;
#endif
};

/// The file behind a path that may be a link; refuses what is there and is no ordinary file, which a rename would replace.
WICK_COLD inline std::string checkpoint_target(const std::string& path) {
#if defined(__unix__) || defined(__APPLE__)
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return path;
  if (!S_ISREG(info.st_mode)) raise_checkpoint("wick.checkpoint.E630", path, {"cannot be written: it is there, and no ordinary file"}, {"give the path of a file"});
  if (char* real = ::realpath(path.c_str(), nullptr)) {
    std::string out(real);
    std::free(real);
    return out;
  }
#endif
  return path;
}

inline constexpr unsigned char checkpoint_magic[8] = {0x89, 'w', 'i', 'c', 'k', 'c', 'p', '\n'};
inline constexpr std::uint64_t checkpoint_version = 1;

/// Puts a checkpoint with this content in the place of whatever file is at `path`; until the last moment the old one is there, whole.
///
/// Frame: 8 bytes that say what it is, version, length of the content, the content, CRC-64 of all before.
/// Throws wick.checkpoint.E630, and then the old file is as it was.
template <class Files>
void write_checkpoint_file(Files& files, const std::string& path, const ByteWriter& content) {
  ByteWriter head, tail;
  head.raw(checkpoint_magic, sizeof checkpoint_magic);
  head.count(checkpoint_version);
  head.count(content.size());
  Crc64 sum;
  sum.add(head.data(), head.size());
  sum.add(content.data(), content.size());
  tail.count(sum.value());

  const std::string target = checkpoint_target(path), fresh = target + ".new";
  const std::size_t slash = target.rfind('/');
  const char* failed = nullptr;
  if (!files.open(fresh.c_str()))
    failed = "made";
  else if (!files.write(head.data(), head.size()) || !files.write(content.data(), content.size()) || !files.write(tail.data(), tail.size()) || !files.sync())
    failed = "written";
  int reason = errno;
  if (files.is_open() && !files.close() && failed == nullptr) failed = "closed", reason = errno;
  if (failed == nullptr && !files.rename(fresh.c_str(), target.c_str())) failed = "renamed", reason = errno;
  if (failed != nullptr) {
    std::remove(fresh.c_str());
    raise_checkpoint("wick.checkpoint.E630", path, {"cannot be written: \"", std::string_view(fresh), "\" cannot be ", failed, " (", std::strerror(reason), ")"},
                     {"check that its folder exists, may be written to, and has room"});
  }
  files.sync_folder(slash == std::string::npos ? "." : slash == 0 ? "/" : target.substr(0, slash).c_str());
}

/// A checkpoint's bytes.
class CheckpointFile {
 public:
  /// Reads and checks it. Throws wick.checkpoint.E631 (no such file), E632 (cut short, or none), E633 (version), E634 (checksum).
  WICK_COLD explicit CheckpointFile(const std::string& path) {
    std::FILE* f = std::fopen(path.c_str(), "rb");
    bool read = f != nullptr;
    for (std::size_t got = 1; read && got > 0;) {
      const std::size_t at = bytes_.size();
      bytes_.resize(at + 65536);
      got = std::fread(bytes_.data() + at, 1, 65536, f);
      bytes_.truncate(at + got);
      read = std::ferror(f) == 0;
    }
    const int reason = errno;
    if (f != nullptr) std::fclose(f);
    if (!read) raise_checkpoint("wick.checkpoint.E631", path, {"cannot be read (", std::strerror(reason), ")"}, {"check the path; save_checkpoint makes such a file"});
    check(path);
  }
  ByteReader content() const noexcept { return ByteReader(bytes_.data() + 24, bytes_.size() - 32); }

 private:
  void check(std::string_view path) const {
    const std::size_t n = bytes_.size(), compared = n < sizeof checkpoint_magic ? n : sizeof checkpoint_magic;
    if (n > 0 && std::memcmp(bytes_.data(), checkpoint_magic, compared) != 0) raise_checkpoint("wick.checkpoint.E632", path, {"is no checkpoint of wick"}, {"give the path of a file that save_checkpoint made"});
    const auto cut = [&](std::uint64_t wanted) {
      raise_checkpoint("wick.checkpoint.E632", path, {"has ", static_cast<Index>(n), " bytes, it should have ", static_cast<Index>(wanted), n < wanted ? ": it is cut short" : ""},
                       {"copy the file again, or go back to an older one"});
    };
    if (n < 32) cut(32);
    ByteReader head(bytes_.data() + 8, 16);
    const std::uint64_t version = head.count(), size = head.count();
    if (version != checkpoint_version)
      raise_checkpoint("wick.checkpoint.E633", path, {"has version ", static_cast<Index>(version), " of the format, this program reads version ", static_cast<Index>(checkpoint_version)},
                       {"load it with the version of wick that saved it"});
    if (size != n - 32) cut(size + 32);
    Crc64 sum;
    sum.add(bytes_.data(), n - 8);
    if (sum.value() != ByteReader(bytes_.data() + (n - 8), 8).count())
      raise_checkpoint("wick.checkpoint.E634", path, {"is damaged: its checksum does not fit its content"}, {"copy the file again, or go back to an older one"});
  }
  List<unsigned char> bytes_;
};

}  // namespace detail
}  // namespace wick::inline WICK_ABI
