/** Integer operations that Wasm lacks, or defines otherwise than RISC-V (Unprivileged ISA ch. 13, 28). */

export function mulhu(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >> 32);
  const middleLow = (middle & 0xffffffff) + aLow * bHigh;
  return aHigh * bHigh + (middle >> 32) + (middleLow >> 32);
}

/** A negative factor counts 2^64 too much as unsigned: take the other factor off once for it. */
export function mulh(a: i64, b: i64): i64 {
  return <i64>mulhu(<u64>a, <u64>b) - ((a >> 63) & b) - ((b >> 63) & a);
}

export function mulhsu(a: i64, b: i64): i64 {
  return <i64>mulhu(<u64>a, <u64>b) - ((a >> 63) & b);
}

export function div(a: i64, b: i64): i64 {
  if (b == 0) return -1;
  if (b == -1) return 0 - a; // also the one overflow
  return a / b;
}

export function divu(a: i64, b: i64): i64 {
  return b == 0 ? -1 : <i64>(<u64>a / <u64>b);
}

export function rem(a: i64, b: i64): i64 {
  if (b == 0) return a;
  if (b == -1) return 0;
  return a % b;
}

export function remu(a: i64, b: i64): i64 {
  return b == 0 ? a : <i64>(<u64>a % <u64>b);
}

export function divw(a: i64, b: i64): i64 {
  const divisor = <i32>b;
  const dividend = <i32>a;
  if (divisor == 0) return -1;
  if (divisor == -1) return <i64>(<i32>(0 - dividend));
  return <i64>(<i32>(dividend / divisor));
}

export function divuw(a: i64, b: i64): i64 {
  const divisor = <u32>b;
  if (divisor == 0) return -1;
  return <i64>(<i32>(<u32>a / divisor));
}

export function remw(a: i64, b: i64): i64 {
  const divisor = <i32>b;
  const dividend = <i32>a;
  if (divisor == 0) return <i64>dividend;
  if (divisor == -1) return 0;
  return <i64>(<i32>(dividend % divisor));
}

export function remuw(a: i64, b: i64): i64 {
  const divisor = <u32>b;
  if (divisor == 0) return <i64>(<i32>a);
  return <i64>(<i32>(<u32>a % divisor));
}

export function rev8(a: i64): i64 {
  return bswap<i64>(a);
}

/** Each byte becomes all ones if any of its bits is set. */
export function orc_b(a: i64): i64 {
  const low7 = (a & 0x7f7f7f7f7f7f7f7f) + 0x7f7f7f7f7f7f7f7f; // bit 7 of a byte: any of its low seven bits
  const any = ((low7 | a) & 0x8080808080808080) >>> 7;
  return any * 0xff;
}
