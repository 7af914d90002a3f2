#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"Low-precision training and inference for PyTorch"};
  app.set_version_flag("--version", LOWP_VERSION);
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
