import { SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "./fake-context.js";
import { sbiSrst } from "./srst.js";

function call(functionId: number, ...args: bigint[]) {
  const { context, asked } = fakeMachine();
  return { ...sbiSrst.call(functionId, args, context), asked };
}

describe("SBI SRST", () => {
  it("is extension 0x53525354", () => expect(sbiSrst.id).toBe(0x53525354));

  it.each([
    ["shuts down", 0n, 0n, { kind: "poweroff", exitCode: 0 }],
    ["shuts down with code 1 for a system failure", 0n, 1n, { kind: "poweroff", exitCode: 1 }],
    ["reboots cold", 1n, 0n, { kind: "reboot", cold: true }],
    ["reboots warm", 2n, 1n, { kind: "reboot", cold: false }],
    ["takes 32 bits of each parameter", 0xffff_ffff_0000_0001n, 0x1_0000_0000n, { kind: "reboot", cold: true }],
  ])("%s", (_, type, reason, request) => {
    expect(call(0, type, reason)).toEqual({ error: SbiError.Success, asked: [["shutdown", request]] });
  });

  it.each([3n, 0xefff_ffffn, 0xf000_0000n, 0xffff_ffffn])("refuses the reserved or vendor's type %i", (type) => {
    expect(call(0, type, 0n)).toEqual({ error: SbiError.InvalidParam, asked: [] });
  });

  it.each([2n, 0xdfff_ffffn, 0xe000_0000n, 0xf000_0000n, 0xffff_ffffn])(
    "refuses the reserved or vendor's reason %i",
    (reason) => {
      expect(call(0, 0n, reason)).toEqual({ error: SbiError.InvalidParam, asked: [] });
    },
  );

  it.each([1, -1])("does not support function %i", (functionId) => {
    expect(call(functionId, 0n, 0n)).toEqual({ error: SbiError.NotSupported, asked: [] });
  });
});
