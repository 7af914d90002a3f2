// How the kernel for few rows is launched: which tiles, how many blocks, how K is split.
#pragma once

#include <algorithm>

#include "kernels/linear_common/cuda_linear.h"
#include "kernels/linear_common/cuda_rows_formats.h"
#include "kernels/linear_common/cuda_rows_inl.h"

namespace lowp::kernels {
namespace {

constexpr int kMostSplits = 8;  // the largest portable cluster

struct Device {
  int multiprocessors;
  int shared_bytes;  // that a block may have
  bool has_clusters;
};

inline Device current_device() {
  int device = 0;
  int major = 0;
  Device result{};
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&result.multiprocessors, cudaDevAttrMultiProcessorCount, device);
  cudaDeviceGetAttribute(&result.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  result.has_clusters = major >= 9;
  return result;
}

struct Plan {
  int splits = 0;  // 0: does not fit
  int clusters;
  int longest;  // steps of a block
  int parameter_words[2];
  int parameter_buffers;
  int shared_bytes;
  double cost;
};

// Words of 4 bytes that hold a row's parameters whatever their alignment; odd, for the banks.
inline int parameter_words(int groups, int bytes) { return ((groups * bytes + 3) / 4 + 1) | 1; }

template <class Config>
Plan plan_splits(const Device& device, const RowsTask& task, int splits) {
  const int steps = (task.k + Config::kStepColumns - 1) / Config::kStepColumns;
  const int tiles = (task.n + Config::kTileRows - 1) / Config::kTileRows;
  Plan plan;
  plan.longest = (steps + splits - 1) / splits;
  plan.parameter_buffers = 2 + (Config::kStages - 2 + plan.longest) / plan.longest;
  std::int64_t bytes = Config::shared_bytes(task.m, plan.longest);
  const Parameters& parameters = task.parameters;
  const int groups = std::min(parameters.columns,
                              plan.longest * Config::kStepColumns / parameters.group_columns + 2);
  for (int p = 0; p < Config::Weight::kParameters; ++p) {
    plan.parameter_words[p] = parameter_words(groups, parameters.bytes[p]);
    bytes += std::int64_t{plan.parameter_buffers} * plan.parameter_words[p] * 4 * Config::kTileRows;
  }
  if (bytes > device.shared_bytes || splits > steps) return plan;
  plan.splits = splits;
  plan.shared_bytes = static_cast<int>(bytes);
  const int blocks =
      std::min(Config::kBlocks, (device.shared_bytes + 1024) / (plan.shared_bytes + 1024));
  // Clusters of 4 and 8 do not fill every part of the chip: 120 of an H200's 132 multiprocessors.
  const int usable = splits > 2 ? device.multiprocessors * 10 / 11 : device.multiprocessors;
  plan.clusters = std::max(1, std::min(tiles, usable * blocks / splits));
  const int waves = (tiles + plan.clusters - 1) / plan.clusters;
  // A lone block of a multiprocessor is as fast as two that share it. A tile's end is a step, that
  // of a cluster two; activations cost twice what weights do.
  const double share = plan.clusters * splits > device.multiprocessors ? blocks : 1;
  const double x_steps =
      Config::kWhole ? 2.0 * plan.longest * Config::step_bytes(task.m) / Config::kStageBytes : 0.0;
  plan.cost = (waves * (plan.longest + (splits > 1 ? 2.0 : 1.0)) + x_steps) * share;
  return plan;
}

// The split of K that ends first.
template <class Config>
Plan plan_rows(const Device& device, const RowsTask& task) {
  Plan best;
  for (int splits = 1; splits <= (device.has_clusters ? kMostSplits : 1); splits *= 2) {
    const Plan plan = plan_splits<Config>(device, task, splits);
    if (plan.splits > 0 && (best.splits == 0 || plan.cost < best.cost)) best = plan;
  }
  return best;
}

template <class Config>
const char* launch_rows(RowsTask task, const Plan& plan, cudaStream_t stream) {
  task.k_steps = (task.k + Config::kStepColumns - 1) / Config::kStepColumns;
  task.tiles = (task.n + Config::kTileRows - 1) / Config::kTileRows;
  task.splits = plan.splits;
  task.clusters = plan.clusters;
  task.whole_steps = plan.longest;
  task.parameter_buffers = plan.parameter_buffers;
  task.parameter_words[0] = plan.parameter_words[0];
  task.parameter_words[1] = plan.parameter_words[1];
  auto* kernel = linear_rows<Config>;
  cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.shared_bytes);
  if (error != cudaSuccess) return cudaGetErrorString(error);

  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {static_cast<unsigned>(plan.splits), 1, 1};
  cudaLaunchConfig_t config{};
  config.gridDim = static_cast<unsigned>(plan.clusters * plan.splits);
  config.blockDim = kThreads;
  config.dynamicSmemBytes = static_cast<std::size_t>(plan.shared_bytes);
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = plan.splits > 1 ? 1 : 0;
  error = cudaLaunchKernelEx(&config, kernel, task);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

template <class Config>
const char* launch_streamed(const Device& device, const RowsTask& task, cudaStream_t stream) {
  const Plan plan = plan_rows<Config>(device, task);
  if (plan.splits == 0) return kDoesNotFit;
  return launch_rows<Config>(task, plan, stream);
}

// Activations that fit are in shared memory from the start, else they are streamed.
template <class Weight>
const char* launch_format(const RowsTask& task, cudaStream_t stream) {
  using Few = RowsConfig<Weight, 1, 1, 8, 4, true, 2>;
  using FewWide = RowsConfig<Weight, 1, 2, 8, 4, true, 1>;
  using Whole16 = RowsConfig<Weight, 2, 1, 2, 4, true, 2>;
  using Stream32 = RowsConfig<Weight, 4, 1, 1, 4, false, 1>;
  using Stream64 = RowsConfig<Weight, 8, 1, 1, 4, false, 1>;
  constexpr int kWideRows = 4096;  // of a weight that is enough for all in tiles of 32

  const Device device = current_device();
  Plan plan;
  if (task.m <= 8 && task.n >= kWideRows) {
    plan = plan_rows<FewWide>(device, task);
    if (plan.splits > 0) return launch_rows<FewWide>(task, plan, stream);
  }
  if (task.m <= 8) {
    plan = plan_rows<Few>(device, task);
    if (plan.splits > 0) return launch_rows<Few>(task, plan, stream);
  }
  if (task.m <= 16) {
    plan = plan_rows<Whole16>(device, task);
    if (plan.splits > 0) return launch_rows<Whole16>(task, plan, stream);
  }
  if constexpr (Weight::kScalesSums) {
    return launch_format<typename Weight::Streamed>(task, stream);
  } else {
    if (task.m <= 32) return launch_streamed<Stream32>(device, task, stream);
    return launch_streamed<Stream64>(device, task, stream);
  }
}

inline RowsTask rows_task(const CudaLinearArgs& args) {
  const CudaWeight& weight = args.weight;
  const int code_bits = weight.format == CudaWeightFormat::kInt4 ||
                                weight.format == CudaWeightFormat::kMxfp4 ||
                                weight.format == CudaWeightFormat::kNvfp4
                            ? 4
                            : 8;
  RowsTask task{};
  task.x = static_cast<const std::uint8_t*>(args.x);
  task.x_stride = args.x_stride * 2;
  task.m = static_cast<int>(args.m);
  task.codes = static_cast<const std::uint8_t*>(weight.codes);
  task.row_bytes = weight.k * code_bits / 8;
  task.n = static_cast<int>(weight.n);
  task.k = static_cast<int>(weight.k);
  task.bias = static_cast<const std::uint16_t*>(args.bias);
  task.out = static_cast<std::uint16_t*>(args.out);

  task.parameters = parameters_of(weight);
  return task;
}

}  // namespace
}  // namespace lowp::kernels
