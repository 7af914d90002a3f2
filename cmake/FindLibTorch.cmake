# Finds libtorch without its own TorchConfig.cmake: that of the PyPI wheel, a CUDA build, insists on
# a CUDA toolkit even where only the CPU libraries are wanted.
#
# Looks in LOWP_TORCH_ROOT, the project's virtual environment, CMAKE_PREFIX_PATH. Gives
#   LibTorch::cpu    libtorch_cpu and libc10, which hold the C++ API and the Stable ABI
#   LibTorch::cuda   libtorch_cuda, of a CUDA build alone; LibTorch::c10_cuda beside it
# libtorch.so of a CUDA wheel is left out: it does nothing but load libtorch_cuda and some 2 GB of
# CUDA libraries behind it, which a CPU program need not wait for.
file(GLOB venv_torch ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
set(LOWP_TORCH_ROOT "" CACHE PATH "A libtorch folder: holds include/ and lib/")
find_path(
  LibTorch_INCLUDE_DIR torch/csrc/stable/library.h
  HINTS ${LOWP_TORCH_ROOT} ${venv_torch}
  PATH_SUFFIXES include)
get_filename_component(libtorch_root "${LibTorch_INCLUDE_DIR}" DIRECTORY)
foreach(lib torch_cpu c10 torch_cuda c10_cuda)
  find_library(
    LibTorch_${lib}_LIBRARY ${lib}
    HINTS ${libtorch_root}
    PATH_SUFFIXES lib)
endforeach()

if(LibTorch_INCLUDE_DIR)
  file(STRINGS ${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h version_lines
       REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "[^0-9;]" "" LibTorch_VERSION "${version_lines}")
  string(REPLACE ";" "." LibTorch_VERSION "${LibTorch_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch
  REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LibTorch_c10_LIBRARY})
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(
    LibTorch::cpu
    PROPERTIES IMPORTED_LOCATION ${LibTorch_torch_cpu_LIBRARY}
               INTERFACE_INCLUDE_DIRECTORIES
               "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
               INTERFACE_LINK_LIBRARIES LibTorch::c10)
  # The wheel's libtorch_cpu finds CUDA's runtime through its own rpath: the linker need not.
  set_property(TARGET LibTorch::cpu PROPERTY INTERFACE_LINK_OPTIONS LINKER:--allow-shlib-undefined)

  if(LibTorch_torch_cuda_LIBRARY)
    add_library(LibTorch::cuda SHARED IMPORTED)
    set_target_properties(
      LibTorch::cuda PROPERTIES IMPORTED_LOCATION ${LibTorch_torch_cuda_LIBRARY}
                                INTERFACE_LINK_OPTIONS LINKER:--allow-shlib-undefined)
    add_library(LibTorch::c10_cuda SHARED IMPORTED)
    set_target_properties(LibTorch::c10_cuda PROPERTIES IMPORTED_LOCATION
                                                        ${LibTorch_c10_cuda_LIBRARY})
  endif()
endif()
