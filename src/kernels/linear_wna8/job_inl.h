// A file of one ISA level includes its Level of intx_rows_inl.h first.
#pragma once

#include "kernels/linear_common/group_parameters_inl.h"
#include "kernels/linear_common/intx_rows_inl.h"
#include "kernels/linear_wna8/linear_wna8.h"

namespace lowp::kernels {
namespace {

// -(offset + zero_point)
template <bool kWithOffset>
void group_offsets(const void* from, std::int64_t n, std::int64_t rows, std::int64_t group,
                   std::int64_t count, float* values) {
  offsets_of_groups<LinearWnA8Args>(
      from, n, rows, group, count, values,
      [](const LinearWnA8Args& args) { return kWithOffset ? 1 << (args.bits - 1) : 0; });
}

// Without the decoders and offsets.
inline LinearJob job_of(const LinearWnA8Args& args) {
  LinearJob job{};
  job.args = &args;
  job.m = args.m;
  job.n = args.n;
  job.k = args.k;
  job.group = args.group_size;
  job.group_scales = scales_of_groups<LinearWnA8Args>;
  job.row_scale = args.x_scale;
  job.row_scale_stride = 1;
  job.bias = args.bias;
  job.out = args.out;
  job.parallel = args.parallel;
  job.fp32_row_sums = args.row_sums;
  job.x_zero_point = args.x_zero_point;
  return job;
}

template <class Level>
void multiply_few_rows(const LinearWnA8Args& args, LinearJob job) {
  if (args.zero_point != nullptr) job.group_offsets = group_offsets<false>;
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    const IntxSpans spans = intx_spans(job.k, job.group, Level::kStep);
    IntxRows<1> rows;
    for (std::int64_t m = 0; m < job.m; ++m) {
      hold_int8<Level, kBits>(args.x + m * args.k, m, args.k, spans, 1 << (kBits - 1), rows);
    }
    multiply_intx_rows<Level, kBits>(job, args.weight, spans, rows);
  });
}

// Codes in order, signed, or as they are stored where panels take the weight unsigned.
template <bool kSigned>
void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearWnA8Args*>(from);
  with_bits(args.bits, [&]<int kBits>(std::integral_constant<int, kBits>) {
    for_each_intx_vector<kBits>(
        args.weight, args.n, args.k, row, k_begin, k_end, kSigned ? 1 << (kBits - 1) : 0,
        [steps](std::int64_t i, Ints bytes) { store_ints(steps + i / 4, bytes); });
  });
}

}  // namespace
}  // namespace lowp::kernels
