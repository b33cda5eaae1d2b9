/**
 * The parts of SM4 (GB/T 32907-2016; Unprivileged ISA ch. 32, Zksed) that its
 * instructions need for one byte, the lowest of a word.
 */
import { substitute } from "./aes-sbox";

/**
 * SM4's S-box is an inversion between two affine maps, as AES's is, in another
 * field of the same size. All such fields are isomorphic, so AES's circuit
 * serves both: 0x69 is a root of SM4's polynomial in AES's field, and these
 * matrices, a byte per column, are the maps there and back.
 */
const INTO: u64 = 0x4020387ad48b77ca;
const INTO_CONSTANT: u64 = 0x23;
const BACK: u64 = 0xad78d213871d2260;
const BACK_CONSTANT: u64 = 0x3b;

/** A matrix times a vector over GF(2). */
function multiply(matrix: u64, vector: u64): u64 {
  let sum: u64 = 0;
  for (let n: u64 = 0; n < 8; n++) sum ^= (matrix >> (n << 3)) * ((vector >> n) & 1);
  return sum & 0xff;
}

// @ts-ignore: decorator
@inline
function sbox(byte: i64): u32 {
  const inAes = multiply(INTO, <u64>byte) ^ INTO_CONSTANT;
  return <u32>(multiply(BACK, substitute(inAes) & 0xff) ^ BACK_CONSTANT);
}

/** The round function's T of a byte (6.2.1). */
export function sm4_round(byte: i64): i64 {
  const x = sbox(byte);
  return <i64>(x ^ (x << 8) ^ (x << 2) ^ (x << 18) ^ ((x & 0x3f) << 26) ^ ((x & 0xc0) << 10));
}

/** The key schedule's T' of a byte (7.3). */
export function sm4_key(byte: i64): i64 {
  const x = sbox(byte);
  return <i64>(x ^ ((x & 0x07) << 29) ^ ((x & 0xfe) << 7) ^ ((x & 0x01) << 23) ^ ((x & 0xf8) << 13));
}
