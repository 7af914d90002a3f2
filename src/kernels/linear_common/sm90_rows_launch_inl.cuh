// The launch of linear_few_rows as a plan says.
#pragma once

#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/sm90_rows_multiply_inl.cuh"
#include "kernels/linear_common/sm90_rows_plan.h"
#include "kernels/runtime/sm90_tensor_map.h"

namespace lowp::kernels::rows {
namespace {

constexpr int kSharedBytes = 227 << 10;  // of a block
constexpr int kMostStages = 16;

// How a stage holds parameter `p`; a multiple of 16 bytes a row where device memory allows it.
template <class C>
ParameterCopy plan_parameter(const Parameters& parameters, int p, int groups, bool whole_groups) {
  const int bytes = groups * parameters.bytes[p];
  const auto address = reinterpret_cast<std::uintptr_t>(parameters.values[p]);
  const auto divides = [&](int size) {
    return whole_groups && address % size == 0 && bytes % size == 0 &&
           parameters.columns * parameters.bytes[p] % size == 0;
  };
  ParameterCopy copy{};
  copy.vector = divides(16) ? 16 : divides(4) ? 4 : 0;
  // A value lies in one word: before the first are up to a word's bytes less its own.
  copy.words = divides(4) ? bytes / 4 : (4 - std::min(4, parameters.bytes[p]) + bytes + 3) / 4;
  copy.pitch = copy.words * 4;
  return copy;
}

template <class C>
void plan_parameters(Task& task) {
  const int group_columns = task.parameters.group_columns;
  const bool whole_groups = C::kColumns % group_columns == 0;
  const bool one_group = group_columns % C::kColumns == 0 || task.parameters.columns == 1;
  task.groups = one_group ? 1 : C::kColumns / group_columns + (whole_groups ? 0 : 2);
  for (int p = 0; p < C::Weight::kParameters; ++p) {
    task.copies[p] = plan_parameter<C>(task.parameters, p, task.groups, whole_groups);
    task.copies[p].at = task.parameter_bytes;
    task.parameter_bytes += (task.copies[p].pitch * C::kRows + 15) / 16 * 16;
  }
}

template <class C>
const char* make_maps(CUtensorMap& x_map, CUtensorMap& code_map, const CudaLinearArgs& args,
                      const Plan& plan) {
  const CudaWeight& weight = args.weight;
  const char* error = sm90::make_tensor_map(
      x_map, sm90::TensorMapSpec<2>{
                 .data = args.x,
                 .dtype = args.x_dtype == DType::kBF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                                       : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
                 .element_bytes = 2,
                 .size = {static_cast<std::uint64_t>(weight.k), static_cast<std::uint64_t>(args.m)},
                 .stride_bytes = {static_cast<std::uint64_t>(args.x_stride) * 2},
                 .box = {64, static_cast<std::uint32_t>(plan.tokens)},
             });
  if (error != nullptr) return error;
  const auto row_bytes = static_cast<std::uint64_t>(weight.k) * C::Weight::kBits / 8;
  return sm90::make_tensor_map(
      code_map,
      sm90::TensorMapSpec<2>{
          .data = weight.codes,
          .dtype = CU_TENSOR_MAP_DATA_TYPE_UINT8,
          .element_bytes = 1,
          .size = {row_bytes, static_cast<std::uint64_t>(weight.n)},
          .stride_bytes = {row_bytes},
          .box = {C::kLine, C::kRows},
          .swizzle = C::kLine == 128 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
      });
}

// The most stages and the most warps that take turns at them evenly.
template <class C>
void plan_stages(Task& task) {
  const int stage_bytes = C::kCodeBytes + C::kXBytes + task.parameter_bytes + 3 * 8;
  const int most = std::min(kMostStages, (kSharedBytes - C::kSumsApart) / stage_bytes);
  for (int stages = most; stages > 0 && stages > most - 4; --stages) {
    int warps = C::kReorderWarps;
    while (stages % warps != 0) --warps;
    if (stages % C::kDepthGroups != 0 || warps <= task.reorder_warps) continue;
    task.stages = stages;
    task.reorder_warps = warps;
  }
}

template <class C>
Task make_task(const CudaLinearArgs& args, const Plan& plan) {
  Task task{};
  task.parameters = parameters_of(args.weight);
  plan_parameters<C>(task);
  plan_stages<C>(task);
  task.m = static_cast<int>(args.m);
  task.tokens = plan.tokens;
  task.n = static_cast<int>(args.weight.n);
  task.k = static_cast<int>(args.weight.k);
  task.steps = quotient_up(args.weight.k, C::kColumns);
  task.tiles = quotient_up(args.weight.n, C::kRows);
  task.splits = plan.splits;
  task.bias = static_cast<const std::uint16_t*>(args.bias);
  task.out = static_cast<std::uint16_t*>(args.out);
  task.vector_out = args.weight.n % 4 == 0 && reinterpret_cast<std::uintptr_t>(args.out) % 8 == 0;
  return task;
}

template <class C>
const char* launch(const CudaLinearArgs& args, const Plan& plan) {
  static_assert(C::kColumns == columns_of_stage(C::kTokens, C::Weight::kBits));
  const Task task = make_task<C>(args, plan);
  CUtensorMap x_map{};
  CUtensorMap code_map{};
  if (const char* error = make_maps<C>(x_map, code_map, args, plan)) return error;
  auto* kernel = linear_few_rows<C>;
  cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim = {static_cast<unsigned>(task.splits), 1, 1};
  // Blocks may start while the kernel before ends; they wait for it before they read what it wrote.
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  const bool one_tile = task.splits > 1 || C::kSumsInStages;
  const int blocks = one_tile ? task.tiles * task.splits : std::min(task.tiles, plan.blocks);
  config.gridDim = {static_cast<unsigned>(blocks),
                    static_cast<unsigned>(quotient_up(task.m, task.tokens)), 1};
  config.blockDim = C::kThreads;
  config.dynamicSmemBytes = kSharedBytes;
  config.stream = static_cast<cudaStream_t>(args.stream);
  config.attrs = attributes;
  config.numAttrs = 2;
  status = cudaLaunchKernelEx(&config, kernel, task, x_map, code_map);
  return status == cudaSuccess ? nullptr : cudaGetErrorString(status);
}

// kGroups: warpgroups that decode, of 64 rows of W each or some taking turns at the stages.
template <class Weight, int kTokens, int kGroups, int kUnits>
const char* launch_rows(const CudaLinearArgs& args, const Plan& plan) {
  using Narrow = Config<Weight, kTokens, 1, kGroups, kUnits>;
  using Wide = Config<Weight, kTokens, 2, kGroups / 2, kUnits>;
  return plan.rows == 64 ? launch<Narrow>(args, plan) : launch<Wide>(args, plan);
}

template <class Weight>
const char* launch_format(const CudaLinearArgs& args) {
  constexpr int kShort = Weight::kBits == 4 ? 1 : 2;  // stages of 128 columns
  // Four have too few registers for two parameters.
  constexpr int kGroups = Weight::kGroupsAPiece == 2 || Weight::kParameters == 2 ? 2 : 4;
  const Plan plan = plan_rows(args, Weight::kBits, kGroups);
  if (plan.padded == 8) return launch_rows<Weight, 8, kGroups, 2>(args, plan);
  if (plan.padded == 16) return launch_rows<Weight, 16, 2, 2>(args, plan);
  if (plan.padded == 32) return launch_rows<Weight, 32, 2, 2>(args, plan);
  if (plan.padded == 64) return launch_rows<Weight, 64, 2, kShort>(args, plan);
  return launch_rows<Weight, 128, 2, kShort>(args, plan);
}

}  // namespace
}  // namespace lowp::kernels::rows
