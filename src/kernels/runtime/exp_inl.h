// e^x of a vector of fp32 lanes. A file of one ISA level includes its vectors first
// (linear_common/avx512_vector_inl.h, avx2_vector_inl.h); internal linkage, a copy in each of them.
#pragma once

namespace lowp::kernels {
namespace {

// Within 2 ulp; 0 below about -103.3, Inf above 88.7, NaN stays. x = n ln 2 + r, |r| <= ln 2 / 2;
// the polynomial for e^r is that of Cephes' expf.
inline Floats exp_lanes(Floats x) {
  // The operand order of min and max lets NaN through.
  x = max(broadcast(-105.0F), x);
  x = min(broadcast(90.0F), x);
  const Floats n = nearest_integer(multiply(x, broadcast(1.44269504088896341F)));
  Floats r = multiply_add(n, broadcast(-0.693359375F), x);
  r = multiply_add(n, broadcast(2.12194440e-4F), r);
  Floats p = broadcast(1.9875691500e-4F);
  p = multiply_add(p, r, broadcast(1.3981999507e-3F));
  p = multiply_add(p, r, broadcast(8.3334519073e-3F));
  p = multiply_add(p, r, broadcast(4.1665795894e-2F));
  p = multiply_add(p, r, broadcast(1.6666665459e-1F));
  p = multiply_add(p, r, broadcast(5.0000001201e-1F));
  p = multiply_add(p, multiply(r, r), add(r, broadcast(1.0F)));
  return multiply_by_power(p, n);
}

}  // namespace
}  // namespace lowp::kernels
