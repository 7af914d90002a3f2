"""Finds and loads the operator libraries."""

import functools
import os
import pathlib

import torch

OPERATORS = "liblowp_ops.so"
CUDA_OPERATORS = "liblowp_ops_cuda.so"


def _folders():
    """Where the libraries may be: an installed tree, then the builds of a source tree."""
    package = pathlib.Path(__file__).resolve().parent
    yield package.parents[2]  # PREFIX/lib of PREFIX/lib/lowp/python/lowp
    for preset in ("release", "gpu", "debug"):
        yield package.parents[1] / "build" / preset / "src" / "ops"


def find_library():
    """Path of the operator library: LOWP_LIBRARY, a file or its folder, or where a build puts it."""
    if given := os.environ.get("LOWP_LIBRARY"):
        path = pathlib.Path(given)
        path = path / OPERATORS if path.is_dir() else path
        if not path.is_file():
            raise ImportError(f"[lowp] LOWP_LIBRARY names no library, got {given}, expected {OPERATORS}")
        return path
    folders = list(_folders())
    for folder in folders:
        if (folder / OPERATORS).is_file():
            return folder / OPERATORS
    looked = ", ".join(map(str, folders))
    raise ImportError(f"[lowp] {OPERATORS} is not built, looked in {looked}; set LOWP_LIBRARY")


@functools.cache
def load_libraries():
    """Loads the operators, and those for CUDA where they were built and a GPU is there."""
    library = find_library()
    torch.ops.load_library(library)
    cuda = library.with_name(CUDA_OPERATORS)
    if cuda.is_file() and torch.cuda.is_available():
        torch.ops.load_library(cuda)
