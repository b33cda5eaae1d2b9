import { HartState, SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "./fake-context.js";
import { sbiIpi } from "./ipi.js";

const { Started, Stopped, StopPending, Suspended, StartPending } = HartState;
const ALL = 0xffff_ffff_ffff_ffffn;

function send(mask: bigint, base: bigint, states = Array(4).fill(Started)) {
  const { context, asked } = fakeMachine(states);
  return { ...sbiIpi.call(0, [mask, base], context), asked };
}

const interrupts = (...harts: number[]) => harts.map((hart) => ["setInterrupt", hart, 1, true]);

describe("SBI IPI", () => {
  it("is extension 0x735049", () => expect(sbiIpi.id).toBe(0x735049));

  it.each([
    ["the harts of the mask", 0b1010n, 0n, [1, 3]],
    ["the harts of the mask counted from the base", 0b101n, 1n, [1, 3]],
    ["every hart for base -1, whatever the mask", 0n, ALL, [0, 1, 2, 3]],
    ["no hart for an empty mask", 0n, 3n, []],
  ])("interrupts %s", (_, mask, base, harts) => {
    expect(send(mask, base)).toEqual({ error: SbiError.Success, asked: interrupts(...harts) });
  });

  it("reaches harts beyond the first 64", () => {
    expect(send(1n << 63n, 6n, Array(70).fill(Started))).toEqual({ error: SbiError.Success, asked: interrupts(69) });
  });

  it("leaves stopped harts alone", () => {
    const states = [Started, Stopped, Suspended, StopPending, StartPending];
    expect(send(0n, ALL, states)).toEqual({ error: SbiError.Success, asked: interrupts(0, 2, 4) });
    expect(send(0b11n, 0n, states)).toEqual({ error: SbiError.Success, asked: interrupts(0) });
  });

  it.each([
    ["a hart that is not there", 0b10001n, 0n],
    ["a hart that is not there, by the base", 0b11n, 3n],
    ["all ones from base 0", ALL, 0n],
    ["a base that is not there", 0n, 4n],
    ["the base before -1", 1n, ALL - 1n],
  ])("refuses %s, and interrupts nobody", (_, mask, base) => {
    expect(send(mask, base)).toEqual({ error: SbiError.InvalidParam, asked: [] });
  });

  it.each([1, -1])("does not support function %i", (functionId) => {
    expect(sbiIpi.call(functionId, [1n, 0n], fakeMachine().context)).toEqual({ error: SbiError.NotSupported });
  });
});
