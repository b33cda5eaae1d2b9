import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { flat } from "./flat.js";

const ram = { ramBase: 0x8000_0000, ramSize: 4096 };

describe("flat", () => {
  it("goes to the base of RAM unless told otherwise", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(flat(bytes, { name: "fw.bin", ram })).toEqual({ physicalAddress: 0x8000_0000, bytes });
    expect(flat(bytes, { name: "fw.bin", ram, physicalAddress: 0x8000_0ffd }).physicalAddress).toBe(0x8000_0ffd);
  });

  it.each([
    ["an empty file", 0, undefined, "fw.bin: the file is empty"],
    [
      "what is larger than RAM",
      4097,
      undefined,
      "fw.bin: 4 KiB at 0x80000000 lie outside RAM, 0x80000000..0x80001000 (4 KiB)",
    ],
    ["what starts below RAM", 1, 0x7fff_ffff, "fw.bin: 1 byte at 0x7fffffff lie outside RAM"],
    ["what ends beyond RAM", 2, 0x8000_0fff, "fw.bin: 2 bytes at 0x80000fff lie outside RAM"],
  ])("refuses %s", (_, length, physicalAddress, message) => {
    const place = physicalAddress === undefined ? {} : { physicalAddress };
    const load = () => flat(new Uint8Array(length), { name: "fw.bin", ram, ...place });
    expect(load).toThrow(HartvisorError);
    expect(load).toThrow(message);
  });
});
