/**
 * The AES instructions (Unprivileged ISA ch. 32, Zkne and Zknd). A state is a pair of
 * registers, columns in order, the byte of row 0 lowest; each instruction gives
 * the lower half of the next.
 */
import { substitute, substituteInverse } from "./aes-sbox";

/** Byte `from` of a register, as byte `to`. */
// @ts-ignore: decorator
@inline
function move(register: u64, from: u64, to: u64): u64 {
  return ((register >> (from * 8)) & 0xff) << (to * 8);
}

/** The first two columns after ShiftRows: row r comes from r columns further. */
function shiftRows(low: u64, high: u64): u64 {
  const first = move(low, 0, 0) | move(low, 5, 1) | move(high, 2, 2) | move(high, 7, 3);
  return first | move(low, 4, 4) | move(high, 1, 5) | move(high, 6, 6) | move(low, 3, 7);
}

function shiftRowsInverse(low: u64, high: u64): u64 {
  const first = move(low, 0, 0) | move(high, 5, 1) | move(high, 2, 2) | move(low, 7, 3);
  return first | move(low, 4, 4) | move(low, 1, 5) | move(high, 6, 6) | move(high, 3, 7);
}

/** Each byte times x in the field of AES. */
function double(bytes: u64): u64 {
  return ((bytes & 0x7f7f7f7f7f7f7f7f) << 1) ^ (((bytes >> 7) & 0x0101010101010101) * 0x1b);
}

/** Each column rotated by one row up. */
function rotate(columns: u64): u64 {
  return ((columns >> 8) & 0x00ffffff00ffffff) | ((columns << 24) & 0xff000000ff000000);
}

function mixColumns(columns: u64): u64 {
  const next = rotate(columns);
  const sum = columns ^ next;
  return double(sum) ^ next ^ rotate(rotate(sum));
}

/** Its matrix is that of MixColumns times one of 5, 0, 4, 0. */
function mixColumnsInverse(columns: u64): u64 {
  const across = columns ^ rotate(rotate(columns));
  return mixColumns(columns ^ double(double(across)));
}

export function aes64es(low: i64, high: i64): i64 {
  return <i64>substitute(shiftRows(<u64>low, <u64>high));
}

export function aes64esm(low: i64, high: i64): i64 {
  return <i64>mixColumns(substitute(shiftRows(<u64>low, <u64>high)));
}

export function aes64ds(low: i64, high: i64): i64 {
  return <i64>substituteInverse(shiftRowsInverse(<u64>low, <u64>high));
}

export function aes64dsm(low: i64, high: i64): i64 {
  return <i64>mixColumnsInverse(substituteInverse(shiftRowsInverse(<u64>low, <u64>high)));
}

export function aes64im(columns: i64): i64 {
  return <i64>mixColumnsInverse(<u64>columns);
}

/** A word of the key schedule, twice: rotated and with the round's constant, or only substituted after the tenth. */
export function aes64ks1i(key: i64, round: i64): i64 {
  let word = <u32>(<u64>key >> 32);
  let constant: u32 = 0;
  if (round < 10) {
    word = rotr<u32>(word, 8);
    constant = round < 8 ? 1 << <u32>round : round == 8 ? 0x1b : 0x36;
  }
  word = <u32>substitute(<u64>word) ^ constant;
  return <i64>((<u64>word << 32) | <u64>word);
}
