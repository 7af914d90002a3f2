// Metadata values of GGUF: checked on opening, turned into JSON when asked for.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

#include "checkpoint/gguf_cursor.h"

namespace lowp::checkpoint {

// The least number of bytes that a value of `type` takes in the file.
std::size_t gguf_value_min_bytes(GgufValueType type);

// Moves the cursor over a value of `type`. Throws lowp::Error for a length beyond the file, a bool
// that is neither 0 nor 1, bytes that are not UTF-8, arrays nested more than 4 deep.
void check_gguf_value(GgufCursor& cursor, GgufValueType type, int depth = 0);

// Reads a value that check_gguf_value has passed. A float becomes the shortest decimal that gives
// the same float, so that 1e-5f reads 1e-05 and not 9.999999747378752e-06.
nlohmann::ordered_json read_gguf_value(GgufCursor& cursor, GgufValueType type);

}  // namespace lowp::checkpoint
