#include "checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "checkpoint/uncached_io.h"
#include "lowp/error.h"

namespace lowp::checkpoint {
namespace {

[[noreturn]] void fail(std::string_view action, const std::filesystem::path& path) {
  const int error = errno;
  throw Error(
      fmt::format("[write] cannot {} '{}': {}", action, path.string(), std::strerror(error)));
}

// A file under a temporary name in the folder of its final one.
class PartialFile {
 public:
  explicit PartialFile(const std::filesystem::path& path)
      : path_(path),
        partial_(path.parent_path() / fmt::format(".{}.partial", path.filename().string())) {
    file_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file_ < 0) fail("create", partial_);
  }
  ~PartialFile() {
    if (file_ >= 0) ::close(file_);
    if (!committed_) ::unlink(partial_.c_str());
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  void resize(std::uint64_t size) {
    if (::ftruncate(file_, static_cast<off_t>(size)) != 0) fail("set the size of", partial_);
  }

  void write(std::uint64_t offset, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const char*>(data);
    while (size != 0) {
      const ssize_t written = write_uncached(file_, bytes, size, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write", partial_);
      bytes += written;
      offset += static_cast<std::uint64_t>(written);
      size -= static_cast<std::size_t>(written);
    }
  }

  void commit() {
    if (::fsync(file_) != 0) fail("make durable", partial_);
    if (::close(std::exchange(file_, -1)) != 0) fail("close", partial_);
    if (::rename(partial_.c_str(), path_.c_str()) != 0) fail("rename to", path_);
    committed_ = true;
    sync_folder();
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  // The new name itself is durable only once its folder is.
  void sync_folder() const {
    const auto folder = path_.parent_path().empty() ? "." : path_.parent_path();
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);  // some file systems cannot; the rename is still atomic
    ::close(descriptor);
  }

  std::filesystem::path path_;
  std::filesystem::path partial_;
  int file_ = -1;
  bool committed_ = false;
};

}  // namespace

struct SafetensorsWriter::State {
  State(const std::filesystem::path& path, SafetensorsLayout the_layout)
      : file(path), layout(std::move(the_layout)), written(layout.tensors.size()) {
    for (std::size_t i = 0; i < layout.tensors.size(); ++i) {
      index.emplace(layout.tensors[i].spec.name, i);
    }
  }

  PartialFile file;
  SafetensorsLayout layout;
  std::unordered_map<std::string_view, std::size_t> index;  // views of the layout's names
  std::vector<std::atomic<std::uint64_t>> written;          // bytes of each tensor
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<TensorSpec> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : state_(std::make_unique<State>(path, layout_safetensors(std::move(tensors), metadata))) {
  state_->file.resize(state_->layout.file_size);
  state_->file.write(0, state_->layout.header.data(), state_->layout.header.size());
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> data) {
  write_at(name, 0, data);
}

void SafetensorsWriter::write_at(std::string_view name, std::uint64_t offset,
                                 std::span<const std::byte> data) {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) {
    throw Error(fmt::format("[write safetensors] '{}' has no tensor '{}'", path().string(), name));
  }
  const TensorEntry& entry = state_->layout.tensors[found->second];
  const std::uint64_t size = entry.end - entry.begin;
  if (offset > size || data.size() > size - offset) {
    throw Error(fmt::format("[write safetensors] {} bytes at {} leave tensor '{}' of {} bytes",
                            data.size(), offset, name, size));
  }
  state_->file.write(state_->layout.header.size() + entry.begin + offset, data.data(), data.size());
  state_->written[found->second] += data.size();
}

void SafetensorsWriter::commit() {
  for (std::size_t i = 0; i < state_->written.size(); ++i) {
    const TensorEntry& entry = state_->layout.tensors[i];
    if (state_->written[i] != entry.end - entry.begin) {
      throw Error(fmt::format(
          "[write safetensors] tensor '{}' of '{}' is incomplete, got {} bytes, "
          "expected {}",
          entry.spec.name, path().string(), state_->written[i].load(), entry.end - entry.begin));
    }
  }
  state_->file.commit();
}

const std::filesystem::path& SafetensorsWriter::path() const { return state_->file.path(); }

std::uint64_t SafetensorsWriter::file_size() const { return state_->layout.file_size; }

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  PartialFile file(path);
  file.write(0, text.data(), text.size());
  file.commit();
}

}  // namespace lowp::checkpoint
