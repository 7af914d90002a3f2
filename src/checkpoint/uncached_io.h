// Reads and writes of data that is touched once: its pages do not stay in the page cache.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace lowp::checkpoint {

// As pread and pwrite, which may do less than they are asked to. Linux 6.14 and newer drop the
// pages that the call itself brought in (RWF_DONTCACHE) and begin to write at once; what was cached
// before is used and stays. A stream of gigabytes then recycles a few megabytes of pages: in a
// virtual machine whose free memory went back to its host, fresh pages cost up to 2 s a GB.
//
// Writes are divided so that pages written in two calls stay until they are whole.
ssize_t read_uncached(int file, void* data, std::size_t size, off_t offset);
ssize_t write_uncached(int file, const void* data, std::size_t size, off_t offset);

// Where reads of a stream should end: the kernel's read-ahead makes folios of up to 2 MB, and one
// that is read in two calls is dropped by the first and fetched again (four times the CPU time).
inline constexpr std::size_t kReadAlignment = 2U << 20;

}  // namespace lowp::checkpoint
