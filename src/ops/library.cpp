#include <torch/csrc/stable/library.h>

// Every operator of the library; each file of this folder defines and implements its own.
STABLE_TORCH_LIBRARY(lowp, library) { (void)library; }
