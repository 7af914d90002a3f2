#include "cli/torch_commands.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "lowp/error.h"

namespace lowp::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "liblowp_commands.so";

fs::path library_path() {
  const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path();
  for (const fs::path& candidate : {folder / kLibrary, folder.parent_path() / "lib" / kLibrary}) {
    if (fs::exists(candidate)) return candidate;
  }
  throw Error(
      fmt::format("[torch] {} is neither in '{}' nor in its ../lib: this lowp was built "
                  "without torch",
                  kLibrary, folder.string()));
}

void* load_library() {
  const fs::path path = library_path();
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    throw Error(fmt::format("[torch] cannot load '{}': {}", path.string(), ::dlerror()));
  }
  return library;
}

}  // namespace

void* torch_command(const char* symbol) {
  static void* library = load_library();
  void* address = ::dlsym(library, symbol);
  if (address == nullptr) {
    throw Error(fmt::format("[torch] {} has no function '{}'", kLibrary, symbol));
  }
  return address;
}

}  // namespace lowp::cli
