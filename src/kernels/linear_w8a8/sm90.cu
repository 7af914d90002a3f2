#include "kernels/linear_common/sm90_few_rows_inl.cuh"
#include "kernels/linear_w8a8/sm90.h"

namespace lowp::kernels {
namespace {

constexpr std::int64_t kFewRows = 64;
constexpr int kTile = 16;   // rows and columns of the plain kernel's tiles
constexpr int kDepth = 64;  // bytes of k a step of it

sm90::GemmParams params_of(const LinearW8A8Sm90Args& args) {
  const std::int64_t row_bytes = args.n * bits(args.out_dtype) / 8;
  return {
      .size = {static_cast<int>(args.m), static_cast<int>(args.n), static_cast<int>(args.k)},
      .tiles = {.rows = 0, .columns = 0, .batch = 1, .group = 16},
      .a_batched = false,
      .b_batched = false,
      .finish = {.row_scale = args.x_scale,
                 .column_scale = args.weight_scale,
                 .row_stride = 1,
                 .column_stride = 1,
                 .row_batch_stride = 0,
                 .column_batch_stride = 0,
                 .bias = args.bias,
                 .bias_dtype = args.bias_dtype,
                 .row_zero_point = args.x_zero_point,
                 .column_sums = args.weight_row_sums,
                 .out = args.out,
                 .out_dtype = args.out_dtype,
                 .by_copy_engine =
                     row_bytes % 16 == 0 && reinterpret_cast<std::uintptr_t>(args.out) % 16 == 0},
      .blocks = {},
  };
}

sm90::GemmOperand operand_of(const std::int8_t* codes, std::int64_t rows, std::int64_t k) {
  return {.codes = codes, .rows = rows, .row_stride = k, .batch = 1, .batch_stride = 0};
}

template <int kColumns>
const char* run_gemm(const LinearW8A8Sm90Args& args) {
  using Config = sm90::GemmConfig<sm90::S8S8, std::int32_t, sm90::Mainloop::kDirect, kColumns>;
  return sm90::launch_gemm<Config>(operand_of(args.x, args.m, args.k),
                                   operand_of(args.weight, args.n, args.k), params_of(args),
                                   args.after_quantize, static_cast<cudaStream_t>(args.stream));
}

template <int kRows>
const char* run_few_rows(const LinearW8A8Sm90Args& args) {
  using Config = sm90::FewRowsConfig<sm90::S8S8, std::int32_t, kRows, false>;
  return sm90::launch_few_rows<Config>(operand_of(args.x, args.m, args.k),
                                       operand_of(args.weight, args.n, args.k), params_of(args),
                                       args.after_quantize, static_cast<cudaStream_t>(args.stream));
}

// Any K and alignment: an output a thread, bytes through shared memory.
__global__ void __launch_bounds__(kTile* kTile)
    gemm_any(const std::int8_t* x, const std::int8_t* weight, sm90::GemmParams params) {
  __shared__ std::int8_t x_tile[kTile][kDepth + 4];
  __shared__ std::int8_t weight_tile[kTile][kDepth + 4];
  const auto [m, n, k] = params.size;
  const int column_tiles = (n + kTile - 1) / kTile;
  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * kTile;
  const int tx = static_cast<int>(threadIdx.x);
  const int ty = static_cast<int>(threadIdx.y);
  const int row = first_row + ty;
  const int column = first_column + tx;
  std::int32_t sum = 0;
  for (int begin = 0; begin < k; begin += kDepth) {
    __syncthreads();
    for (int i = tx; i < kDepth; i += kTile) {
      const bool inside = begin + i < k;
      x_tile[ty][i] = inside && row < m ? x[std::int64_t{row} * k + begin + i] : std::int8_t{0};
      weight_tile[ty][i] = inside && first_column + ty < n
                               ? weight[std::int64_t{first_column + ty} * k + begin + i]
                               : std::int8_t{0};
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kDepth; i += 4) {
      sum = __dp4a(*reinterpret_cast<const int*>(&x_tile[ty][i]),
                   *reinterpret_cast<const int*>(&weight_tile[tx][i]), sum);
    }
  }
  if (row >= m || column >= n) return;
  const sm90::Finish& finish = params.finish;
  if (finish.row_zero_point != nullptr) {
    sum -= std::int32_t{finish.row_zero_point[row]} * finish.column_sums[column];
  }
  const float value = sm90::finish_element(sum, finish.row_scale[row], finish.column_scale[column],
                                           sm90::load_bias(finish, column));
  const std::int64_t at = std::int64_t{row} * n + column;
  if (finish.out_dtype == DType::kBF16) {
    static_cast<__nv_bfloat16*>(finish.out)[at] = __float2bfloat16_rn(value);
  } else if (finish.out_dtype == DType::kF16) {
    static_cast<__half*>(finish.out)[at] = __float2half_rn(value);
  } else {
    static_cast<float*>(finish.out)[at] = value;
  }
}

const char* run_any(const LinearW8A8Sm90Args& args) {
  const std::int64_t tiles = (args.m + kTile - 1) / kTile * ((args.n + kTile - 1) / kTile);
  gemm_any<<<static_cast<unsigned>(tiles), dim3(kTile, kTile), 0,
             static_cast<cudaStream_t>(args.stream)>>>(args.x, args.weight, params_of(args));
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

bool takes_tensor_maps(const LinearW8A8Sm90Args& args) {
  return args.k % 16 == 0 && is_aligned(args.x) && is_aligned(args.weight);
}

}  // namespace

const char* linear_w8a8_sm90_name(const LinearW8A8Sm90Args& args) {
  if (!takes_tensor_maps(args)) return "cuda";
  return args.m <= kFewRows ? "sm90_few_rows" : "sm90";
}

const char* linear_w8a8_sm90(const LinearW8A8Sm90Args& args) {
  if (!takes_tensor_maps(args)) return run_any(args);
  if (args.m <= 16) return run_few_rows<16>(args);
  if (args.m <= 32) return run_few_rows<32>(args);
  if (args.m <= kFewRows) return run_few_rows<64>(args);
  return sm90::wide_is_faster(args.m, args.n, 1) ? run_gemm<256>(args) : run_gemm<128>(args);
}

}  // namespace lowp::kernels
