#pragma once

#include <cstddef>
#include <cstdint>

namespace lowp::kernels {

// Memory that the calling thread lends to the kernel it runs, until it asks for other: aligned to
// 64 bytes, not cleared, kept for the thread's next kernel. nullptr if there is not so much.
std::byte* thread_workspace(std::int64_t bytes);

}  // namespace lowp::kernels
