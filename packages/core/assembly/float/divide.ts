// Division, exact, in every rounding mode. The quotient's 53 bits come from Wasm's own f64.div, which rounds to
// nearest by specification, on operands scaled into [1, 2); the sign of the remainder, in integers, then tells on
// which side of it the exact quotient lies. That is all that rounding in any mode, to any narrower precision, needs
// to know.

import {
  DZ,
  exponentOf,
  infinity,
  invalid,
  magnitudeOf,
  propagateNaN,
  raise,
  signAt,
  signOf,
  significandOf,
} from "./format";
import { roundPack } from "./round_pack";

/**
 * A significand for roundPack from a root or quotient rounded to nearest (`nearest` in [1, 2), not below 1 unless
 * exactly) and the sign of the error it left: the exact value is within half a unit of the last of 53 places, and
 * never at half, so one step of the 64-bit significand up or down stands for it.
 */
@inline
export function nudge(nearest: f64, remainder: i64): u64 {
  const significand = (reinterpret<u64>(nearest) << 11) | 0x8000000000000000;
  return significand + u64(remainder > 0) - u64(remainder < 0);
}

/** The 53-bit integer that `nearest` in [1, 2) is 2^52 times smaller than. */
@inline
export function integerSignificand(nearest: f64): u64 {
  return (reinterpret<u64>(nearest) & 0x000fffffffffffff) | 0x0010000000000000;
}

function divide<T>(a: T, b: T, rm: u32, flags: usize): T {
  const sign = signOf<T>(a ^ b);
  const magnitudeA = magnitudeOf<T>(a);
  const magnitudeB = magnitudeOf<T>(b);
  if (magnitudeA >= infinity<T>() || magnitudeB >= infinity<T>()) {
    if (magnitudeA > infinity<T>() || magnitudeB > infinity<T>()) return propagateNaN<T>(a, b, flags);
    if (magnitudeB < infinity<T>()) return signAt<T>(sign) | infinity<T>();
    return magnitudeA == infinity<T>() ? invalid<T>(flags) : signAt<T>(sign);
  }
  if (magnitudeB == 0) {
    if (magnitudeA == 0) return invalid<T>(flags);
    raise(flags, DZ);
    return signAt<T>(sign) | infinity<T>();
  }
  if (magnitudeA == 0) return signAt<T>(sign);

  let dividend = significandOf<T>(a) >> 11;
  const divisor = significandOf<T>(b) >> 11;
  let exponent = exponentOf<T>(a) - exponentOf<T>(b);
  if (dividend < divisor) {
    dividend <<= 1;
    exponent -= 1;
  }
  // divisor <= dividend < 2 * divisor < 2^54, both exact as f64, and dividend / divisor <= 2 - 1 / divisor < 2 -
  // 2^-53: the rounded quotient is in [1, 2), and is 1 only if the exact one is 1 or more. The remainder is at most
  // divisor / 2 in magnitude, so that it is exact modulo 2^64.
  const quotient = <f64>dividend / <f64>divisor;
  const remainder = <i64>((dividend << 52) - integerSignificand(quotient) * divisor);
  return roundPack<T>(sign, exponent, nudge(quotient, remainder), rm, flags);
}

export function f64_div(a: u64, b: u64, rm: u32, flags: usize): u64 {
  return divide<u64>(a, b, rm, flags);
}

export function f32_div(a: u32, b: u32, rm: u32, flags: usize): u32 {
  return divide<u32>(a, b, rm, flags);
}

export function f16_div(a: u16, b: u16, rm: u32, flags: usize): u16 {
  return divide<u16>(a, b, rm, flags);
}
