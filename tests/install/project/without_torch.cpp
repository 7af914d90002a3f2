// without_torch FILE: quantizes a weight, writes it to FILE, reads it back.
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "kernels/runtime/cpu.h"
#include "lowp/error.h"
#include "schemes/quantized_weight.h"

int main(int, char** arguments) {
  try {
    const std::vector<float> weight(8 * 64, 0.5F);
    const lowp::kernels::Matrix matrix{weight.data(), lowp::DType::kF32, 8, 64, 64};
    const auto quantized = lowp::quantize_weight(lowp::scheme_from_name("W8A16"), matrix);

    lowp::checkpoint::SafetensorsWriter writer(arguments[1],
                                               {{"weight", lowp::DType::kI8, {8, 64}}});
    writer.write("weight", std::as_bytes(std::span(quantized.codes)));
    writer.commit();

    const lowp::checkpoint::Safetensors file(arguments[1]);
    const auto* read = file.find("weight");
    const bool same = read != nullptr && std::memcmp(read->data.data(), quantized.codes.data(),
                                                     quantized.codes.size()) == 0;
    std::printf("%s, code %d\n", lowp::kernels::name(lowp::kernels::machine_isa()),
                static_cast<int>(static_cast<signed char>(quantized.codes[0])));
    return same && quantized.codes[0] == 127 ? 0 : 1;
  } catch (const lowp::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
