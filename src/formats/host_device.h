// Formats compile for the host and, under nvcc (--expt-relaxed-constexpr), for the device.
#pragma once

#if defined(__CUDACC__)
#define LOWP_HD __host__ __device__
#else
#define LOWP_HD
#endif
