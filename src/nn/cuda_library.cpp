#include "nn/cuda_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "lowp/cuda.h"
#include "lowp/error.h"

namespace lowp {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOperators = "liblowp_ops_cuda.so";
constexpr const char* kLibrary = "liblowp_cuda.so";

fs::path own_folder() {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<void*>(&load_cuda_operators), &self) == 0) return {};
  return fs::path(self.dli_fname).parent_path();
}

// Beside this library in an installed tree, the operators in ops/ of a build; empty if not there.
fs::path find_library(const char* name) {
  const fs::path folder = own_folder();
  for (const fs::path& path : {folder / name, folder / "ops" / name}) {
    if (fs::exists(path)) return path;
  }
  return {};
}

bool has_driver() {
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return false;
  ::dlclose(driver);
  return true;
}

void* open(const fs::path& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(fmt::format("[cuda] the library cannot be loaded, got '{}', expected '{}'",
                            ::dlerror(), path.string()));
  }
  return library;
}

// Loads the operators; returns what is missing, empty if nothing is.
std::string load() {
  const fs::path path = find_library(kOperators);
  if (path.empty()) {
    return fmt::format("no {} in '{}', expected lowp built with LOWP_CUDA=ON", kOperators,
                       own_folder().string());
  }
  if (!has_driver()) return "no libcuda.so.1, expected a machine with an NVIDIA driver";
  open(path);
  return "";
}

const std::string& missing() {
  static const std::string what = load();
  return what;
}

}  // namespace

bool load_cuda_operators() { return missing().empty(); }

void require_cuda_operators() {
  if (missing().empty()) return;
  throw Error("[cuda] lowp cannot work on CUDA tensors here, got " + missing());
}

void* cuda_function(const char* symbol) {
  require_cuda_operators();
  static void* library = [] {
    const fs::path path = find_library(kLibrary);
    if (path.empty()) {
      throw Error(fmt::format("[cuda] a library is missing, got no {} in '{}', expected it there",
                              kLibrary, own_folder().string()));
    }
    return open(path);
  }();
  void* address = ::dlsym(library, symbol);
  if (address == nullptr) {
    throw Error(fmt::format("[cuda] {} does not fit this library, got no '{}', expected one",
                            kLibrary, symbol));
  }
  return address;
}

}  // namespace lowp
