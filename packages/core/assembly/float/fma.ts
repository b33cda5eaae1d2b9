// Fused multiply-add, exact, in every rounding mode: a * b + c with one rounding. The four RISC-V instructions differ
// only in the signs of the product and of c, which callers flip beforehand. fast.ts has the short cut that most
// executions take.

import {
  NV,
  cancelledZero,
  canonicalNaN,
  exponentOf,
  infinity,
  invalid,
  isNaNPattern,
  isSignaling,
  magnitudeOf,
  raise,
  signAt,
  signOf,
  significandOf,
} from "./format";
import { multiplyHigh } from "./multiply";
import { roundPack, shiftRightSticky } from "./round_pack";

/** The result when an operand is infinite or NaN. */
function fmaSpecial<T>(a: T, b: T, c: T, flags: usize): T {
  const magnitudeA = magnitudeOf<T>(a);
  const magnitudeB = magnitudeOf<T>(b);
  // Infinity times zero is invalid even if c is a quiet NaN (Unprivileged ISA 20191213, 11.6).
  const noProduct =
    (magnitudeA == infinity<T>() && magnitudeB == 0) || (magnitudeA == 0 && magnitudeB == infinity<T>());
  if (noProduct || isSignaling<T>(a) || isSignaling<T>(b) || isSignaling<T>(c)) raise(flags, NV);
  if (noProduct || isNaNPattern<T>(a) || isNaNPattern<T>(b) || isNaNPattern<T>(c)) return canonicalNaN<T>();

  if (magnitudeA == infinity<T>() || magnitudeB == infinity<T>()) {
    const product = signAt<T>(signOf<T>(a ^ b)) | infinity<T>();
    return magnitudeOf<T>(c) == infinity<T>() && c != product ? invalid<T>(flags) : product;
  }
  return c;
}

// The sums below hold the product P and the addend C in fixed point of 64 or 128 bits with the top bit free, aligned
// so that the next bit stands for 2^exponent, the larger of the two. P has its leading one there or one place below.
// The operand with the smaller exponent is shifted right, its lost bits kept as a sticky one. If any are lost the
// other is larger by more than the precision of the result, so that a difference loses at most two leading places and
// the sticky bit stays far below the half-way bit.

function sum64(
  sign: u32,
  signC: u32,
  a: u64,
  b: u64,
  exponentP: i32,
  c: u64,
  exponentC: i32,
  rm: u32,
  flags: usize,
): u64 {
  // Leading one of the product at bit 126 or 125; the addend's at 126.
  const scaled = a >> 1;
  let high = multiplyHigh(scaled, b);
  let low = scaled * b;
  let highC = c >> 1;
  let lowC: u64 = 0;
  let exponent = exponentP;
  if (exponentP >= exponentC) {
    const distance: u32 = exponentP - exponentC;
    if (distance < 64) {
      lowC = distance == 0 ? 0 : highC << (64 - distance);
      highC >>= distance;
    } else {
      lowC = shiftRightSticky(highC, distance - 64);
      highC = 0;
    }
  } else {
    exponent = exponentC;
    const distance: u32 = exponentC - exponentP;
    if (distance < 64) {
      low = (high << (64 - distance)) | shiftRightSticky(low, distance);
      high >>= distance;
    } else {
      low = shiftRightSticky(high, distance - 64) | u64(low != 0);
      high = 0;
    }
  }

  if (sign == signC) {
    low += lowC;
    high += highC + u64(low < lowC);
  } else {
    const borrow = u64(low < lowC);
    low -= lowC;
    high -= highC + borrow;
    if (<i64>high < 0) {
      sign ^= 1;
      low = 0 - low;
      high = ~high + u64(low == 0);
    }
  }

  if (high == 0) {
    if (low == 0) return cancelledZero<u64>(rm);
    high = low;
    low = 0;
    exponent -= 64;
  }
  const places = clz<u64>(high);
  if (places != 0) {
    high = (high << places) | (low >> (64 - places));
    low <<= places;
  }
  return roundPack<u64>(sign, exponent + 1 - <i32>places, high | u64(low != 0), rm, flags);
}

function sumNarrow<T>(
  sign: u32,
  signC: u32,
  a: u64,
  b: u64,
  exponentP: i32,
  c: u64,
  exponentC: i32,
  rm: u32,
  flags: usize,
): T {
  // 24 by 24 bits, or fewer, leave the leading one of the product at bit 62 or 61; the addend's at 62.
  let product = (a >> 33) * (b >> 32);
  let addend = c >> 1;
  let exponent = exponentP;
  if (exponentP >= exponentC) {
    addend = shiftRightSticky(addend, exponentP - exponentC);
  } else {
    exponent = exponentC;
    product = shiftRightSticky(product, exponentC - exponentP);
  }
  let sum: u64;
  if (sign == signC) {
    sum = product + addend;
  } else {
    sum = product - addend;
    if (<i64>sum < 0) {
      sign ^= 1;
      sum = 0 - sum;
    }
    if (sum == 0) return cancelledZero<T>(rm);
  }
  const places = clz<u64>(sum);
  return roundPack<T>(sign, exponent + 1 - <i32>places, sum << places, rm, flags);
}

@inline
function fusedMultiplyAdd<T>(a: T, b: T, c: T, rm: u32, flags: usize): T {
  const magnitudeA = magnitudeOf<T>(a);
  const magnitudeB = magnitudeOf<T>(b);
  const magnitudeC = magnitudeOf<T>(c);
  if (magnitudeA >= infinity<T>() || magnitudeB >= infinity<T>() || magnitudeC >= infinity<T>()) {
    return fmaSpecial<T>(a, b, c, flags);
  }
  const sign = signOf<T>(a ^ b);
  const signC = signOf<T>(c);
  if (magnitudeA == 0 || magnitudeB == 0) {
    return magnitudeC == 0 && sign != signC ? cancelledZero<T>(rm) : c;
  }

  const exponentP = exponentOf<T>(a) + exponentOf<T>(b) + 1;
  let exponentC = exponentP;
  let significandC: u64 = 0;
  if (magnitudeC != 0) {
    exponentC = exponentOf<T>(c);
    significandC = significandOf<T>(c);
  }
  if (sizeof<T>() == 8) {
    return <T>(
      sum64(sign, signC, significandOf<T>(a), significandOf<T>(b), exponentP, significandC, exponentC, rm, flags)
    );
  } else {
    return sumNarrow<T>(
      sign, signC, significandOf<T>(a), significandOf<T>(b), exponentP, significandC, exponentC, rm, flags,
    );
  }
}

export function f64_fma(a: u64, b: u64, c: u64, rm: u32, flags: usize): u64 {
  return fusedMultiplyAdd<u64>(a, b, c, rm, flags);
}

export function f32_fma(a: u32, b: u32, c: u32, rm: u32, flags: usize): u32 {
  return fusedMultiplyAdd<u32>(a, b, c, rm, flags);
}

export function f16_fma(a: u16, b: u16, c: u16, rm: u32, flags: usize): u16 {
  return fusedMultiplyAdd<u16>(a, b, c, rm, flags);
}
