// Reads and writes of data that is touched once: its pages do not stay in the page cache.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace lowp::checkpoint {

// A multiple of the page size.
inline constexpr std::size_t kIoAlignment = 4096;

// As pread and pwrite, which may do less than they are asked to. Linux 6.14 and newer drop the
// pages that the call itself brought in (RWF_DONTCACHE) and begin to write at once; what was cached
// before is used and stays. A stream of gigabytes then recycles a few megabytes of pages: in a
// virtual machine whose free memory went back to its host, fresh pages cost up to 2 s a GB.
//
// Reads should begin and end at multiples of kIoAlignment: a page read in two calls is fetched
// twice, which also ends the kernel's read-ahead (five times the time). Writes are divided so that
// pages written in two calls stay until they are whole.
ssize_t read_uncached(int file, void* data, std::size_t size, off_t offset);
ssize_t write_uncached(int file, const void* data, std::size_t size, off_t offset);

}  // namespace lowp::checkpoint
