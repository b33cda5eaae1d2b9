/** Carry-less products (Unprivileged ISA 28.4.4-28.4.6, Zbc and Zbkc), made of ordinary ones. */
import { brev8 } from "./permute";

/**
 * The low half. With only every fourth bit of the factors set, the low bit of
 * each nibble of an ordinary product is that of the carry-less one: at most 16
 * terms meet, and 16 only in the topmost nibble, whose carry is lost.
 */
export function clmul(a: i64, b: i64): i64 {
  const one: u64 = 0x1111111111111111;
  const a0 = <u64>a & one;
  const a1 = <u64>a & (one << 1);
  const a2 = <u64>a & (one << 2);
  const a3 = <u64>a & (one << 3);
  const b0 = <u64>b & one;
  const b1 = <u64>b & (one << 1);
  const b2 = <u64>b & (one << 2);
  const b3 = <u64>b & (one << 3);
  const r0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
  const r1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
  const r2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
  const r3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
  return <i64>((r0 & one) | (r1 & (one << 1)) | (r2 & (one << 2)) | (r3 & (one << 3)));
}

/** Without carries a product reversed is the product of the factors reversed. */
export function clmulr(a: i64, b: i64): i64 {
  return reverse(clmul(reverse(a), reverse(b)));
}

export function clmulh(a: i64, b: i64): i64 {
  return clmulr(a, b) >>> 1;
}

function reverse(a: i64): i64 {
  return bswap<i64>(brev8(a));
}
