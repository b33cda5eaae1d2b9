/**
 * Values on which instructions are most likely to be wrong: the ends of the
 * integer ranges, and of the floating-point formats; NaN-boxed, unboxed and
 * badly boxed singles and halves; and random ones between them.
 */
import type { Random } from "./random.js";

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const BOX = 0xffffffff00000000n;
const BOX_HALF = 0xffffffffffff0000n;

const WIDTHS = [7n, 8n, 15n, 16n, 31n, 32n, 52n, 53n, 62n, 63n];
const INTEGERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 5n, 63n, 64n, -1n, -2n, -3n],
  ...WIDTHS.flatMap((width) => [1n << width, (1n << width) - 1n, (1n << width) + 1n, -(1n << width), ~(1n << width)]),
  ...[0x5555555555555555n, 0xaaaaaaaaaaaaaaaan, 0x0123456789abcdefn, 0xff00ff00ff00ff00n, 0x8000000080000000n],
].map(u64);

/** Zeros, subnormals, the smallest and the largest normals, ones, infinities, quiet and signaling NaNs; either sign is added. */
const HALVES = [
  ...[0n, 1n, 2n, 0x3ffn, 0x200n, 0x400n, 0x401n, 0x7bffn, 0x7bfen, 0x7c00n, 0x7e00n, 0x7c01n, 0x7d00n, 0x7fffn],
  ...[0x3c00n, 0x3c01n, 0x3bffn, 0x4000n, 0x3800n, 0x3e00n, 0x3555n, 0x6400n, 0x6800n, 0x77ffn, 0x7800n, 0x1000n],
];
const SINGLES = [
  ...[0n, 1n, 2n, 0x7fffffn, 0x400000n, 0x800000n, 0x800001n, 0x7f7fffffn, 0x7f7ffffen, 0x7f800000n, 0x7fc00000n],
  ...[0x7f800001n, 0x7fa00000n, 0x7fffffffn, 0x3f800000n, 0x3f800001n, 0x3f7fffffn, 0x40000000n, 0x3f000000n],
  ...[0x4b000000n, 0x4b800000n, 0x4effffffn, 0x4f000000n, 0x4f800000n, 0x5effffffn, 0x5f000000n, 0x5f800000n],
  ...[0x33800000n, 0x34000000n, 0x0c000000n, 0x1f800000n, 0x1fffffffn, 0x5f7fffffn, 0x3eaaaaabn, 0x3fc00000n],
  // Around the ends of the half format.
  ...[
    0x477fe000n,
    0x477fefffn,
    0x477ff000n,
    0x47800000n,
    0x38800000n,
    0x387fffffn,
    0x387ff000n,
    0x33000000n,
    0x33000001n,
  ],
];
const DOUBLES = [
  ...[0n, 1n, 2n, 0xfffffffffffffn, 0x8000000000000n, 0x10000000000000n, 0x10000000000001n, 0x7fefffffffffffffn],
  ...[0x7feffffffffffffen, 0x7ff0000000000000n, 0x7ff8000000000000n, 0x7ff0000000000001n, 0x7ff4000000000000n],
  ...[0x7fffffffffffffffn, 0x3ff0000000000000n, 0x3ff0000000000001n, 0x3fefffffffffffffn, 0x4000000000000000n],
  ...[0x3fe0000000000000n, 0x4330000000000000n, 0x4340000000000000n, 0x41dfffffffc00000n, 0x41e0000000000000n],
  ...[0x41efffffffe00000n, 0x43e0000000000000n, 0x43dfffffffffffffn, 0x43f0000000000000n, 0x3ca0000000000000n],
  // Around the ends of the single format: where conversions overflow, round to subnormals and vanish.
  ...[0x47efffffe0000000n, 0x47efffffefffffffn, 0x47effffff0000000n, 0x3810000000000000n, 0x380fffffffffffffn],
  ...[0x36a0000000000000n, 0x3690000000000000n, 0x3690000000000001n, 0x369fffffffffffffn, 0x3fd5555555555555n],
];

/** An integer operand. */
export function integerValue(random: Random): bigint {
  const kind = random.below(8);
  if (kind < 4) return random.pick(INTEGERS);
  if (kind === 4) return BigInt(random.below(256));
  if (kind === 5) return u64(BigInt.asIntN(32, BigInt(random.word()))); // a sign-extended word
  if (kind === 6) return random.dword() >> BigInt(random.below(64));
  return random.dword();
}

function single(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 31n;
  if (random.chance(0.55)) return random.pick(SINGLES) | sign;
  if (random.chance(0.5)) return BigInt(random.word());
  // Exponents near the middle, so that operands of one operation meet.
  return sign | (BigInt(random.between(100, 154)) << 23n) | BigInt(random.word() >>> 9);
}

function double(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 63n;
  if (random.chance(0.55)) return random.pick(DOUBLES) | sign;
  if (random.chance(0.5)) return random.dword();
  return sign | (BigInt(random.between(960, 1086)) << 52n) | (random.dword() >> 12n);
}

function half(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 15n;
  if (random.chance(0.4)) return random.pick(HALVES) | sign;
  if (random.chance(0.5)) return BigInt(random.below(0x10000));
  return sign | (BigInt(random.between(9, 21)) << 10n) | BigInt(random.below(0x400));
}

/** What a float register holds: a double, a boxed single or half, or one in no box, or in one that is too small. */
export function floatValue(random: Random): bigint {
  if (random.chance(0.4)) return double(random);
  if (random.chance(0.5)) return random.chance(0.9) ? BOX_HALF | half(random) : random.pick([0n, BOX]) | half(random);
  const value = single(random);
  if (random.chance(0.9)) return BOX | value;
  return (random.pick([0n, 0x7fffffff00000000n, 0xfffffffe00000000n]) | value) as bigint;
}

/** An immediate within a field's range, its ends more often than the middle. */
export function immediate(random: Random, least: number, most: number, scale: number): number {
  const edges = [least, most, 0, scale, -scale, most - scale, Math.trunc(most / 2 / scale) * scale];
  if (random.chance(0.4)) {
    const edge = random.pick(edges);
    if (edge >= least && edge <= most) return edge === 0 ? 0 : edge;
  }
  return least + random.below((most - least) / scale + 1) * scale;
}
