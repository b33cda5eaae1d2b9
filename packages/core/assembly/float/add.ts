// Addition and subtraction, exact, in every rounding mode.

import {
  biasedExponentOf,
  bias,
  cancelledZero,
  fractionBits,
  infinity,
  invalid,
  magnitudeOf,
  propagateNaN,
  signBit,
  signOf,
} from "./format";
import { roundPack, shiftRightSticky } from "./round_pack";

/** The significand with the place of the hidden one at bit 62, which leaves room for a carry; subnormals as they are. */
@inline
function addend<T>(a: T, biased: i32): u64 {
  const fraction = (<u64>a & (((<u64>1) << fractionBits<T>()) - 1)) << (62 - fractionBits<T>());
  return fraction | ((<u64>(biased != 0)) << 62);
}

function add<T>(a: T, b: T, rm: u32, flags: usize): T {
  // The larger magnitude comes first; it decides the sign, and any NaN or infinity is there.
  if (magnitudeOf<T>(a) < magnitudeOf<T>(b)) {
    const swap = a;
    a = b;
    b = swap;
  }
  const larger = magnitudeOf<T>(a);
  const smaller = magnitudeOf<T>(b);
  const differ = signOf<T>(a ^ b);
  if (larger >= infinity<T>()) {
    if (larger > infinity<T>()) return propagateNaN<T>(a, b, flags);
    return differ != 0 && smaller == infinity<T>() ? invalid<T>(flags) : a;
  }
  if (smaller == 0) return larger == 0 && differ != 0 ? cancelledZero<T>(rm) : a;

  const biasedA = biasedExponentOf<T>(a);
  const biasedB = biasedExponentOf<T>(b);
  const exponentA = biasedA + i32(biasedA == 0);
  const exponentB = biasedB + i32(biasedB == 0);
  const first = addend<T>(a, biasedA);
  // When bits are lost to the sticky one the exponents differ by 10 or more, and a difference then loses at most one
  // leading place: the sticky bit stays below the half-way bit.
  const second = shiftRightSticky(addend<T>(b, biasedB), exponentA - exponentB);
  const sum = differ != 0 ? first - second : first + second;
  if (sum == 0) return cancelledZero<T>(rm);
  const places = clz<u64>(sum);
  return roundPack<T>(signOf<T>(a), exponentA - bias<T>() + 1 - <i32>places, sum << places, rm, flags);
}

export function f64_add(a: u64, b: u64, rm: u32, flags: usize): u64 {
  return add<u64>(a, b, rm, flags);
}

export function f64_sub(a: u64, b: u64, rm: u32, flags: usize): u64 {
  return add<u64>(a, b ^ signBit<u64>(), rm, flags);
}

export function f32_add(a: u32, b: u32, rm: u32, flags: usize): u32 {
  return add<u32>(a, b, rm, flags);
}

export function f32_sub(a: u32, b: u32, rm: u32, flags: usize): u32 {
  return add<u32>(a, b ^ signBit<u32>(), rm, flags);
}

export function f16_add(a: u16, b: u16, rm: u32, flags: usize): u16 {
  return add<u16>(a, b, rm, flags);
}

export function f16_sub(a: u16, b: u16, rm: u32, flags: usize): u16 {
  return add<u16>(a, b ^ signBit<u16>(), rm, flags);
}
