import { HartState, SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "./fake-context.js";
import { sbiRfence } from "./rfence.js";

const ALL = 0xffff_ffff_ffff_ffffn;

function call(functionId: number, ...args: bigint[]) {
  const { context, asked } = fakeMachine(Array(3).fill(HartState.Started));
  return { ...sbiRfence.call(functionId, args, context), asked };
}

describe("SBI RFENCE", () => {
  it("is extension 0x52464E43", () => expect(sbiRfence.id).toBe(0x52464e43));

  it("fences instructions on the harts of the mask", () => {
    expect(call(0, 0b101n, 0n)).toEqual({
      error: SbiError.Success,
      asked: [
        ["fenceInstructions", 0],
        ["fenceInstructions", 2],
      ],
    });
  });

  it("fences a range of addresses", () => {
    expect(call(1, 1n, 2n, 0x1000n, 0x2000n)).toEqual({
      error: SbiError.Success,
      asked: [["fenceAddresses", 2, 0x1000n, 0x2000n]],
    });
  });

  it("fences a range of addresses of one address space, with as many bits as its number has", () => {
    expect(call(2, 1n, 0n, 0x1000n, 0x2000n, 0xffff_ffff_ffff_0005n)).toEqual({
      error: SbiError.Success,
      asked: [["fenceAddresses", 0, 0x1000n, 0x2000n, 5]],
    });
  });

  it.each([
    ["start and size zero", 0n, 0n],
    ["size all ones, wherever it starts", 0x1000n, ALL],
    ["a range that ends with the address space", 0xffff_ffff_ffff_f000n, 0x1000n],
  ])("passes on %s", (_, start, size) => {
    expect(call(1, 1n, 0n, start, size)).toEqual({
      error: SbiError.Success,
      asked: [["fenceAddresses", 0, start, size]],
    });
  });

  it.each([1, 2])("function %i refuses a range beyond the end of the address space", (functionId) => {
    expect(call(functionId, 1n, 0n, 0xffff_ffff_ffff_f000n, 0x1001n, 0n)).toEqual({
      error: SbiError.InvalidAddress,
      asked: [],
    });
  });

  it.each([0, 1, 2])("function %i refuses a hart that is not there", (functionId) => {
    expect(call(functionId, 0b1001n, 0n, 0n, 0n, 0n)).toEqual({ error: SbiError.InvalidParam, asked: [] });
  });

  it.each([3, 4, 5, 6, 7, -1])("does not support function %i, for hypervisors or unknown", (functionId) => {
    expect(call(functionId, 1n, 0n, 0n, 0n, 0n)).toEqual({ error: SbiError.NotSupported, asked: [] });
  });
});
