#include <cublasLt.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <array>
#include <map>
#include <mutex>

#include "kernels/linear_common/sm90_cublaslt.h"

namespace lowp::kernels::sm90 {
namespace {

constexpr std::size_t kMostWorkspace = std::size_t{32} << 20;
constexpr std::size_t kMostPlans = 4096;

// The functions of libcublasLt that are used.
struct Library {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) init_product = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_product = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) init_layout = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) init_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  bool complete = false;

  Library() {
    void* const library = dlopen("libcublasLt.so.13", RTLD_LAZY | RTLD_LOCAL);
    if (library == nullptr) return;
    complete = true;
    find(library, "cublasLtCreate", create);
    find(library, "cublasLtMatmul", matmul);
    find(library, "cublasLtMatmulAlgoGetHeuristic", get_heuristic);
    find(library, "cublasLtMatmulDescInit_internal", init_product);
    find(library, "cublasLtMatmulDescSetAttribute", set_product);
    find(library, "cublasLtMatrixLayoutInit_internal", init_layout);
    find(library, "cublasLtMatmulPreferenceInit_internal", init_preference);
    find(library, "cublasLtMatmulPreferenceSetAttribute", set_preference);
  }

  template <class Function>
  void find(void* library, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    complete = complete && function != nullptr;
  }
};

const Library& library() {
  static const Library loaded;
  return loaded;
}

cudaDataType_t cuda_type(DType dtype) {
  switch (dtype) {
    case DType::kF8E4M3:
      return CUDA_R_8F_E4M3;
    case DType::kF8E5M2:
      return CUDA_R_8F_E5M2;
    case DType::kBF16:
      return CUDA_R_16BF;
    case DType::kF16:
      return CUDA_R_16F;
    default:
      return CUDA_R_32F;
  }
}

std::int32_t scale_mode(LtScale recipe) {
  switch (recipe) {
    case LtScale::kRow:
      return CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    case LtScale::k1x128:
      return CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F;
    case LtScale::k128x128:
      return CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F;
    default:
      return CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
  }
}

// cuBLASLt's matrices are column by column: it is asked for out^T (N, M) = b a^T, where its first
// operand is b.
struct Description {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t b;
  cublasLtMatrixLayoutOpaque_t a;
  cublasLtMatrixLayoutOpaque_t out;

  // Whether cuBLASLt took all of it.
  bool fill(const LtProduct& of) {
    const Library& lib = library();
    if (!lib.complete) return false;
    bool ok = lib.init_product(&product, sizeof(product), CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
              CUBLAS_STATUS_SUCCESS;
    const auto layout = [&](auto& opaque, DType dtype, std::int64_t rows, std::int64_t columns,
                            std::int64_t stride) {
      ok = ok && lib.init_layout(
                     &opaque, sizeof(opaque), cuda_type(dtype), static_cast<std::uint64_t>(rows),
                     static_cast<std::uint64_t>(columns), stride) == CUBLAS_STATUS_SUCCESS;
    };
    layout(b, of.b.dtype, of.k, of.n, of.b.row_stride);
    layout(a, of.a.dtype, of.k, of.m, of.a.row_stride);
    layout(out, of.out_dtype, of.n, of.m, of.n);

    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
      ok = ok &&
           lib.set_product(&product, attribute, &value, sizeof(value)) == CUBLAS_STATUS_SUCCESS;
    };
    // Scales that have no place yet: cuBLASLt has no kernel for nullptr.
    const auto place = [](const void* scale) {
      return scale != nullptr ? scale : reinterpret_cast<const void*>(std::uintptr_t{256});
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t{CUBLAS_OP_T});
    if (of.a.recipe != LtScale::kNone) {
      set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, std::int8_t{of.fast_accumulation});
      set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, scale_mode(of.b.recipe));
      set(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, scale_mode(of.a.recipe));
      set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, place(of.b.scale));
      set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, place(of.a.scale));
    }
    if (of.alpha != nullptr) {
      set(CUBLASLT_MATMUL_DESC_POINTER_MODE, std::int32_t{CUBLASLT_POINTER_MODE_DEVICE});
    }
    if (of.bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t{CUBLASLT_EPILOGUE_BIAS});
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, of.bias);
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, std::int32_t{cuda_type(of.bias_dtype)});
    }
    return ok;
  }
};

// What cuBLASLt chose for a product, if anything.
struct Plan {
  bool found;
  cublasLtMatmulAlgo_t algorithm;
  std::size_t workspace;
};

// What every pointer is aligned to, at most 256.
std::int64_t alignment_of(const LtProduct& product) {
  std::uintptr_t bits = 256;
  for (const void* pointer : {product.a.data, product.b.data, product.a.scale, product.b.scale,
                              static_cast<const void*>(product.out), product.bias}) {
    bits |= reinterpret_cast<std::uintptr_t>(pointer);
  }
  return static_cast<std::int64_t>(bits & -bits);
}

// What the choice may depend on.
using PlanKey = std::array<std::int64_t, 16>;
PlanKey key_of(const LtProduct& product, int device) {
  const auto number = [](auto value) { return static_cast<std::int64_t>(value); };
  return {device,
          product.m,
          product.n,
          product.k,
          product.a.row_stride,
          product.b.row_stride,
          number(product.a.dtype),
          number(product.b.dtype),
          number(product.a.recipe),
          number(product.b.recipe),
          number(product.out_dtype),
          product.bias == nullptr ? -1 : number(product.bias_dtype),
          number(product.fast_accumulation),
          number(product.alpha != nullptr),
          alignment_of(product)};
}

// A handle for each device, and the plans made so far.
class Plans {
 public:
  Plan find(const LtProduct& product, Description& description) {
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess) return {};
    const PlanKey key = key_of(product, device);
    const std::lock_guard lock(mutex_);
    if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
    if (plans_.size() >= kMostPlans) plans_.clear();
    const auto alignment = static_cast<std::uint32_t>(alignment_of(product));
    return plans_.emplace(key, make(device, description, alignment)).first->second;
  }

  // nullptr if it cannot be made.
  cublasLtHandle_t handle() {
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess) return nullptr;
    const std::lock_guard lock(mutex_);
    return handle(device);
  }

 private:
  cublasLtHandle_t handle(int device) {
    cublasLtHandle_t& handle = handles_[device];
    if (handle == nullptr && library().create(&handle) != CUBLAS_STATUS_SUCCESS) handle = nullptr;
    return handle;
  }

  Plan make(int device, Description& description, std::uint32_t alignment) {
    const Library& lib = library();
    cublasLtMatmulPreferenceOpaque_t preference{};
    bool ok = handle(device) != nullptr &&
              lib.init_preference(&preference, sizeof(preference)) == CUBLAS_STATUS_SUCCESS;
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      ok = ok && lib.set_preference(&preference, attribute, &value, sizeof(value)) ==
                     CUBLAS_STATUS_SUCCESS;
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMostWorkspace);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    ok = ok && lib.get_heuristic(handle(device), &description.product, &description.b,
                                 &description.a, &description.out, &description.out, &preference, 1,
                                 &result, &found) == CUBLAS_STATUS_SUCCESS;
    if (!ok || found == 0 || result.state != CUBLAS_STATUS_SUCCESS) return {};
    return {true, result.algo, result.workspaceSize};
  }

  std::mutex mutex_;
  std::map<int, cublasLtHandle_t> handles_;
  std::map<PlanKey, Plan> plans_;
};

// Never destroyed: at the end of a process the driver may have gone first.
Plans& plans() {
  static Plans& made = *new Plans;
  return made;
}

}  // namespace

std::int64_t lt_workspace(const LtProduct& product) {
  Description description{};
  if (!description.fill(product)) return -1;
  const Plan plan = plans().find(product, description);
  return plan.found ? static_cast<std::int64_t>(plan.workspace) : -1;
}

const char* lt_multiply(const LtProduct& product, void* workspace, void* stream) {
  constexpr float kOneAndZero[] = {1.0F, 0.0F};
  Description description{};
  if (!description.fill(product)) return "cuBLASLt does not take the product";
  const Plan plan = plans().find(product, description);
  if (!plan.found) return "cuBLASLt has no kernel for the product";
  const float* factors = product.alpha != nullptr ? product.alpha : kOneAndZero;
  const cublasStatus_t status =
      library().matmul(plans().handle(), &description.product, factors, product.b.data,
                       &description.b, product.a.data, &description.a, factors + 1, product.out,
                       &description.out, product.out, &description.out, &plan.algorithm, workspace,
                       plan.workspace, static_cast<cudaStream_t>(stream));
  return status == CUBLAS_STATUS_SUCCESS ? nullptr : "cublasLtMatmul failed";
}

}  // namespace lowp::kernels::sm90
