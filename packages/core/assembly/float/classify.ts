// FCLASS: one bit of ten for what a value is (Unprivileged ISA 20191213, table 11.5). Raises nothing.

import { biasedExponentOf, infinity, isNaNPattern, isSignaling, magnitudeOf, signOf } from "./format";

function classify<T>(a: T): u32 {
  if (isNaNPattern<T>(a)) return isSignaling<T>(a) ? 1 << 8 : 1 << 9;
  // Bits 0 to 3 are the negative classes from infinity to zero, bits 4 to 7 the positive ones from zero to infinity.
  const magnitude = magnitudeOf<T>(a);
  const size: u32 = magnitude == infinity<T>() ? 3 : biasedExponentOf<T>(a) != 0 ? 2 : magnitude != 0 ? 1 : 0;
  return 1 << (signOf<T>(a) != 0 ? 3 - size : 4 + size);
}

export function f64_classify(a: u64): u32 {
  return classify<u64>(a);
}

export function f32_classify(a: u32): u32 {
  return classify<u32>(a);
}

export function f16_classify(a: u16): u32 {
  return classify<u16>(a);
}
