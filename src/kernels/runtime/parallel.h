#pragma once

#include <cstdint>

namespace lowp::kernels {

// How a kernel runs a loop on several threads. Kernels own no threads: the caller passes torch's
// pool, the thread pool below, or nullptr for the calling thread alone.
// `run` calls body(body_context, begin, end) on disjoint ranges that cover [0, count), none of them
// shorter than `grain` but the last, and returns when all are done.
// threads(context): how many threads run it at most, for loops whose ranges should be as long as
// they can be.
struct ParallelFor {
  void* context;
  void (*run)(void* context, std::int64_t count, std::int64_t grain,
              void (*body)(void* body_context, std::int64_t begin, std::int64_t end),
              void* body_context);
  int (*threads)(void* context);
};

inline std::int64_t threads_of(const ParallelFor* parallel) {
  return parallel == nullptr ? 1 : parallel->threads(parallel->context);
}

// Calls body(begin, end). Inlined into each caller: safe in a file of any ISA level, because it is
// a template over the caller's own closure type.
template <class Body>
inline void parallel_for(const ParallelFor* parallel, std::int64_t count, std::int64_t grain,
                         const Body& body) {
  if (count <= 0) return;
  if (parallel == nullptr || count <= grain) {
    body(std::int64_t{0}, count);
    return;
  }
  parallel->run(
      parallel->context, count, grain,
      [](void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const Body*>(context))(begin, end);
      },
      const_cast<Body*>(&body));
}

}  // namespace lowp::kernels
