/**
 * The parts of SM4 (GB/T 32907-2016; Unprivileged ISA ch. 32, Zksed) that its
 * instructions need for one byte, the lowest of a word.
 */
import { CRYPTO_SM4 } from "../generated/layout";
import { substitute } from "./aes-sbox";

@inline
function sbox(byte: i64): u32 {
  return <u32>i8x16.extract_lane_u(substitute(i64x2.splat(byte), CRYPTO_SM4), 0);
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
