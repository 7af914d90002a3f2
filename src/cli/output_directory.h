#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lowp::cli {

// The directory that a command fills with a model. Files that were added are removed again, and the
// directory with them if it is new, unless keep() is reached.
class OutputDirectory {
 public:
  // Makes `path` and its parents. Throws lowp::Error if it holds anything, unless `force`: then the
  // files of the model in it are removed, config.json first, and other files stay.
  OutputDirectory(std::filesystem::path path, bool force);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  // Names a file that is about to be written.
  void add(const std::string& file) { files_.push_back(file); }
  const std::vector<std::string>& files() const { return files_; }
  void keep() { keep_ = true; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> files_;
  bool made_ = false;
  bool keep_ = false;
};

}  // namespace lowp::cli
