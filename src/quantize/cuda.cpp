#include "lowp/cuda.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "lowp/error.h"

namespace lowp {
namespace {

namespace fs = std::filesystem;

// Beside this library in an installed tree, in ops/ of a build.
fs::path library_path() {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<void*>(&load_cuda_operators), &self) == 0) return {};
  const fs::path folder = fs::path(self.dli_fname).parent_path();
  for (const char* name : {"liblowp_ops_cuda.so", "ops/liblowp_ops_cuda.so"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  return {};
}

bool has_driver() {
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return false;
  ::dlclose(driver);
  return true;
}

bool load() {
  const fs::path path = library_path();
  if (path.empty() || !has_driver()) return false;
  if (::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    throw Error(fmt::format("[cuda] the CUDA operators cannot be loaded, got '{}', expected '{}'",
                            ::dlerror(), path.string()));
  }
  return true;
}

}  // namespace

bool load_cuda_operators() {
  static const bool loaded = load();
  return loaded;
}

}  // namespace lowp
