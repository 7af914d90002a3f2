# Sets LOWP_CUDA_FOUND and enables the CUDA language, by LOWP_CUDA: AUTO if there is an nvcc, ON or it is an
# error, OFF. Looks on PATH, then in the virtual environment, where `make CUDA=1` puts the compiler.
set(LOWP_CUDA_FOUND OFF)
if(LOWP_CUDA STREQUAL "OFF")
  return()
endif()

file(GLOB venv_cuda ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/nvidia/cu13/bin)
find_program(LOWP_NVCC nvcc HINTS ENV PATH PATHS ${venv_cuda} /usr/local/cuda/bin)
if(NOT LOWP_NVCC)
  if(LOWP_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LOWP_CUDA=ON but there is no nvcc: `make CUDA=1` installs one")
  endif()
  return()
endif()

if(NOT TARGET LibTorch::cuda)
  if(LOWP_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LOWP_CUDA=ON but this libtorch has no libtorch_cuda")
  endif()
  return()
endif()

set(LOWP_CUDA_FOUND ON)
set(CMAKE_CUDA_COMPILER ${LOWP_NVCC})
set(CMAKE_CUDA_ARCHITECTURES OFF) # each target names its own: sm_90a is not one of CMake's
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
# CMake 3.25.1, Debian 12's, does not know that nvcc has C++20.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
