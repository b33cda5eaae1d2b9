// Multiplication, exact, in every rounding mode; and the 64 x 64 -> 128 bit product that the fused multiply-add shares.

import {
  exponentOf,
  infinity,
  invalid,
  magnitudeOf,
  propagateNaN,
  signAt,
  signOf,
  significandOf,
} from "./format";
import { roundPack } from "./round_pack";

/** The upper 64 bits of a * b, from four products of 32-bit halves. The lower 64 are plain a * b. */
@inline
export function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  // Neither sum overflows: (2^32 - 1)^2 + 2 * (2^32 - 1) = 2^64 - 1.
  const middle = aHigh * bLow + ((aLow * bLow) >> 32);
  const cross = aLow * bHigh + (middle & 0xffffffff);
  return aHigh * bHigh + (middle >> 32) + (cross >> 32);
}

function multiply<T>(a: T, b: T, rm: u32, flags: usize): T {
  const sign = signOf<T>(a ^ b);
  const magnitudeA = magnitudeOf<T>(a);
  const magnitudeB = magnitudeOf<T>(b);
  if (magnitudeA >= infinity<T>() || magnitudeB >= infinity<T>()) {
    if (magnitudeA > infinity<T>() || magnitudeB > infinity<T>()) return propagateNaN<T>(a, b, flags);
    return magnitudeA == 0 || magnitudeB == 0 ? invalid<T>(flags) : signAt<T>(sign) | infinity<T>();
  }
  if (magnitudeA == 0 || magnitudeB == 0) return signAt<T>(sign);

  const significandA = significandOf<T>(a);
  const significandB = significandOf<T>(b);
  let product: u64;
  if (sizeof<T>() == 8) {
    product = multiplyHigh(significandA, significandB) | u64(significandA * significandB != 0);
  } else {
    // 24 by 24 bits at most: exact in 64.
    product = (significandA >> 32) * (significandB >> 32);
  }
  // The product of two values in [1, 2) lies in [1, 4): bit 63 stands for 2^1.
  const places = clz<u64>(product);
  const exponent = exponentOf<T>(a) + exponentOf<T>(b) + 1 - <i32>places;
  return roundPack<T>(sign, exponent, product << places, rm, flags);
}

export function f64_mul(a: u64, b: u64, rm: u32, flags: usize): u64 {
  return multiply<u64>(a, b, rm, flags);
}

export function f32_mul(a: u32, b: u32, rm: u32, flags: usize): u32 {
  return multiply<u32>(a, b, rm, flags);
}

export function f16_mul(a: u16, b: u16, rm: u32, flags: usize): u16 {
  return multiply<u16>(a, b, rm, flags);
}
