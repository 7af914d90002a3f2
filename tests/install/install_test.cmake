# cmake -D BUILD= -D PROJECT= -D WORK= -D GENERATOR= -D WITH_TORCH= -D PYTHON= -P install_test.cmake
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message("${output}")
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit code ${code}: ${line}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
# The tree can be moved.
file(RENAME ${WORK}/first ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/build -G ${GENERATOR} -D WITH_TORCH=${WITH_TORCH} -D
    CMAKE_BUILD_TYPE=Release -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/build)

set(ENV{LD_LIBRARY_PATH} "")
run(${WORK}/build/without_torch ${WORK}/weights.safetensors)
run(${WORK}/prefix/bin/lowp --version)
run(${WORK}/prefix/bin/lowp inspect ${WORK}/weights.safetensors)
if(WITH_TORCH)
  # Alone: with_torch has a path of its own to torch.
  run(sh -c "! ldd ${WORK}/prefix/lib/liblowp.so | grep 'not found'")
  run(${WORK}/build/with_torch)
  if(PYTHON)
    set(ENV{PYTHONPATH} ${WORK}/prefix/lib/lowp/python)
    # No semicolon: it would split the argument.
    run(${PYTHON} -c "import lowp\nprint(lowp.__file__, lowp.nn.torch.ops.lowp.quantize_int8)")
  endif()
endif()
