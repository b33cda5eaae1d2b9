/**
 * The S-boxes of AES and SM4, on sixteen bytes at once: an inversion in GF(2^8)
 * by look-ups of nibbles in vector registers. No address depends on a value, as
 * Zkt asks: tables are loaded whole. `src/engine/crypto-tables.ts` derives
 * them, says why this is the inversion, and names its parts.
 */
import { CRYPTO_INVERSES, CRYPTO_LOW_NIBBLES, CRYPTO_QUOTIENTS } from "../generated/layout";

/** Rows of the tables of an S-box. */
const LOW: usize = 0;
const HIGH: usize = 16;
export const AFTER: usize = 32; // two rows
const CONSTANT: usize = 64;

/** The coordinates of each byte: i is the upper nibble, k the lower. */
// @ts-ignore: decorator
@inline
export function coordinates(bytes: v128, box: usize): v128 {
  const byLow = i8x16.swizzle(v128.load(box, LOW), v128.and(bytes, v128.load(CRYPTO_LOW_NIBBLES)));
  return v128.xor(byLow, i8x16.swizzle(v128.load(box, HIGH), upperNibbles(bytes)));
}

// @ts-ignore: decorator
@inline
function upperNibbles(bytes: v128): v128 {
  return i16x8.shr_u(v128.andnot(bytes, v128.load(CRYPTO_LOW_NIBBLES)), 4);
}

/** 1 / (1 / first + a / k) + second. */
// @ts-ignore: decorator
@inline
function fraction(first: v128, k: v128, second: v128): v128 {
  const inverses = v128.load(CRYPTO_INVERSES);
  const quotient = i8x16.swizzle(v128.load(CRYPTO_QUOTIENTS), k);
  return v128.xor(i8x16.swizzle(inverses, v128.xor(i8x16.swizzle(inverses, first), quotient)), second);
}

/** p, from the coordinates. */
// @ts-ignore: decorator
@inline
export function fractionP(coordinates: v128): v128 {
  const i = upperNibbles(coordinates);
  const k = v128.and(coordinates, v128.load(CRYPTO_LOW_NIBBLES));
  return fraction(i, k, v128.xor(i, k));
}

/** And q; what both need is computed once where they are inlined. */
// @ts-ignore: decorator
@inline
export function fractionQ(coordinates: v128): v128 {
  const i = upperNibbles(coordinates);
  const k = v128.and(coordinates, v128.load(CRYPTO_LOW_NIBBLES));
  return fraction(v128.xor(i, k), k, i);
}

/** The inverse through the linear map whose tables lie at a (constant) address. */
// @ts-ignore: decorator
@inline
export function combine(p: v128, q: v128, map: usize): v128 {
  return v128.xor(i8x16.swizzle(v128.load(map), p), i8x16.swizzle(v128.load(map, 16), q));
}

/** Each byte through the S-box whose tables lie at a (constant) address, without the constant of its last affine map. */
@inline
export function substituteLinear(bytes: v128, box: usize): v128 {
  const at = coordinates(bytes, box);
  return combine(fractionP(at), fractionQ(at), box + AFTER);
}

/** Each byte through the S-box. */
@inline
export function substitute(bytes: v128, box: usize): v128 {
  return v128.xor(substituteLinear(bytes, box), v128.load(box, CONSTANT));
}
