/**
 * The tables of `assembly/crypto`: rows of sixteen bytes that it loads into vectors, to look nibbles up in registers. They
 * are derived here from the definitions of the fields and S-boxes. Nothing but the interpreter's instantiation calls this.
 *
 * The S-boxes of AES and SM4 are inversions in GF(2^8) between affine maps. The inversion is that of M. Hamburg,
 * "Accelerating AES with Vector Permute Instructions" (CHES 2009). A byte is x = i + j V with i, j in the subfield of 16
 * elements and V V' = 1, where ' is the conjugation x -> x^16. With a = V + V' and k = i + j, its norm is
 * N = x x' = k^2 + a i j, and 1 / x = x' / N. With
 *
 *     p = 1 / (1 / i + a / k) + j = N / (k + a i)
 *     q = 1 / (1 / j + a / k) + i = N / (k + a j)
 *
 * that is ALPHA / p + BETA / q, for x' = i + j V' is a combination of k + a i and k + a j: solving for them gives ALPHA and
 * BETA. Each division is a look-up by nibble, and the affine maps are part of the first and last. A quotient by zero is
 * INFINITY, which remains one in sums and whose inverse is zero, as a swizzle has it: its index is out of range.
 */
import { CONSTANTS } from "../../isa/layout.js";

const INFINITY = 0x80;

/** A product in the field of AES (FIPS 197, 4.2). */
function times(a: number, b: number): number {
  let product = 0;
  for (let factor = a, n = 0; n < 8; n++) {
    if ((b >> n) & 1) product ^= factor;
    factor = (factor << 1) ^ (factor & 0x80 ? 0x11b : 0);
  }
  return product;
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let n = exponent, square = base; n > 0; n >>= 1, square = times(square, square)) {
    if (n & 1) result = times(result, square);
  }
  return result;
}

const inverse = (element: number): number => power(element, 254);
const conjugate = (element: number): number => power(element, 16);

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const NIBBLES = BYTES.slice(0, 16);
const filled = (byte: number): number[] => NIBBLES.map(() => byte);

/** A map of bytes that respects sums, from what it makes of each bit. */
const additive =
  (images: readonly number[]) =>
  (byte: number): number =>
    images.reduce((sum, image, bit) => ((byte >> bit) & 1 ? sum ^ image : sum), 0);

/** The sum of a byte's rotations to the left. */
const circulant =
  (rotations: readonly number[]) =>
  (byte: number): number =>
    rotations.reduce((sum, by) => sum ^ (((byte << by) | (byte >> (8 - by))) & 0xff), 0);

/** By nibble. 3 generates the units of the field, so its 17th power those of the subfield. */
const SUBFIELD = additive([0, 1, 2, 3].map((exponent) => power(3, 17 * exponent)));
const ELEMENTS = NIBBLES.map(SUBFIELD);
const nibbleOf = (element: number): number => ELEMENTS.indexOf(element);

/** Its conjugate is its inverse: V^17 = 1. */
const V = power(3, 15);
const A = V ^ conjugate(V);
// From k + a i and k + a j, i = ((1 + a) (k + a i) + (k + a j)) / a^2, and j likewise.
const ALPHA = times(1 ^ A ^ conjugate(V), inverse(times(A, A)));
const BETA = times(1 ^ times(1 ^ A, conjugate(V)), inverse(times(A, A)));

/** The nibbles of i and k: x + x' = j a. */
function coordinates(x: number): number {
  const j = times(x ^ conjugate(x), inverse(A));
  const i = x ^ times(j, V);
  return (nibbleOf(i) << 4) | nibbleOf(i ^ j);
}

/** Divides by each nibble. */
const quotients = (dividend: number): number[] =>
  NIBBLES.map((nibble) => (nibble === 0 ? INFINITY : nibbleOf(times(dividend, inverse(SUBFIELD(nibble))))));

interface SubstitutionBox {
  /** An affine map, into AES's field. */
  before(byte: number): number;
  /** The linear part of the map behind the inversion. */
  after(byte: number): number;
  /** And its constant. */
  readonly constant: number;
}

/** The coordinates by low and high nibble, the map of the inverse, the constant. */
function boxTables({ before, after, constant }: SubstitutionBox): number[][] {
  return [
    NIBBLES.map((nibble) => coordinates(before(nibble))),
    NIBBLES.map((nibble) => coordinates(before(nibble << 4) ^ before(0))),
    ...mapTables(after),
    filled(constant),
  ];
}

/** A linear map of the inverse, by p and q. */
const mapTables = (map: (byte: number) => number): number[][] =>
  [ALPHA, BETA].map((factor) => NIBBLES.map((nibble) => map(times(factor, inverse(SUBFIELD(nibble))))));

const AES: SubstitutionBox = { before: (byte) => byte, after: circulant([0, 1, 2, 3, 4]), constant: 0x63 }; // FIPS 197, 5.1.1
const AES_INVERSE: SubstitutionBox = {
  before: (byte) => circulant([1, 3, 6])(byte ^ 0x63), // 5.3.2
  after: (byte) => byte,
  constant: 0,
};

/** x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, the coefficient of x^8 first. */
const SM4_POLYNOMIAL = [1, 1, 1, 1, 1, 0, 1, 0, 1];

/** SM4's S-box (GB/T 32907-2016, 6.2.1) has the same affine map on both sides, and a field of its own. */
function sm4Box(): SubstitutionBox {
  const affine = circulant([0, 1, 3, 6, 7]);
  // A root of SM4's polynomial in AES's field is where an isomorphism takes SM4's x.
  const isRoot = (element: number) => SM4_POLYNOMIAL.reduce((value, bit) => times(value, element) ^ bit, 0) === 0;
  const root = BYTES.find(isRoot) ?? 0;
  const intoAes = additive(NIBBLES.slice(0, 8).map((exponent) => power(root, exponent)));
  const back = new Uint8Array(256);
  for (const byte of BYTES) back[intoAes(byte)] = byte;
  return {
    before: (byte) => intoAes(affine(byte) ^ 0xd3),
    after: (byte) => affine(back[byte] ?? 0),
    constant: 0xd3,
  };
}

/** Indices of the bytes of two columns, then of the same rotated by one row up; row r comes from `shift` r columns further. */
const columns = (shift: number): number[] =>
  NIBBLES.map((n) => {
    const row = (n + (n >> 3)) & 3;
    const column = (n >> 2) & 1;
    return row + 4 * ((column + shift * row) & 3);
  });

/** Puts the tables where the interpreter expects them. */
export function writeCryptoTables(memory: WebAssembly.Memory): void {
  const bytes = new Uint8Array(memory.buffer);
  const write = (address: number, ...rows: readonly number[][]) => bytes.set(rows.flat(), address);
  write(CONSTANTS.CRYPTO_LOW_NIBBLES, filled(0x0f));
  write(CONSTANTS.CRYPTO_REDUCTION, filled(0x1b));
  write(CONSTANTS.CRYPTO_INVERSES, quotients(1));
  write(CONSTANTS.CRYPTO_QUOTIENTS, quotients(A));
  write(CONSTANTS.CRYPTO_COLUMNS, columns(0));
  write(CONSTANTS.CRYPTO_SHIFT_ROWS, columns(1)); // FIPS 197, 5.1.2
  write(CONSTANTS.CRYPTO_SHIFT_ROWS_INVERSE, columns(-1)); // 5.3.1
  write(CONSTANTS.CRYPTO_AES, ...boxTables(AES));
  write(CONSTANTS.CRYPTO_AES_INVERSE, ...boxTables(AES_INVERSE));
  write(CONSTANTS.CRYPTO_FOUR_TIMES, ...mapTables((byte) => times(byte, 4)));
  write(CONSTANTS.CRYPTO_SM4, ...boxTables(sm4Box()));
}
