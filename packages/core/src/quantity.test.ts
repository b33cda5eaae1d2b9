import { describe, expect, it } from "vitest";
import { HartvisorError } from "./error.js";
import { formatByteSize, parseByteSize } from "./quantity.js";

function errorOf(text: string): HartvisorError {
  try {
    parseByteSize(text, "--memory");
  } catch (error) {
    if (error instanceof HartvisorError) return error;
  }
  throw new Error(`"${text}" was accepted`);
}

describe("parseByteSize", () => {
  it.each([
    ["512MiB", 512 * 2 ** 20],
    ["1GiB", 2 ** 30],
    ["64KiB", 65536],
    ["4096", 4096],
    ["0", 0],
    ["2G", 2 ** 31],
    ["8m", 2 ** 23],
    ["16k", 16384],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["512 MiB", 512 * 2 ** 20],
    ["1gib", 2 ** 30],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(parseByteSize(text, "--memory")).toBe(bytes);
  });

  it("refuses MB, which means two things, and says what to write", () => {
    const error = errorOf("512MB");
    expect(error.code).toBe("invalid-argument");
    expect(error.message).toBe(`--memory: "512MB" is not a size; write "512MiB" (units of 1024: KiB, MiB, GiB)`);
  });

  it.each(["", "MiB", "-1", "1e9", "0x1000", "12 parsecs", "512MiBB", "1TiB", "Infinity", "NaN", "1.MiB", "1_000"])(
    'refuses "%s" and shows an example',
    (text) => {
      const error = errorOf(text);
      expect(error.code).toBe("invalid-argument");
      expect(error.message).toContain(`--memory: "${text}"`);
      expect(error.message).toContain("512MiB");
      expect(error.message).not.toContain("\n");
    },
  );

  it("refuses a fraction of a byte", () => {
    expect(errorOf("1.3").message).toContain("not a whole number of bytes");
  });

  it("refuses what no number holds exactly", () => {
    expect(errorOf("99999999999999999999GiB").message).toContain("too large");
  });
});

describe("formatByteSize", () => {
  it.each([
    [1, "1 byte"],
    [70, "70 bytes"],
    [1536, "1.5 KiB"],
    [512 * 2 ** 20, "512 MiB"],
    [31895552, "30.4 MiB"],
    [3 * 2 ** 30, "3 GiB"],
  ])("writes %d as %s", (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text);
  });
});
