/**
 * What the instructions of scalar cryptography compute, from the definitions of
 * the ciphers' standards: tables by byte, made from arithmetic in the field, and
 * states as rows and columns. Shares nothing with the interpreter's circuits.
 */

/** The product of two polynomials over GF(2), modulo a third of degree 8. */
function product(a: number, b: number, modulus: number): number {
  let sum = 0;
  for (let n = 7; n >= 0; n--) {
    sum <<= 1;
    if (sum & 0x100) sum ^= modulus;
    if ((b >> n) & 1) sum ^= a;
  }
  return sum;
}

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const inverse = (byte: number, modulus: number): number =>
  BYTES.find((other) => product(byte, other, modulus) === 1) ?? 0;
const rotated = (byte: number, by: number): number => ((byte << by) | (byte >> (8 - by))) & 0xff;
/** The sum of a byte's rotations. */
const circulant = (byte: number, by: readonly number[]): number => by.reduce((sum, n) => sum ^ rotated(byte, n), 0);

/** FIPS 197, 5.1.1. */
const AES_FIELD = 0x11b;
const AES_SBOX = BYTES.map((byte) => circulant(inverse(byte, AES_FIELD), [0, 1, 2, 3, 4]) ^ 0x63);
const AES_INVERSE_SBOX = BYTES.map((byte) => AES_SBOX.indexOf(byte));

const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, n) => Number((value >> BigInt(8 * n)) & 0xffn));
const fromBytes = (bytes: readonly number[]): bigint =>
  bytes.reduce((sum, byte, n) => sum | (BigInt(byte) << BigInt(8 * n)), 0n);
const lookUp = (table: readonly number[], bytes: readonly number[]): number[] => bytes.map((byte) => table[byte] ?? 0);

/** The state in a pair of registers after its rows were shifted: byte r + 4c is row r, column c (FIPS 197, 3.4). */
function shifted(low: bigint, high: bigint, direction: 1 | -1): number[] {
  const state = bytesOf(low | (high << 64n), 16);
  return state.map((_, n) => state[(n % 4) + 4 * ((Math.floor(n / 4) + direction * (n % 4) + 4) % 4)] ?? 0);
}

/** Columns times the circulant matrix with this first row (FIPS 197, 5.1.3 and 5.3.3). */
function mixed(bytes: readonly number[], row: readonly number[]): number[] {
  return bytes.map((_, n) =>
    row.reduce((sum, factor, k) => sum ^ product(bytes[n - (n % 4) + ((n + k) % 4)] ?? 0, factor, AES_FIELD), 0),
  );
}
const MIX = [2, 3, 1, 1];
const MIX_INVERSE = [14, 11, 13, 9];

const lowHalf = (state: readonly number[]): number[] => state.slice(0, 8);

export function aesRound(low: bigint, high: bigint, isLast: boolean): bigint {
  const state = lowHalf(lookUp(AES_SBOX, shifted(low, high, 1)));
  return fromBytes(isLast ? state : mixed(state, MIX));
}

export function aesInverseRound(low: bigint, high: bigint, isLast: boolean): bigint {
  const state = lowHalf(lookUp(AES_INVERSE_SBOX, shifted(low, high, -1)));
  return fromBytes(isLast ? state : mixed(state, MIX_INVERSE));
}

export const aesInverseMix = (columns: bigint): bigint => fromBytes(mixed(bytesOf(columns, 8), MIX_INVERSE));

/** FIPS 197, 5.2: SubWord, with RotWord and Rcon unless it is round 10, twice. */
export function aesKeyWord(key: bigint, round: bigint): bigint {
  const word = bytesOf(key >> 32n, 4);
  const rotate = (bytes: readonly number[]) => [...bytes.slice(1), ...bytes.slice(0, 1)];
  const substituted = lookUp(AES_SBOX, round < 10n ? rotate(word) : word);
  let constant = round < 10n ? 1 : 0;
  for (let n = 0n; n < round; n++) constant = product(constant, 2, AES_FIELD);
  const [first = 0, ...others] = substituted;
  const result = [first ^ constant, ...others];
  return fromBytes([...result, ...result]);
}

/** GB/T 32907-2016, 6.2.1: the affine map before the inversion, and again behind it. */
const SM4_FIELD = 0x1f5;
const sm4Affine = (byte: number): number => circulant(byte, [0, 1, 3, 6, 7]) ^ 0xd3;
const SM4_SBOX = BYTES.map((byte) => sm4Affine(inverse(sm4Affine(byte), SM4_FIELD)));

/**
 * The sum of rotations to the left of a word whose first byte is the S-box's, the
 * others zero. Words of SM4 are big-endian, registers little-endian.
 */
export function sm4Linear(byte: bigint, rotations: readonly number[]): bigint {
  const word = BigInt(SM4_SBOX[Number(byte)] ?? 0) << 24n;
  const sum = rotations.reduce((xor, by) => xor ^ (word << BigInt(by)) ^ (word >> BigInt(32 - by)), 0n);
  return fromBytes(bytesOf(BigInt.asUintN(32, sum), 4).reverse());
}
