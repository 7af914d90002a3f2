#!/usr/bin/env bash
# Builds the operators with their CUDA kernels and tests or measures them. Needs a Hopper GPU, nvcc,
# a C++ compiler, CMake, Ninja and a Python with torch; nothing is downloaded.
#   gpu.sh build
#   gpu.sh test [FOLDER]    counts by file as JSON in FOLDER, default bench/results
#   gpu.sh sanitize [FOLDER]   a sample of the tests under compute-sanitizer's memcheck and racecheck
#   gpu.sh bench [FOLDER] [NAME...]   the results as JSON in FOLDER, default bench/results; NAMEs of
#                                     bench/gpu_NAME.py, default all
# PYTHON names the interpreter (default: .venv's, else python3).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-}
[ -n "$python" ] || { [ -x .venv/bin/python ] && python=.venv/bin/python; } || python=python3

build() {
  local torch compiler
  torch=$("$python" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parent)')
  # A compiler with its own libstdc++ inside would make the operators' exceptions crash.
  compiler=${CXX:-/usr/bin/g++}
  cmake --preset gpu -DLOWP_TORCH_ROOT="$torch" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CUDA_HOST_COMPILER="$compiler"
  cmake --build --preset gpu -j "$(nproc)"
}

export PYTHONPATH=python LOWP_LIBRARY=build/gpu/src/ops
case "${1:-}" in
  build) build ;;
  test)
    build
    "$python" scripts/gpu_tests.py --out "${2:-bench/results}"
    ;;
  sanitize)
    build
    for tool in memcheck racecheck; do
      "$python" scripts/gpu_tests.py --out "${2:-bench/results}" --sanitize "$tool"
    done
    ;;
  bench)
    build
    folder=${2:-bench/results}
    for script in bench/gpu_*.py; do
      name=$(basename "$script" .py)
      [ "$name" = gpu_common ] && continue
      [ $# -le 2 ] || [[ " ${*:3} " == *" ${name#gpu_} "* ]] || continue
      "$python" "$script" --out "$folder/$name.json"
    done
    ;;
  *)
    sed -n '2,10s/^# \?//p' "$0"
    exit 2
    ;;
esac
