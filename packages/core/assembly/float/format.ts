// What an IEEE 754 binary format is, and how a value of it is taken apart. Every routine of this folder is generic
// over the integer type that carries the bit pattern: u16 is binary16 (Zfh), u32 binary32 (F), u64 binary64 (D).
// Nothing here rounds; see round_pack.ts.
//
// A finite nonzero value is worked on as (sign, exponent, significand): significand is a u64 whose bit 63 is the
// leading one, and the magnitude is significand * 2^(exponent - 63). Subnormal operands are normalised on the way in,
// so no routine but round_pack knows that they exist.

/** Inexact. The five flags have their places in `fcsr` (Unprivileged ISA 20191213, 11.2). */
export const NX: u32 = 1;
/** Underflow. */
export const UF: u32 = 2;
/** Overflow. */
export const OF: u32 = 4;
/** Divide by zero. */
export const DZ: u32 = 8;
/** Invalid operation. */
export const NV: u32 = 16;

/** Round to nearest, ties to even. The five modes are the encodings of `frm` (Unprivileged ISA 20191213, 11.2). */
export const RNE: u32 = 0;
/** Round towards zero. */
export const RTZ: u32 = 1;
/** Round down, towards -infinity. */
export const RDN: u32 = 2;
/** Round up, towards +infinity. */
export const RUP: u32 = 3;
/** Round to nearest, ties away from zero. */
export const RMM: u32 = 4;

@inline
export function raise(flags: usize, bits: u32): void {
  store<u32>(flags, load<u32>(flags) | bits);
}

@inline
export function fractionBits<T>(): i32 {
  return sizeof<T>() == 8 ? 52 : sizeof<T>() == 4 ? 23 : 10;
}

/** The biased exponent of infinities and NaNs: all ones. */
@inline
export function exponentOnes<T>(): i32 {
  return sizeof<T>() == 8 ? 0x7ff : sizeof<T>() == 4 ? 0xff : 0x1f;
}

@inline
export function bias<T>(): i32 {
  return sizeof<T>() == 8 ? 1023 : sizeof<T>() == 4 ? 127 : 15;
}

@inline
export function signBit<T>(): T {
  return <T>(sizeof<T>() == 8 ? 0x8000000000000000 : sizeof<T>() == 4 ? 0x80000000 : 0x8000);
}

/** +infinity; the pattern of every NaN, its sign cleared, is greater. */
@inline
export function infinity<T>(): T {
  return <T>(sizeof<T>() == 8 ? 0x7ff0000000000000 : sizeof<T>() == 4 ? 0x7f800000 : 0x7c00);
}

/** The NaN that every RISC-V operation returns (Unprivileged ISA 20191213, 11.3). */
@inline
export function canonicalNaN<T>(): T {
  return <T>(sizeof<T>() == 8 ? 0x7ff8000000000000 : sizeof<T>() == 4 ? 0x7fc00000 : 0x7e00);
}

@inline
export function signOf<T>(a: T): u32 {
  return <u32>(a >> <T>(sizeof<T>() * 8 - 1));
}

/** The sign bit in its place for a sign of 0 or 1. */
@inline
export function signAt<T>(sign: u32): T {
  return (<T>sign) << <T>(sizeof<T>() * 8 - 1);
}

@inline
export function magnitudeOf<T>(a: T): T {
  return a & ~signBit<T>();
}

@inline
export function biasedExponentOf<T>(a: T): i32 {
  return <i32>(a >> <T>fractionBits<T>()) & exponentOnes<T>();
}

@inline
export function isNaNPattern<T>(a: T): bool {
  return magnitudeOf<T>(a) > infinity<T>();
}

@inline
export function isSignaling<T>(a: T): bool {
  const quiet: T = (<T>1) << <T>(fractionBits<T>() - 1);
  return isNaNPattern<T>(a) && (a & quiet) == 0;
}

/** The unbiased exponent of a finite nonzero value, as if it had been normalised. */
@inline
export function exponentOf<T>(a: T): i32 {
  const biased = biasedExponentOf<T>(a);
  if (biased != 0) return biased - bias<T>();
  return 1 - bias<T>() - <i32>clz<u64>((<u64>a) << (63 - fractionBits<T>()));
}

/** The significand of a finite nonzero value, its leading one at bit 63. */
@inline
export function significandOf<T>(a: T): u64 {
  // The shift drops the sign and all of the exponent but its lowest bit, which lands on the place of the hidden one.
  const shifted = (<u64>a) << (63 - fractionBits<T>());
  if (biasedExponentOf<T>(a) != 0) return shifted | 0x8000000000000000;
  return shifted << clz<u64>(shifted);
}

/** Canonical NaN for an operation with a NaN among its operands: invalid only if one of them signals. */
export function propagateNaN<T>(a: T, b: T, flags: usize): T {
  if (isSignaling<T>(a) || isSignaling<T>(b)) raise(flags, NV);
  return canonicalNaN<T>();
}

/** Canonical NaN for an operation without a meaningful result, such as infinity - infinity. */
export function invalid<T>(flags: usize): T {
  raise(flags, NV);
  return canonicalNaN<T>();
}

/** The zero of x - x: negative only when rounding down (IEEE 754-2019, 6.3). */
@inline
export function cancelledZero<T>(rm: u32): T {
  return rm == RDN ? signBit<T>() : 0;
}
