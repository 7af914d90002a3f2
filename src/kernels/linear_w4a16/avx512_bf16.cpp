#include "kernels/linear_common/formats_avx512_bf16_inl.h"
#include "kernels/linear_common/panel_codes_avx512_inl.h"
#include "kernels/linear_w4a16/implementations.h"
#include "kernels/linear_w4a16/job_inl.h"

namespace lowp::kernels {
namespace {

void decode_weight(const void* from, std::int64_t row, std::int64_t k_begin, std::int64_t k_end,
                   std::int32_t* steps) {
  const auto& args = *static_cast<const LinearW4A16Args*>(from);
  const std::uint8_t* codes = args.weight + (row * args.x.cols + k_begin) / 2;
  const __m512i table = _mm512_load_si512(kInt4Bf16.data());
  store_bf16(k_end - k_begin, steps, [&](std::int64_t i, std::int64_t left) {
    return nibbles_to_words(load_codes_16(codes + i / 2, left / 2), table);
  });
}

struct Int4Panel : TablePanel<4> {
  Int4Panel(const LinearJob& /*job*/, std::int64_t /*n*/, std::int64_t /*k_begin*/,
            std::int64_t /*k_end*/)
      : TablePanel(kInt4Bf16) {}
};

LinearJob job_of(const LinearW4A16Args& args) {
  LinearJob job = job_of_matrix(args);
  job.decode_weight = decode_weight;
  set_groups(args, job);
  return job;
}

}  // namespace

void linear_w4a16_amx(const LinearW4A16Args& args) {
  LinearJob job = job_of(args);
  set_amx_panel<Int4Panel>(job, args.weight);
  linear_panels_amx(job);
}

void linear_w4a16_avx512_bf16(const LinearW4A16Args& args) {
  multiply(job_of(args), NibbleCodes(kInt4Bf16), args.weight);
}

}  // namespace lowp::kernels
