/**
 * The AES instructions (Unprivileged ISA ch. 32, Zkne and Zknd). A state is a pair of
 * registers, columns in order, the byte of row 0 lowest; each instruction gives
 * the lower half of the next.
 *
 * Vectors hold the two columns of the result, and above them the same columns
 * rotated by one row up: MixColumns wants both, and the S-box takes sixteen
 * bytes for the price of eight.
 */
import {
  CRYPTO_AES,
  CRYPTO_AES_INVERSE,
  CRYPTO_COLUMNS,
  CRYPTO_FOUR_TIMES,
  CRYPTO_REDUCTION,
  CRYPTO_SHIFT_ROWS,
  CRYPTO_SHIFT_ROWS_INVERSE,
} from "../generated/layout";
import { AFTER, combine, coordinates, fractionP, fractionQ, substitute, substituteLinear } from "./aes-sbox";

/** Two columns of the state, chosen by a row of indices. */
@inline
function columns(low: i64, high: i64, indices: usize): v128 {
  return i8x16.swizzle(i64x2.replace_lane(i64x2.splat(low), 1, high), v128.load(indices));
}

/** Each byte times x in the field of AES. */
@inline
function double(bytes: v128): v128 {
  const overflow = i8x16.lt_s(bytes, i8x16.splat(0));
  return v128.xor(i8x16.add(bytes, bytes), v128.and(overflow, v128.load(CRYPTO_REDUCTION)));
}

/** Each column rotated by two rows. */
@inline
function across(columns: v128): v128 {
  return i16x8.shuffle(columns, columns, 1, 0, 3, 2, 5, 4, 7, 6);
}

/** MixColumns (FIPS 197, 5.1.3). */
@inline
function mix(columns: v128): v128 {
  const next = i64x2.shuffle(columns, columns, 1, 0);
  const sum = v128.xor(columns, next);
  return v128.xor(v128.xor(double(sum), next), across(sum));
}

/** InvMixColumns (FIPS 197, 5.3.3): its matrix is that of MixColumns times one of 5, 0, 4, 0. */
@inline
function mixInverse(columns: v128): v128 {
  return mix(v128.xor(columns, double(double(v128.xor(columns, across(columns))))));
}

@inline
function result(columns: v128): i64 {
  return i64x2.extract_lane(columns, 0);
}

export function aes64es(low: i64, high: i64): i64 {
  return result(substitute(columns(low, high, CRYPTO_SHIFT_ROWS), CRYPTO_AES));
}

export function aes64esm(low: i64, high: i64): i64 {
  return result(mix(substitute(columns(low, high, CRYPTO_SHIFT_ROWS), CRYPTO_AES)));
}

export function aes64ds(low: i64, high: i64): i64 {
  return result(substituteLinear(columns(low, high, CRYPTO_SHIFT_ROWS_INVERSE), CRYPTO_AES_INVERSE));
}

/** InvMixColumns as above, with the bytes times 4 looked up instead of doubled twice. */
export function aes64dsm(low: i64, high: i64): i64 {
  const at = coordinates(columns(low, high, CRYPTO_SHIFT_ROWS_INVERSE), CRYPTO_AES_INVERSE);
  const p = fractionP(at);
  const q = fractionQ(at);
  const bytes = combine(p, q, CRYPTO_AES_INVERSE + AFTER);
  const fourTimes = combine(p, q, CRYPTO_FOUR_TIMES);
  return result(mix(v128.xor(v128.xor(bytes, fourTimes), across(fourTimes))));
}

export function aes64im(input: i64): i64 {
  return result(mixInverse(columns(input, input, CRYPTO_COLUMNS)));
}

/** A word of the key schedule, twice: rotated and with the round's constant, or only substituted after the tenth. */
export function aes64ks1i(key: i64, round: i64): i64 {
  let word = <u32>(<u64>key >> 32);
  let constant: u32 = 0;
  if (round < 10) {
    word = rotr<u32>(word, 8);
    constant = round < 8 ? 1 << <u32>round : round == 8 ? 0x1b : 0x36;
  }
  return result(v128.xor(substitute(i32x4.splat(word), CRYPTO_AES), i32x4.splat(constant)));
}
