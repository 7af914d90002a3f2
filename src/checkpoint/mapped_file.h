#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace lowp::checkpoint {

// A whole file mapped read-only. Throws lowp::Error that names the file if it cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  // Copies bytes() from `offset` on from the file rather than from the mapping: a stream costs no
  // page faults and leaves nothing in memory (uncached_io.h).
  void read(std::size_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int file_ = -1;
  std::span<const std::byte> bytes_;
};

// Says that `part` of a mapped file is done with: its whole pages leave this process's memory. They
// are read again if they are asked for.
void release_pages(std::span<const std::byte> part);

}  // namespace lowp::checkpoint
