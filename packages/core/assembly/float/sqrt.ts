// Square root, exact, in every rounding mode: Wasm's f64.sqrt rounds to nearest by specification, and the sign of
// what is left after squaring tells on which side the exact root lies (see divide.ts, which works the same way).

import {
  exponentOf,
  infinity,
  invalid,
  isNaNPattern,
  magnitudeOf,
  propagateNaN,
  signOf,
  significandOf,
} from "./format";
import { integerSignificand, nudge } from "./divide";
import { roundPack } from "./round_pack";

function squareRoot<T>(a: T, rm: u32, flags: usize): T {
  if (isNaNPattern<T>(a)) return propagateNaN<T>(a, a, flags);
  if (magnitudeOf<T>(a) == 0) return a;
  if (signOf<T>(a) != 0) return invalid<T>(flags);
  if (a == infinity<T>()) return a;

  let radicand = significandOf<T>(a) >> 11;
  let exponent = exponentOf<T>(a);
  if ((exponent & 1) != 0) {
    radicand <<= 1;
    exponent -= 1;
  }
  // radicand / 2^52 is in [1, 4 - 2^-51], exact as f64; its root is below 2 - 2^-53, so that it rounds into [1, 2),
  // and to 1 only if it is 1. The remainder is at most the root in magnitude: exact modulo 2^64.
  const root = Math.sqrt(<f64>radicand * (1.0 / 4503599627370496.0));
  const integerRoot = integerSignificand(root);
  const remainder = <i64>((radicand << 52) - integerRoot * integerRoot);
  return roundPack<T>(0, exponent >> 1, nudge(root, remainder), rm, flags);
}

export function f64_sqrt(a: u64, rm: u32, flags: usize): u64 {
  return squareRoot<u64>(a, rm, flags);
}

export function f32_sqrt(a: u32, rm: u32, flags: usize): u32 {
  return squareRoot<u32>(a, rm, flags);
}

export function f16_sqrt(a: u16, rm: u32, flags: usize): u16 {
  return squareRoot<u16>(a, rm, flags);
}
