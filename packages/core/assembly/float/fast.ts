// Short cuts for what nearly all floating-point instructions are: round to nearest even, with the inexact flag
// already set. Wasm's own arithmetic rounds to nearest even, so the result is right; what each routine proves is that
// no flag but NX can be raised. Where the proof fails, which is rare, the exact routine answers. Callers establish
// the precondition (rm = RNE, NX set in the flags); without it the results are still right, but NX may be missing.
//
// These are hot: one call per guest instruction. test/float/fast.test.ts holds them against the exact routines.

import { f32_add, f32_sub, f64_add, f64_sub } from "./add";
import { f32_div, f64_div } from "./divide";
import { f32_fma, f64_fma } from "./fma";
import { RNE } from "./format";
import { f32_mul, f64_mul } from "./multiply";
import { f32_sqrt, f64_sqrt } from "./sqrt";

const SMALLEST_NORMAL_64: f64 = 2.2250738585072014e-308;
const SMALLEST_NORMAL_32: f32 = 1.1754943508222875e-38;

// Sums: a finite sum has finite operands and did not overflow. It never underflows either: both operands are
// multiples of the smallest subnormal, so a sum in the subnormal range is exact.

@inline
export function f64_add_rne(a: u64, b: u64, flags: usize): u64 {
  const sum = reinterpret<f64>(a) + reinterpret<f64>(b);
  return Math.abs(sum) < Infinity ? reinterpret<u64>(sum) : f64_add(a, b, RNE, flags);
}

@inline
export function f64_sub_rne(a: u64, b: u64, flags: usize): u64 {
  const difference = reinterpret<f64>(a) - reinterpret<f64>(b);
  return Math.abs(difference) < Infinity ? reinterpret<u64>(difference) : f64_sub(a, b, RNE, flags);
}

@inline
export function f32_add_rne(a: u32, b: u32, flags: usize): u32 {
  const sum = reinterpret<f32>(a) + reinterpret<f32>(b);
  return Mathf.abs(sum) < <f32>Infinity ? reinterpret<u32>(sum) : f32_add(a, b, RNE, flags);
}

@inline
export function f32_sub_rne(a: u32, b: u32, flags: usize): u32 {
  const difference = reinterpret<f32>(a) - reinterpret<f32>(b);
  return Mathf.abs(difference) < <f32>Infinity ? reinterpret<u32>(difference) : f32_sub(a, b, RNE, flags);
}

// Products and quotients: one whose magnitude is finite and above the smallest normal comes from finite operands, a
// nonzero divisor among them, did not overflow, and is not tiny after rounding (equal to the smallest normal it could
// be: rounding to an unbounded exponent range might have stayed below). A zero that a zero factor or a zero dividend
// made is exact: 0 * infinity and 0 / 0 are NaN, so that the comparison with zero fails.

@inline
export function f64_mul_rne(a: u64, b: u64, flags: usize): u64 {
  const product = reinterpret<f64>(a) * reinterpret<f64>(b);
  const magnitude = Math.abs(product);
  if (magnitude > SMALLEST_NORMAL_64 && magnitude < Infinity) return reinterpret<u64>(product);
  if (product == 0.0 && (a << 1 == 0 || b << 1 == 0)) return reinterpret<u64>(product);
  return f64_mul(a, b, RNE, flags);
}

@inline
export function f64_div_rne(a: u64, b: u64, flags: usize): u64 {
  const quotient = reinterpret<f64>(a) / reinterpret<f64>(b);
  const magnitude = Math.abs(quotient);
  if (magnitude > SMALLEST_NORMAL_64 && magnitude < Infinity) return reinterpret<u64>(quotient);
  if (quotient == 0.0 && a << 1 == 0) return reinterpret<u64>(quotient);
  return f64_div(a, b, RNE, flags);
}

@inline
export function f32_mul_rne(a: u32, b: u32, flags: usize): u32 {
  const product = reinterpret<f32>(a) * reinterpret<f32>(b);
  const magnitude = Mathf.abs(product);
  if (magnitude > SMALLEST_NORMAL_32 && magnitude < <f32>Infinity) return reinterpret<u32>(product);
  if (product == <f32>0.0 && (a << 1 == 0 || b << 1 == 0)) return reinterpret<u32>(product);
  return f32_mul(a, b, RNE, flags);
}

@inline
export function f32_div_rne(a: u32, b: u32, flags: usize): u32 {
  const quotient = reinterpret<f32>(a) / reinterpret<f32>(b);
  const magnitude = Mathf.abs(quotient);
  if (magnitude > SMALLEST_NORMAL_32 && magnitude < <f32>Infinity) return reinterpret<u32>(quotient);
  if (quotient == <f32>0.0 && a << 1 == 0) return reinterpret<u32>(quotient);
  return f32_div(a, b, RNE, flags);
}

// Square roots: a finite one has a finite operand that is not below zero, and a root is never tiny, nor too large.

@inline
export function f64_sqrt_rne(a: u64, flags: usize): u64 {
  const root = Math.sqrt(reinterpret<f64>(a));
  return Math.abs(root) < Infinity ? reinterpret<u64>(root) : f64_sqrt(a, RNE, flags);
}

@inline
export function f32_sqrt_rne(a: u32, flags: usize): u32 {
  const root = Mathf.sqrt(reinterpret<f32>(a));
  return Mathf.abs(root) < <f32>Infinity ? reinterpret<u32>(root) : f32_sqrt(a, RNE, flags);
}

// ---- Fused multiply-add, binary64 ----
//
// In the manner of S. Boldo and G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
// rounding to odd" (IEEE TC 57, 2008), with the rounding to odd left out where it cannot matter. RN is rounding to
// nearest even.
//
//   1. product + productError = a * b exactly (Dekker).
//   2. sum + sumError = product + c exactly (Knuth, Moller).
//   3. tail = RN(sumError + productError), and the result is RN(sum + tail).
//
// The guard: |product| >= 2^-500 and |a| + |b| + |c| <= 2^500. Both factors are then normal (a subnormal one needs
// the other above 2^521), every partial product in (1) is a multiple of 2^-606 and below 2^1001, hence exact, and
// nothing in (2) overflows. Sums never lose anything to underflow.
//
// Let U be the unit in the last place of sum. If product and c differ in sign and by a factor of at most 2, sumError
// is 0 (Sterbenz) and the tail is exact. Otherwise |sum| >= |product| / 2, thus |sumError| <= U / 2, |productError|
// <= U and |tail| <= 3U / 2. Double rounding in (3) can go wrong only if an inexact tail puts sum + tail precisely on
// the midpoint of two neighbouring results, because every such midpoint, minus sum, is representable, and RN is
// monotonic: the tail cannot step across one. These differences are k * U / 4 with |k| <= 6, that is, three
// significant bits: a tail that has ones below its two highest fraction bits is no such case. The others are settled
// in nearMidpoint.
//
// No flag but NX: a result is below 2^1001; and if c is below 2^-502 it is close to the product, else a multiple of
// 2^-606, so that it is zero exactly or not tiny.

const FMA_SMALLEST_PRODUCT: f64 = 3.054936363499605e-151; // 2^-500
const FMA_LARGEST_SUM: f64 = 3.273390607896142e150; // 2^500

/** Bits of a fraction that are zero in every difference of a midpoint and a sum. */
const BELOW_MIDPOINT: u64 = 0x0003ffffffffffff;

/** The upper 26 bits of a significand, rounded half up; what is left fits into 26 bits and a sign. */
@inline
function upperHalf(a: u64): f64 {
  return reinterpret<f64>((a + 0x0000000004000000) & 0xfffffffff8000000);
}

/** Step 3 with the tail rounded to odd: of the two neighbours of an inexact value, the one whose last bit is one. */
function nearMidpoint(sum: f64, tail: f64, sumError: f64, productError: f64): u64 {
  const recovered = tail - sumError;
  const lost = sumError - (tail - recovered) + (productError - recovered);
  let bits = reinterpret<u64>(tail);
  // The next pattern is away from zero, the previous one towards it. An inexact tail is never zero.
  if (lost != 0.0 && (bits & 1) == 0) bits += lost > 0.0 == tail > 0.0 ? 1 : -1;
  return reinterpret<u64>(sum + reinterpret<f64>(bits));
}

/** Outside the guard. A zero factor with finite operands is common, and leaves nothing to round. */
function f64_fma_unguarded(a: u64, b: u64, c: u64, flags: usize): u64 {
  if (a << 1 == 0 || b << 1 == 0) {
    const sum = reinterpret<f64>(a) * reinterpret<f64>(b) + reinterpret<f64>(c);
    if (Math.abs(sum) < Infinity) return reinterpret<u64>(sum);
  }
  return f64_fma(a, b, c, RNE, flags);
}

export function f64_fma_rne(a: u64, b: u64, c: u64, flags: usize): u64 {
  const factorA = reinterpret<f64>(a);
  const factorB = reinterpret<f64>(b);
  const addend = reinterpret<f64>(c);
  const product = factorA * factorB;
  const reach = Math.abs(factorA) + Math.abs(factorB) + Math.abs(addend);
  if (!(Math.abs(product) >= FMA_SMALLEST_PRODUCT && reach <= FMA_LARGEST_SUM)) {
    return f64_fma_unguarded(a, b, c, flags);
  }
  const upperA = upperHalf(a);
  const lowerA = factorA - upperA;
  const upperB = upperHalf(b);
  const lowerB = factorB - upperB;
  const productError = lowerA * lowerB - (product - upperA * upperB - lowerA * upperB - upperA * lowerB);

  const sum = product + addend;
  const recovered = sum - product;
  const sumError = product - (sum - recovered) + (addend - recovered);

  const tail = sumError + productError;
  if ((reinterpret<u64>(tail) & BELOW_MIDPOINT) == 0) {
    return nearMidpoint(sum, tail, sumError, productError);
  }
  return reinterpret<u64>(sum + tail);
}

// ---- Fused multiply-add, binary32 ----
//
// The product is exact as f64, the sum s of product and c is rounded to 53 bits there, and neither overflows nor
// underflows. Rounding s to 24 bits is rounding the exact sum, unless s is the midpoint of two neighbouring normal
// results (a midpoint is an f64, and RN is monotonic): then the error of the sum decides. A result above the smallest
// normal and finite raises nothing but NX. A sum of zero is exact, as both terms are multiples of 2^-298.

/** When s may be a midpoint, or the result is subnormal, zero, infinite or NaN. */
function f32_fma_rare(a: u32, b: u32, c: u32, product: f64, sum: f64, flags: usize): u32 {
  const addend = <f64>reinterpret<f32>(c);
  if (sum == 0.0) return reinterpret<u32>(<f32>sum);
  if (!(Math.abs(sum) < Infinity)) return f32_fma(a, b, c, RNE, flags);
  const recovered = sum - product;
  const lost = product - (sum - recovered) + (addend - recovered);
  let bits = reinterpret<u64>(sum);
  if (lost != 0.0 && (bits & 1) == 0) bits += lost > 0.0 == sum > 0.0 ? 1 : -1;
  const result = <f32>reinterpret<f64>(bits);
  const magnitude = Mathf.abs(result);
  if (magnitude > SMALLEST_NORMAL_32 && magnitude < <f32>Infinity) return reinterpret<u32>(result);
  return f32_fma(a, b, c, RNE, flags);
}

export function f32_fma_rne(a: u32, b: u32, c: u32, flags: usize): u32 {
  const product = <f64>reinterpret<f32>(a) * <f64>reinterpret<f32>(b);
  const sum = product + <f64>reinterpret<f32>(c);
  const result = <f32>sum;
  const magnitude = Mathf.abs(result);
  // Of the 29 bits that a binary32 result drops, a midpoint has only the highest set.
  if (
    (reinterpret<u64>(sum) & 0x1fffffff) != 0x10000000 &&
    magnitude > SMALLEST_NORMAL_32 &&
    magnitude < <f32>Infinity
  ) {
    return reinterpret<u32>(result);
  }
  return f32_fma_rare(a, b, c, product, sum, flags);
}
