/** The 32 constants of FLI (Unprivileged ISA 22.1): what assembly language calls them, and their bits in each format. */
import type { FloatFormat } from "../instruction.js";

/** By number, as C writes hexadecimal floating point; `min` is the smallest normal number of a format. */
export const FLOAT_CONSTANTS: readonly string[] = [
  ...["-0x1p+0", "min", "0x1p-16", "0x1p-15", "0x1p-8", "0x1p-7", "0x1p-4", "0x1p-3"],
  ...["0x1p-2", "0x1.4p-2", "0x1.8p-2", "0x1.cp-2", "0x1p-1", "0x1.4p-1", "0x1.8p-1", "0x1.cp-1"],
  ...["0x1p+0", "0x1.4p+0", "0x1.8p+0", "0x1.cp+0", "0x1p+1", "0x1.4p+1", "0x1.8p+1", "0x1p+2"],
  ...["0x1p+3", "0x1p+4", "0x1p+7", "0x1p+8", "0x1p+15", "0x1p+16", "inf", "nan"],
];

const FORMATS: Readonly<Record<FloatFormat, { exponentBits: number; fractionBits: number }>> = {
  h: { exponentBits: 5, fractionBits: 10 },
  s: { exponentBits: 8, fractionBits: 23 },
  d: { exponentBits: 11, fractionBits: 52 },
};

/** Sign, sixteenths of the significand and exponent of a constant that is a number. */
function partsOf(name: string): { isNegative: boolean; sixteenths: number; exponent: number } | undefined {
  const [, sign, digit = "0", exponent] = /^(-?)0x1(?:\.(\w))?p([+-]\d+)$/.exec(name) ?? [];
  if (exponent === undefined) return undefined;
  return { isNegative: sign === "-", sixteenths: 16 + Number.parseInt(digit, 16), exponent: Number(exponent) };
}

/** The bits of a constant in a format; infinity where it is too large for it. */
export function floatConstant(format: FloatFormat, number: number): bigint {
  const { exponentBits, fractionBits } = FORMATS[format];
  const hidden = 1n << BigInt(fractionBits);
  const infinity = ((1n << BigInt(exponentBits)) - 1n) * hidden;
  const name = FLOAT_CONSTANTS[number];
  if (name === "min") return hidden;
  if (name === "nan") return infinity | (hidden >> 1n);
  const parts = partsOf(name ?? "");
  const bias = 2 ** (exponentBits - 1) - 1;
  if (parts === undefined || parts.exponent > bias) return infinity;
  const biased = parts.exponent + bias;
  const significand = (hidden >> 4n) * BigInt(parts.sixteenths);
  // The hidden one adds the last one to the exponent; a subnormal has none.
  const magnitude = biased > 0 ? BigInt(biased - 1) * hidden + significand : significand >> BigInt(1 - biased);
  return parts.isNegative ? magnitude | (1n << BigInt(exponentBits + fractionBits)) : magnitude;
}

/** A constant's number by its name or by its value in decimal; undefined for any other text. */
export function floatConstantNamed(text: string): number | undefined {
  const number = FLOAT_CONSTANTS.findIndex((name) => {
    const parts = partsOf(name);
    const value = parts && (parts.sixteenths / 16) * 2 ** parts.exponent * (parts.isNegative ? -1 : 1);
    return name === text || (value !== undefined && value === Number(text));
  });
  return number < 0 ? undefined : number;
}
