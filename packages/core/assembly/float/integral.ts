// FROUND and FROUNDNX: to an integer of the same format (Unprivileged ISA 22.3).

import {
  NX,
  bias,
  exponentOf,
  fractionBits,
  isNaNPattern,
  magnitudeOf,
  propagateNaN,
  raise,
  signAt,
  signOf,
  significandOf,
} from "./format";
import { roundsUp } from "./convert";

/** The integer nearest to a in the rounding direction, with a's sign if it is zero; raises `inexact` if it is not a. */
function roundToIntegral<T>(a: T, rm: u32, inexact: u32, flags: usize): T {
  if (isNaNPattern<T>(a)) return propagateNaN<T>(a, a, flags);
  if (magnitudeOf<T>(a) == 0) return a;
  const sign = signOf<T>(a);
  const exponent = exponentOf<T>(a);
  if (exponent < 0) {
    raise(flags, inexact);
    // Below a half only that it is not zero matters.
    const up = roundsUp(sign, 0, exponent == -1 ? significandOf<T>(a) : 1, rm);
    return signAt<T>(sign) | (up ? (<T>bias<T>()) << <T>fractionBits<T>() : 0);
  }
  const places = fractionBits<T>() - exponent;
  if (places <= 0) return a; // infinities, too
  const unit: T = (<T>1) << <T>places;
  const fraction: T = a & (unit - 1);
  if (fraction == 0) return a;
  raise(flags, inexact);
  const integer: T = a - fraction;
  // Of values below 2 the unit's place is that of the exponent's lowest bit: as odd as the hidden one, biases being odd.
  const odd = <u64>(integer >> <T>places) & 1;
  // A carry out of the fraction turns into the next exponent by itself.
  return roundsUp(sign, odd, (<u64>fraction) << (64 - places), rm) ? integer + unit : integer;
}

export function f64_round(a: u64, rm: u32, flags: usize): u64 {
  return roundToIntegral<u64>(a, rm, 0, flags);
}

export function f64_roundnx(a: u64, rm: u32, flags: usize): u64 {
  return roundToIntegral<u64>(a, rm, NX, flags);
}

export function f32_round(a: u32, rm: u32, flags: usize): u32 {
  return roundToIntegral<u32>(a, rm, 0, flags);
}

export function f32_roundnx(a: u32, rm: u32, flags: usize): u32 {
  return roundToIntegral<u32>(a, rm, NX, flags);
}

export function f16_round(a: u16, rm: u32, flags: usize): u16 {
  return roundToIntegral<u16>(a, rm, 0, flags);
}

export function f16_roundnx(a: u16, rm: u32, flags: usize): u16 {
  return roundToIntegral<u16>(a, rm, NX, flags);
}
