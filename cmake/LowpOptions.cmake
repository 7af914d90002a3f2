# Compiler flags, shared by every target of this project and never exported to a user's.
include(GNUInstallDirs)

add_library(lowp_flags INTERFACE)
target_compile_options(lowp_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
if(LOWP_DEVELOPER)
  target_compile_options(lowp_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_include_directories(
  lowp_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

if(LOWP_SANITIZE)
  add_compile_options(-fsanitize=${LOWP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LOWP_SANITIZE})
  # Instrumented code trips it within std::regex and std::function (GCC bug 105562).
  add_compile_options(-Wno-maybe-uninitialized)
endif()

# ccache makes a second build directory cheap; nothing depends on it.
find_program(LOWP_CCACHE ccache)
if(LOWP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LOWP_CCACHE})
endif()

# With both a test's unit compiles in half of the time; what it tests is in the libraries.
set(LOWP_TEST_OPTIMIZATION $<$<CONFIG:Release,RelWithDebInfo>:-O1>)

# The program that holds the precompiled header of every lowp_test.
function(lowp_test_header)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/header.cpp CONTENT "")
  add_executable(lowp_test_header ${CMAKE_CURRENT_BINARY_DIR}/header.cpp)
  target_link_libraries(lowp_test_header PRIVATE lowp_flags GTest::gmock GTest::gtest_main)
  target_compile_options(lowp_test_header PRIVATE ${LOWP_TEST_OPTIMIZATION})
  target_precompile_headers(lowp_test_header PRIVATE <gmock/gmock.h>)
endfunction()

# lowp_test(name source... LIBRARIES ...): one GoogleTest program, registered with CTest.
function(lowp_test name)
  cmake_parse_arguments(arg "" "" "LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE lowp_flags ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${LOWP_TEST_OPTIMIZATION})
  target_precompile_headers(${name} REUSE_FROM lowp_test_header)
  add_test(NAME ${name} COMMAND ${name})
  if(arg_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}")
  endif()
endfunction()
