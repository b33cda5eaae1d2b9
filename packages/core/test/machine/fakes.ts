/** A device and a hypercall extension that note what the guest wants of them. */
import type { AccessWidth, Device, HypercallContext, HypercallExtension, SbiResult } from "../../src/index.js";

/** `read 4 +8`, or `write 2 +0 = 1234` in hexadecimal. */
export type AccessLog = string[];

/** A register window whose bytes read as 0x80 plus their offset, high bits first to fall into sign extension. */
export class FakeDevice implements Device {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly log: AccessLog = [];

  constructor(base: number, size = 0x100, name = "fake") {
    this.base = base;
    this.size = size;
    this.name = name;
  }

  read(offset: number, width: AccessWidth): number {
    this.log.push(`read ${width} +${offset}`);
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + ((0x80 + offset + n) & 0xff);
    return value;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    this.log.push(`write ${width} +${offset} = ${value.toString(16)}`);
  }

  reset(): void {}
  save() {
    return { version: 1 };
  }
  restore(): void {}
  deviceTree() {
    return [];
  }
}

/** The same with registers of 64 bits. */
export class WideDevice extends FakeDevice {
  read64(offset: number): bigint {
    this.log.push(`read 8 +${offset}`);
    return 0xfedc_ba98_7654_3210n;
  }

  write64(offset: number, value: bigint): void {
    this.log.push(`write 8 +${offset} = ${value.toString(16)}`);
  }
}

/** An extension that answers by a function. */
export function extension(
  id: number,
  call: (functionId: number, args: readonly bigint[], context: HypercallContext) => SbiResult,
): HypercallExtension {
  return { id, name: "FAKE", call };
}
