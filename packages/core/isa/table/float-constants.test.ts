import { describe, expect, it } from "vitest";
import { floatConstant } from "./float-constants.js";

/** From the table of the Unprivileged ISA, 22.1: by number, less the smallest normal, infinity and NaN. */
const VALUES = [
  ...[-1, undefined, 2 ** -16, 2 ** -15, 2 ** -8, 2 ** -7, 0.0625, 0.125, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625],
  ...[0.75, 0.875, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 32768, 65536],
];

describe("the constants of FLI", () => {
  const words = new DataView(new ArrayBuffer(8));

  it("have their values in single and double precision", () => {
    for (const [number, value] of VALUES.entries()) {
      if (value === undefined) continue;
      words.setFloat32(0, value);
      expect(floatConstant("s", number)).toBe(BigInt(words.getUint32(0)));
      words.setFloat64(0, value);
      expect(floatConstant("d", number)).toBe(words.getBigUint64(0));
    }
  });

  it("begin with the smallest normal of the format, and end with infinity and the canonical NaN", () => {
    const special = [1, 30, 31];
    expect(special.map((number) => floatConstant("h", number))).toEqual([0x400n, 0x7c00n, 0x7e00n]);
    expect(special.map((number) => floatConstant("s", number))).toEqual([0x800000n, 0x7f800000n, 0x7fc00000n]);
    expect(special.map((number) => floatConstant("d", number))).toEqual([1n << 52n, 0x7ffn << 52n, 0x7ff8n << 48n]);
  });

  it("are subnormal or infinite where half precision ends", () => {
    const numbers = [0, 2, 3, 4, 11, 16, 28, 29];
    const bits = [0xbc00n, 0x100n, 0x200n, 0x1c00n, 0x3700n, 0x3c00n, 0x7800n, 0x7c00n];
    expect(numbers.map((number) => floatConstant("h", number))).toEqual(bits);
  });
});
