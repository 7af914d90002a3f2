#include "kernels/pack_weight/pack_weight.h"

#include "kernels/pack_weight/layout.h"
#include "kernels/runtime/cpu.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kWorthAThread = 1 << 16;  // elements

// move(plain, packed): offsets of one element.
template <class Move>
void for_each_element(const PackWeightArgs& args, const Move& move) {
  const std::int64_t block = kPackedRows * args.cols;
  const std::int64_t grain = block == 0 ? 1 : (kWorthAThread + block - 1) / block;
  parallel_for(args.parallel, args.rows / kPackedRows, grain,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t n = begin * kPackedRows; n < end * kPackedRows; ++n) {
                   for (std::int64_t at = 0; at < args.cols; ++at) {
                     move(n * args.cols + at, packed_element(n, at, args.cols));
                   }
                 }
               });
}

template <class T>
void pack(const PackWeightArgs& args) {
  const auto* in = static_cast<const T*>(args.in);
  auto* out = static_cast<T*>(args.out);
  for_each_element(args, [=](std::int64_t plain, std::int64_t packed) { out[packed] = in[plain]; });
}

template <class T>
void unpack(const PackWeightArgs& args) {
  const auto* in = static_cast<const T*>(args.in);
  auto* out = static_cast<T*>(args.out);
  for_each_element(args, [=](std::int64_t plain, std::int64_t packed) { out[plain] = in[packed]; });
}

}  // namespace

void pack_weight(const PackWeightArgs& args) {
  if (args.element_bytes == 4) return pack<std::uint32_t>(args);
  if (args.element_bytes == 2) return pack<std::uint16_t>(args);
  pack<std::uint8_t>(args);
}

void unpack_weight(const PackWeightArgs& args) {
  if (args.element_bytes == 4) return unpack<std::uint32_t>(args);
  if (args.element_bytes == 2) return unpack<std::uint16_t>(args);
  unpack<std::uint8_t>(args);
}

bool packing_pays() {
  const Isa isa = machine_isa();
  return isa == Isa::kAvx2 || isa == Isa::kAvxVnni;
}

}  // namespace lowp::kernels
