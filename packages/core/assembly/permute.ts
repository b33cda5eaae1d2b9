/**
 * Permutations within a register (Unprivileged ISA ch. 32). Like all that Zkt
 * covers, they neither branch nor look up by value.
 */

/** The bits of each byte in reverse. */
export function brev8(a: i64): i64 {
  let x = <u64>a;
  x = ((x >> 1) & 0x5555555555555555) | ((x & 0x5555555555555555) << 1);
  x = ((x >> 2) & 0x3333333333333333) | ((x & 0x3333333333333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f0f0f0f0f) | ((x & 0x0f0f0f0f0f0f0f0f) << 4);
  return <i64>x;
}

/** Each nibble of `indices` chooses one of `a`. */
export function xperm4(a: i64, indices: i64): i64 {
  let result: u64 = 0;
  for (let at: u64 = 0; at < 64; at += 4) {
    const index = (<u64>indices >> at) & 15;
    result |= ((<u64>a >> (index << 2)) & 15) << at;
  }
  return <i64>result;
}

/** Each byte of `indices` chooses one of `a`; zero where it is no index. */
export function xperm8(a: i64, indices: i64): i64 {
  let result: u64 = 0;
  for (let at: u64 = 0; at < 64; at += 8) {
    const index = (<u64>indices >> at) & 255;
    const inside = <u64>(index < 8);
    result |= (((<u64>a >> ((index & 7) << 3)) & 255) * inside) << at;
  }
  return <i64>result;
}
