// Conversions between the three formats, and between them and integers of 32 and 64 bits. Integer results are what RV64
// writes to an x register: 32-bit ones sign-extended, unsigned ones included, and saturated with the invalid flag
// when the value has no integer in range (Unprivileged ISA 20191213, 11.7 and table 11.4).

import {
  NV,
  NX,
  RDN,
  RMM,
  RNE,
  RTZ,
  RUP,
  canonicalNaN,
  exponentOf,
  infinity,
  isNaNPattern,
  isSignaling,
  magnitudeOf,
  raise,
  signAt,
  signOf,
  significandOf,
} from "./format";
import { roundPack } from "./round_pack";

const HALF: u64 = 0x8000000000000000;

/** Whether to round a magnitude up; `odd` is the last bit of its integer part, `fraction` / 2^64 the rest, not zero. */
@inline
export function roundsUp(sign: u32, odd: u64, fraction: u64, rm: u32): bool {
  if (rm == RNE) return fraction > HALF || (fraction == HALF && odd != 0);
  if (rm == RMM) return fraction >= HALF;
  return rm == (sign != 0 ? RDN : RUP);
}

/**
 * The integer nearest to a in the rounding direction. `largest` and `smallest` are the magnitudes of the greatest and
 * the least integer in range; the result is in two's complement of 64 bits.
 */
function toInteger<T>(a: T, largest: u64, smallest: u64, rm: u32, flags: usize): u64 {
  if (isNaNPattern<T>(a)) {
    raise(flags, NV);
    return largest;
  }
  if (magnitudeOf<T>(a) == 0) return 0;
  const sign = signOf<T>(a);
  const limit = sign != 0 ? smallest : largest;
  const saturated = sign != 0 ? 0 - smallest : largest;
  if (magnitudeOf<T>(a) == infinity<T>()) {
    raise(flags, NV);
    return saturated;
  }
  const exponent = exponentOf<T>(a);
  if (exponent > 63) {
    raise(flags, NV);
    return saturated;
  }

  const significand = significandOf<T>(a);
  let integer: u64 = 0;
  let fraction: u64 = 0;
  if (exponent >= 0) {
    integer = significand >> (63 - exponent);
    fraction = exponent == 63 ? 0 : significand << (exponent + 1);
  } else {
    // Below a half only that it is not zero matters.
    fraction = exponent == -1 ? significand : 1;
  }
  // Cannot wrap: a significand of 53 bits with a fraction leaves an integer part below 2^53.
  if (fraction != 0 && roundsUp(sign, integer & 1, fraction, rm)) integer += 1;
  if (integer > limit) {
    raise(flags, NV);
    return saturated;
  }
  if (fraction != 0) raise(flags, NX);
  return sign != 0 ? 0 - integer : integer;
}

@inline
function toI32<T>(a: T, rm: u32, flags: usize): u64 {
  return toInteger<T>(a, 0x7fffffff, 0x80000000, rm, flags);
}

@inline
function toU32<T>(a: T, rm: u32, flags: usize): u64 {
  return <u64>(<i64>(<i32>toInteger<T>(a, 0xffffffff, 0, rm, flags)));
}

@inline
function toI64<T>(a: T, rm: u32, flags: usize): u64 {
  return toInteger<T>(a, 0x7fffffffffffffff, 0x8000000000000000, rm, flags);
}

@inline
function toU64<T>(a: T, rm: u32, flags: usize): u64 {
  return toInteger<T>(a, 0xffffffffffffffff, 0, rm, flags);
}

function fromMagnitude<T>(sign: u32, magnitude: u64, rm: u32, flags: usize): T {
  if (magnitude == 0) return 0;
  const places = clz<u64>(magnitude);
  return roundPack<T>(sign, 63 - <i32>places, magnitude << places, rm, flags);
}

@inline
function fromI64<T>(a: i64, rm: u32, flags: usize): T {
  return fromMagnitude<T>(u32(a < 0), <u64>(a < 0 ? 0 - a : a), rm, flags);
}

export function f64_to_i32(a: u64, rm: u32, flags: usize): u64 {
  return toI32<u64>(a, rm, flags);
}

export function f64_to_u32(a: u64, rm: u32, flags: usize): u64 {
  return toU32<u64>(a, rm, flags);
}

export function f64_to_i64(a: u64, rm: u32, flags: usize): u64 {
  return toI64<u64>(a, rm, flags);
}

export function f64_to_u64(a: u64, rm: u32, flags: usize): u64 {
  return toU64<u64>(a, rm, flags);
}

/** The integer modulo 2^32, rounded towards zero, with the flags of `f64_to_i32` (Unprivileged ISA 22.4: FCVTMOD.W.D). */
export function f64_wrap_i32(a: u64, flags: usize): u64 {
  toI32<u64>(a, RTZ, flags);
  const magnitude = magnitudeOf<u64>(a);
  if (magnitude == 0 || magnitude >= infinity<u64>()) return 0;
  const exponent = exponentOf<u64>(a);
  if (exponent < 0 || exponent > 63 + 31) return 0;
  const significand = significandOf<u64>(a);
  const integer = exponent <= 63 ? significand >> (63 - exponent) : significand << (exponent - 63);
  return <u64>(<i64>(<i32>(signOf<u64>(a) != 0 ? 0 - integer : integer)));
}

export function f32_to_i32(a: u32, rm: u32, flags: usize): u64 {
  return toI32<u32>(a, rm, flags);
}

export function f32_to_u32(a: u32, rm: u32, flags: usize): u64 {
  return toU32<u32>(a, rm, flags);
}

export function f32_to_i64(a: u32, rm: u32, flags: usize): u64 {
  return toI64<u32>(a, rm, flags);
}

export function f32_to_u64(a: u32, rm: u32, flags: usize): u64 {
  return toU64<u32>(a, rm, flags);
}

export function f16_to_i32(a: u16, rm: u32, flags: usize): u64 {
  return toI32<u16>(a, rm, flags);
}

export function f16_to_u32(a: u16, rm: u32, flags: usize): u64 {
  return toU32<u16>(a, rm, flags);
}

export function f16_to_i64(a: u16, rm: u32, flags: usize): u64 {
  return toI64<u16>(a, rm, flags);
}

export function f16_to_u64(a: u16, rm: u32, flags: usize): u64 {
  return toU64<u16>(a, rm, flags);
}

// Every 32-bit integer is a binary64 value: rm and flags are there so that all of these have one shape.

export function i32_to_f64(a: i32, rm: u32, flags: usize): u64 {
  return reinterpret<u64>(<f64>a);
}

export function u32_to_f64(a: u32, rm: u32, flags: usize): u64 {
  return reinterpret<u64>(<f64>a);
}

export function i64_to_f64(a: i64, rm: u32, flags: usize): u64 {
  return fromI64<u64>(a, rm, flags);
}

export function u64_to_f64(a: u64, rm: u32, flags: usize): u64 {
  return fromMagnitude<u64>(0, a, rm, flags);
}

export function i32_to_f32(a: i32, rm: u32, flags: usize): u32 {
  return fromI64<u32>(a, rm, flags);
}

export function u32_to_f32(a: u32, rm: u32, flags: usize): u32 {
  return fromMagnitude<u32>(0, a, rm, flags);
}

export function i64_to_f32(a: i64, rm: u32, flags: usize): u32 {
  return fromI64<u32>(a, rm, flags);
}

export function u64_to_f32(a: u64, rm: u32, flags: usize): u32 {
  return fromMagnitude<u32>(0, a, rm, flags);
}

export function i32_to_f16(a: i32, rm: u32, flags: usize): u16 {
  return fromI64<u16>(a, rm, flags);
}

export function u32_to_f16(a: u32, rm: u32, flags: usize): u16 {
  return fromMagnitude<u16>(0, a, rm, flags);
}

export function i64_to_f16(a: i64, rm: u32, flags: usize): u16 {
  return fromI64<u16>(a, rm, flags);
}

export function u64_to_f16(a: u64, rm: u32, flags: usize): u16 {
  return fromMagnitude<u16>(0, a, rm, flags);
}

/** A value in another format, rounded once. */
function convert<From, To>(a: From, rm: u32, flags: usize): To {
  const sign = signOf<From>(a);
  const magnitude = magnitudeOf<From>(a);
  if (magnitude >= infinity<From>()) {
    if (magnitude == infinity<From>()) return signAt<To>(sign) | infinity<To>();
    if (isSignaling<From>(a)) raise(flags, NV);
    return canonicalNaN<To>();
  }
  if (magnitude == 0) return signAt<To>(sign);
  return roundPack<To>(sign, exponentOf<From>(a), significandOf<From>(a), rm, flags);
}

export function f64_to_f32(a: u64, rm: u32, flags: usize): u32 {
  return convert<u64, u32>(a, rm, flags);
}

export function f64_to_f16(a: u64, rm: u32, flags: usize): u16 {
  return convert<u64, u16>(a, rm, flags);
}

export function f32_to_f16(a: u32, rm: u32, flags: usize): u16 {
  return convert<u32, u16>(a, rm, flags);
}

// To a wider format every conversion is exact, so these take no rounding mode.

export function f32_to_f64(a: u32, flags: usize): u64 {
  if (isNaNPattern<u32>(a)) {
    if (isSignaling<u32>(a)) raise(flags, NV);
    return canonicalNaN<u64>();
  }
  return reinterpret<u64>(<f64>reinterpret<f32>(a));
}

export function f16_to_f32(a: u16, flags: usize): u32 {
  return convert<u16, u32>(a, RNE, flags);
}

export function f16_to_f64(a: u16, flags: usize): u64 {
  return convert<u16, u64>(a, RNE, flags);
}
