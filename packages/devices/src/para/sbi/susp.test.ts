import { HartState, SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine, RAM_BASE } from "./fake-context.js";
import { sbiSusp } from "./susp.js";

const { Started, Stopped, Suspended } = HartState;

function call(args: bigint[], states = [Started, Stopped] as Parameters<typeof fakeMachine>[0], functionId = 0) {
  const { context, asked } = fakeMachine(states);
  return { ...sbiSusp.call(functionId, args, context), asked };
}

describe("SBI SUSP", () => {
  it("is extension 0x53555350", () => expect(sbiSusp.id).toBe(0x53555350));

  it("suspends the caller, to resume where it says", () => {
    expect(call([0xffff_ffff_0000_0000n, RAM_BASE + 2n, 7n])).toEqual({
      error: SbiError.Success,
      asked: [["suspendHart", { address: RAM_BASE + 2n, opaque: 7n }]],
    });
  });

  it.each([[Started], [Suspended]])("is denied while another hart is in state %i", (state) => {
    expect(call([0n, RAM_BASE, 0n], [Started, Stopped, state])).toEqual({ error: SbiError.Denied, asked: [] });
  });

  it.each([
    ["a reserved type", [1n, RAM_BASE], SbiError.InvalidParam],
    ["a platform's type", [0x8000_0000n, RAM_BASE], SbiError.NotSupported],
    ["an address outside RAM", [0n, 0n], SbiError.InvalidAddress],
    ["an odd address", [0n, RAM_BASE + 1n], SbiError.InvalidAddress],
  ])("refuses %s", (_, args, error) => {
    expect(call(args)).toEqual({ error, asked: [] });
  });

  it("has no other function", () => expect(call([0n, RAM_BASE], undefined, 1).error).toBe(SbiError.NotSupported));
});
