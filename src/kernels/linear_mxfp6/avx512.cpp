#include "kernels/linear_common/formats_avx512_inl.h"
#include "kernels/linear_mxfp6/implementations.h"
// The formats come first.
#include "kernels/linear_mxfp6/avx512_inl.h"

namespace lowp::kernels {
namespace {

struct Fp6Codes : Fp32FromWords {
  static constexpr std::int64_t kBytes = kBlockBytes;
  Fp6Words words;
  explicit Fp6Codes(DType element) : words(element) {}
  void decode(const std::uint8_t* codes, std::int64_t bytes, __m512i* parts) const {
    split(words.bf16(load_codes_32(codes, bytes)), parts);
  }
};

}  // namespace

void linear_mxfp6_avx512(const LinearMxfp6Args& args) {
  multiply(job_of<Fp6Codes>(args), Fp6Codes(args.element), args.weight);
}

}  // namespace lowp::kernels
