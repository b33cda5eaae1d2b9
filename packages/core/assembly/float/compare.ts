// Comparison, minimum and maximum. FEQ is quiet, as are FLTQ and FLEQ; FLT and FLE signal. FMIN and FMAX are IEEE
// 754-2019 minimumNumber and maximumNumber, FMINM and FMAXM are minimum and maximum, all with -0 below +0 (Unprivileged
// ISA 20191213, 11.6 and 11.8; 22.2 and 22.5 of later ones). None of them rounds.

import { NV, canonicalNaN, isNaNPattern, isSignaling, magnitudeOf, propagateNaN, raise, signBit, signOf } from "./format";

/** Whether a < b by sign and magnitude, -0 below +0. Neither may be NaN. */
@inline
function precedes<T>(a: T, b: T): bool {
  // A negative pattern turned over orders below every positive one, and larger magnitudes lower.
  const orderA: T = signOf<T>(a) != 0 ? ~a : a | signBit<T>();
  const orderB: T = signOf<T>(b) != 0 ? ~b : b | signBit<T>();
  return orderA < orderB;
}

@inline
function equal<T>(a: T, b: T): bool {
  return a == b || magnitudeOf<T>(a | b) == 0;
}

function compareEqual<T>(a: T, b: T, flags: usize): u32 {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) {
    if (isSignaling<T>(a) || isSignaling<T>(b)) raise(flags, NV);
    return 0;
  }
  return u32(equal<T>(a, b));
}

function compareLess<T>(a: T, b: T, flags: usize): u32 {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) {
    raise(flags, NV);
    return 0;
  }
  return u32(precedes<T>(a, b) && !equal<T>(a, b));
}

function compareLessOrEqual<T>(a: T, b: T, flags: usize): u32 {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) {
    raise(flags, NV);
    return 0;
  }
  return u32(precedes<T>(a, b) || equal<T>(a, b));
}

/** Whether the order of a and b is the one asked for; like FEQ, invalid only if an operand signals. */
function compareQuietly<T>(a: T, b: T, orEqual: bool, flags: usize): u32 {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) {
    if (isSignaling<T>(a) || isSignaling<T>(b)) raise(flags, NV);
    return 0;
  }
  return u32(equal<T>(a, b) ? orEqual : precedes<T>(a, b));
}

/** The operand to keep when a NaN is among them: the number, or the canonical NaN if there is none. */
function numberOf<T>(a: T, b: T, flags: usize): T {
  if (isSignaling<T>(a) || isSignaling<T>(b)) raise(flags, NV);
  if (!isNaNPattern<T>(a)) return a;
  return isNaNPattern<T>(b) ? canonicalNaN<T>() : b;
}

function minimum<T>(a: T, b: T, flags: usize): T {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) return numberOf<T>(a, b, flags);
  return precedes<T>(a, b) ? a : b;
}

function maximum<T>(a: T, b: T, flags: usize): T {
  if (isNaNPattern<T>(a) || isNaNPattern<T>(b)) return numberOf<T>(a, b, flags);
  return precedes<T>(a, b) ? b : a;
}

export function f64_eq(a: u64, b: u64, flags: usize): u32 {
  return compareEqual<u64>(a, b, flags);
}

export function f64_lt(a: u64, b: u64, flags: usize): u32 {
  return compareLess<u64>(a, b, flags);
}

export function f64_le(a: u64, b: u64, flags: usize): u32 {
  return compareLessOrEqual<u64>(a, b, flags);
}

export function f64_min(a: u64, b: u64, flags: usize): u64 {
  return minimum<u64>(a, b, flags);
}

export function f64_max(a: u64, b: u64, flags: usize): u64 {
  return maximum<u64>(a, b, flags);
}

export function f32_eq(a: u32, b: u32, flags: usize): u32 {
  return compareEqual<u32>(a, b, flags);
}

export function f32_lt(a: u32, b: u32, flags: usize): u32 {
  return compareLess<u32>(a, b, flags);
}

export function f32_le(a: u32, b: u32, flags: usize): u32 {
  return compareLessOrEqual<u32>(a, b, flags);
}

export function f32_min(a: u32, b: u32, flags: usize): u32 {
  return minimum<u32>(a, b, flags);
}

export function f32_max(a: u32, b: u32, flags: usize): u32 {
  return maximum<u32>(a, b, flags);
}

export function f16_eq(a: u16, b: u16, flags: usize): u32 {
  return compareEqual<u16>(a, b, flags);
}

export function f16_lt(a: u16, b: u16, flags: usize): u32 {
  return compareLess<u16>(a, b, flags);
}

export function f16_le(a: u16, b: u16, flags: usize): u32 {
  return compareLessOrEqual<u16>(a, b, flags);
}

export function f16_min(a: u16, b: u16, flags: usize): u16 {
  return minimum<u16>(a, b, flags);
}

export function f16_max(a: u16, b: u16, flags: usize): u16 {
  return maximum<u16>(a, b, flags);
}

export function f64_ltq(a: u64, b: u64, flags: usize): u32 {
  return compareQuietly<u64>(a, b, false, flags);
}

export function f64_leq(a: u64, b: u64, flags: usize): u32 {
  return compareQuietly<u64>(a, b, true, flags);
}

export function f64_minm(a: u64, b: u64, flags: usize): u64 {
  if (isNaNPattern<u64>(a) || isNaNPattern<u64>(b)) return propagateNaN<u64>(a, b, flags);
  return precedes<u64>(a, b) ? a : b;
}

export function f64_maxm(a: u64, b: u64, flags: usize): u64 {
  if (isNaNPattern<u64>(a) || isNaNPattern<u64>(b)) return propagateNaN<u64>(a, b, flags);
  return precedes<u64>(a, b) ? b : a;
}

export function f32_ltq(a: u32, b: u32, flags: usize): u32 {
  return compareQuietly<u32>(a, b, false, flags);
}

export function f32_leq(a: u32, b: u32, flags: usize): u32 {
  return compareQuietly<u32>(a, b, true, flags);
}

export function f32_minm(a: u32, b: u32, flags: usize): u32 {
  if (isNaNPattern<u32>(a) || isNaNPattern<u32>(b)) return propagateNaN<u32>(a, b, flags);
  return precedes<u32>(a, b) ? a : b;
}

export function f32_maxm(a: u32, b: u32, flags: usize): u32 {
  if (isNaNPattern<u32>(a) || isNaNPattern<u32>(b)) return propagateNaN<u32>(a, b, flags);
  return precedes<u32>(a, b) ? b : a;
}

export function f16_ltq(a: u16, b: u16, flags: usize): u32 {
  return compareQuietly<u16>(a, b, false, flags);
}

export function f16_leq(a: u16, b: u16, flags: usize): u32 {
  return compareQuietly<u16>(a, b, true, flags);
}

export function f16_minm(a: u16, b: u16, flags: usize): u16 {
  if (isNaNPattern<u16>(a) || isNaNPattern<u16>(b)) return propagateNaN<u16>(a, b, flags);
  return precedes<u16>(a, b) ? a : b;
}

export function f16_maxm(a: u16, b: u16, flags: usize): u16 {
  if (isNaNPattern<u16>(a) || isNaNPattern<u16>(b)) return propagateNaN<u16>(a, b, flags);
  return precedes<u16>(a, b) ? b : a;
}
