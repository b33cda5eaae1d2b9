/**
 * The S-boxes of AES and SM4, on sixteen bytes at once: an inversion in GF(2^8)
 * by look-ups of nibbles in vector registers. No address depends on a value, as
 * Zkt asks: tables are loaded whole. `src/engine/crypto-tables.ts` derives
 * them, and says why this is the inversion.
 */
import { CRYPTO_INVERSES, CRYPTO_LOW_NIBBLES, CRYPTO_QUOTIENTS } from "../generated/layout";

/** Rows of the tables of an S-box. */
const LOW: usize = 0;
const HIGH: usize = 16;
const BY_P: usize = 32;
const BY_Q: usize = 48;
const CONSTANT: usize = 64;

/** Each byte through the S-box whose tables lie at a (constant) address, without the constant of its last affine map. */
// @ts-ignore: decorator
@inline
export function substituteLinear(bytes: v128, box: usize): v128 {
  const lowNibbles = v128.load(CRYPTO_LOW_NIBBLES);
  const inverses = v128.load(CRYPTO_INVERSES);
  const byLow = i8x16.swizzle(v128.load(box, LOW), v128.and(bytes, lowNibbles));
  const byHigh = i8x16.swizzle(v128.load(box, HIGH), i16x8.shr_u(v128.andnot(bytes, lowNibbles), 4));
  const coordinates = v128.xor(byLow, byHigh);
  const i = i16x8.shr_u(v128.andnot(coordinates, lowNibbles), 4);
  const k = v128.and(coordinates, lowNibbles);
  const j = v128.xor(i, k);
  const quotient = i8x16.swizzle(v128.load(CRYPTO_QUOTIENTS), k);
  const p = v128.xor(i8x16.swizzle(inverses, v128.xor(i8x16.swizzle(inverses, i), quotient)), j);
  const q = v128.xor(i8x16.swizzle(inverses, v128.xor(i8x16.swizzle(inverses, j), quotient)), i);
  return v128.xor(i8x16.swizzle(v128.load(box, BY_P), p), i8x16.swizzle(v128.load(box, BY_Q), q));
}

/** Each byte through the S-box. */
// @ts-ignore: decorator
@inline
export function substitute(bytes: v128, box: usize): v128 {
  return v128.xor(substituteLinear(bytes, box), v128.load(box, CONSTANT));
}
