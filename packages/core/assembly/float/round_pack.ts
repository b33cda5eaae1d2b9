// The one place that rounds to a floating-point format: every exact routine ends here. Overflow, subnormal results,
// underflow and inexact are decided here and nowhere else.

import { NX, OF, RDN, RMM, RNE, RUP, UF, bias, exponentOnes, fractionBits, infinity, raise, signAt } from "./format";

/** x >> distance; whatever was lost is remembered as a one in bit 0. */
@inline
export function shiftRightSticky(x: u64, distance: u32): u64 {
  if (distance > 63) return u64(x != 0);
  const lost = x & (((<u64>1) << distance) - 1);
  return (x >> distance) | u64(lost != 0);
}

/**
 * What to add to the discarded bits so that a carry out of them means "round the magnitude up". `half` is the weight
 * of the highest discarded bit. Ties under RNE carry too; the caller clears the last bit.
 */
@inline
function roundingIncrement(sign: u32, rm: u32, half: u64): u64 {
  if (rm == RNE || rm == RMM) return half;
  return rm == (sign != 0 ? RDN : RUP) ? half * 2 - 1 : 0;
}

/**
 * The format's value for (-1)^sign * significand * 2^(exponent - 63), rounded once. Bit 63 of the significand must be
 * set; bit 0 may be sticky: the format keeps 53 or 24 bits, so it lies below the half-way bit.
 */
export function roundPack<T>(sign: u32, exponent: i32, significand: u64, rm: u32, flags: usize): T {
  const discarded = 63 - fractionBits<T>();
  const half: u64 = (<u64>1) << (discarded - 1);
  const lowMask: u64 = half * 2 - 1;
  const increment = roundingIncrement(sign, rm, half);
  let biased = exponent + bias<T>();

  // Out of line for most results: the exponent is at an end of its range, or beyond it.
  let tiny = false;
  if (<u32>(biased - 1) >= <u32>(exponentOnes<T>() - 2)) {
    // Adding the increment wraps past bit 63 exactly when rounding to full precision reaches the next power of two.
    const carries = significand + increment < significand;
    if (biased <= 0) {
      // Tininess after rounding (Unprivileged ISA 20191213, 11.2; IEEE 754-2019, 7.5 a): tiny unless rounding with an
      // unbounded exponent reaches the smallest normal.
      tiny = biased < 0 || !carries;
      significand = shiftRightSticky(significand, 1 - biased);
      biased = 1;
    } else if (biased > exponentOnes<T>() - 1 || (biased == exponentOnes<T>() - 1 && carries)) {
      raise(flags, OF | NX);
      // One less than infinity is the largest finite value.
      return signAt<T>(sign) | (infinity<T>() - <T>(increment == 0));
    }
  }

  const low = significand & lowMask;
  // The hidden one of a normal significand adds the last one to the exponent field; a subnormal has none to add, and a
  // carry out of the fraction turns into the next exponent by itself.
  let rounded = (significand >> discarded) + ((low + increment) >> discarded);
  if (rm == RNE && low == half) rounded &= ~(<u64>1);
  if (low != 0) raise(flags, tiny ? UF | NX : NX);
  return signAt<T>(sign) | (((<T>(biased - 1)) << <T>fractionBits<T>()) + <T>rounded);
}
