#pragma once

namespace lowp::cli {

// The address of an extern "C" function of liblowp_commands.so: what eval and generate do once
// their options are read. Loads the library, and torch with it, on the first call, from the
// program's folder or ../lib. Throws lowp::Error if it is not there or does not load.
void* torch_command(const char* symbol);

}  // namespace lowp::cli
