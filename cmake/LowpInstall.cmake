# cmake --install: find_package(lowp) with a target for each layer, the command, the Python package.
#
#   bin/lowp                     the command; it loads lib/liblowp_commands.so for eval and generate
#   lib                          one library a layer
#   lib/cmake/lowp               the package
#   lib/lowp/python              for PYTHONPATH
#   include/lowp                 the C++ API
#   include/lowp/internal        headers of the layers without torch
#
# Libraries find each other beside themselves, and torch where it was when they were built.
if(LOWP_OPS_ONLY)
  return()
endif()
include(CMakePackageConfigHelpers)
get_filename_component(torch_lib_dir "${LibTorch_torch_cpu_LIBRARY}" DIRECTORY)
set(package_dir lib/cmake/lowp)

# lowp_install(SET target...): the targets become lowp::NAME of one export set.
function(lowp_install set)
  foreach(target ${ARGN})
    string(REPLACE "lowp_" "" name ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL SHARED_LIBRARY)
      set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN;${torch_lib_dir}")
    endif()
  endforeach()
  install(
    TARGETS ${ARGN}
    EXPORT ${set}
    ARCHIVE DESTINATION lib
    LIBRARY DESTINATION lib)
  install(
    EXPORT ${set}
    NAMESPACE lowp::
    DESTINATION ${package_dir})
endfunction()

# The layers in three sets: what needs fmt and JSON, what needs PCRE2 too, what needs torch.
lowp_install(lowpCoreTargets lowp_formats lowp_kernels lowp_schemes lowp_checkpoint)
lowp_install(lowpTokenizerTargets lowp_tokenizer)
if(LOWP_TORCH)
  lowp_install(lowpTorchTargets lowp_ops lowp)
  foreach(plugin lowp_commands lowp_ops_cuda lowp_cuda)
    if(TARGET ${plugin})
      set_target_properties(${plugin} PROPERTIES INSTALL_RPATH "$ORIGIN;${torch_lib_dir}")
      install(TARGETS ${plugin} LIBRARY DESTINATION lib)
    endif()
  endforeach()
  install(DIRECTORY python/lowp DESTINATION lib/lowp/python PATTERN __pycache__ EXCLUDE)
endif()

set_target_properties(lowp_command PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS lowp_command RUNTIME DESTINATION bin)

install(DIRECTORY include/lowp DESTINATION include)
foreach(layer formats kernels schemes checkpoint tokenizer)
  install(
    DIRECTORY src/${layer}
    DESTINATION include/lowp/internal
    FILES_MATCHING
    PATTERN "*.h")
endforeach()

get_filename_component(LOWP_BUILT_WITH_TORCH "${LibTorch_INCLUDE_DIR}" DIRECTORY)
configure_package_config_file(
  cmake/lowpConfig.cmake.in ${CMAKE_BINARY_DIR}/lowpConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${CMAKE_BINARY_DIR}/lowpConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/lowpConfig.cmake ${CMAKE_BINARY_DIR}/lowpConfigVersion.cmake
              cmake/FindLibTorch.cmake DESTINATION ${package_dir})
