import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { placeImages } from "./placement.js";

const MIB = 2 ** 20;
const kernel = { textOffset: 2 * MIB, imageSize: 0x1e6_b123, name: "Image" };
const ramBase = 0x8000_0000;

describe("placeImages", () => {
  it("puts the kernel at its text offset, then initrd and device tree behind the last 2 MiB page of the kernel", () => {
    const initrd = { size: 1_616_944 };
    const placement = placeImages({ ramBase, ramSize: 512 * MIB, kernel, initrd, deviceTreeSize: 5000 });
    expect(placement).toEqual({ kernel: 0x8020_0000, initrd: 0x8220_0000, deviceTree: 0x8238_b000 });
  });

  it("leaves the initrd out when there is none", () => {
    expect(placeImages({ ramBase, ramSize: 64 * MIB, kernel, deviceTreeSize: 4096 })).toEqual({
      kernel: 0x8020_0000,
      deviceTree: 0x8220_0000,
    });
  });

  it("fills memory to the last byte", () => {
    const small = { textOffset: 0, imageSize: 4096 };
    const request = { ramBase, kernel: small, initrd: { size: 1 }, deviceTreeSize: 4096 };
    expect(placeImages({ ...request, ramSize: 2 * MIB + 2 * 4096 }).deviceTree).toBe(0x8020_1000);
    expect(() => placeImages({ ...request, ramSize: 2 * MIB + 2 * 4096 - 1 })).toThrow(
      "the device tree does not fit memory",
    );
  });

  it("says what a kernel larger than memory would need", () => {
    const load = () => placeImages({ ramBase, ramSize: 16 * MIB, kernel, deviceTreeSize: 4096 });
    expect(load).toThrow(HartvisorError);
    expect(load).toThrow(
      "Image does not fit memory: it takes 30.4 MiB from 2 MiB on, and memory is 16 MiB; give the machine more than 33MiB",
    );
  });

  it("names the initrd that does not fit", () => {
    const initrd = { size: 100 * MIB, name: "initrd.img" };
    expect(() => placeImages({ ramBase, ramSize: 64 * MIB, kernel, initrd, deviceTreeSize: 4096 })).toThrow(
      "initrd.img does not fit memory: it takes 100 MiB from 34 MiB on",
    );
  });
});
