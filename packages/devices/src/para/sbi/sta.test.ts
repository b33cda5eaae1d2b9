import { SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine, RAM_BASE } from "./fake-context.js";
import { sbiSta } from "./sta.js";

const ALL_ONES = (1n << 64n) - 1n;

describe("SBI STA", () => {
  it("is extension 0x535441", () => expect(sbiSta.id).toBe(0x535441));

  it("clears the memory, and writes the steal time there whenever the hart resumes", () => {
    const { context, ram, resume, steal } = fakeMachine();
    ram.fill(0xee, 64, 192);
    expect(sbiSta.call(0, [RAM_BASE + 64n, 0n, 0n], context)).toEqual({ error: SbiError.Success });
    expect([...ram.subarray(64, 128)]).toEqual(new Array(64).fill(0));
    steal(0x1_0000_0002n);
    resume();
    resume();
    expect([...ram.subarray(64, 80)]).toEqual([4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]);
    expect(ram[128]).toBe(0xee);
  });

  it("stops when the hart says so", () => {
    const { context, ram, resume, steal } = fakeMachine();
    sbiSta.call(0, [RAM_BASE, 0n, 0n], context);
    expect(sbiSta.call(0, [ALL_ONES, ALL_ONES, 0n], context)).toEqual({ error: SbiError.Success });
    steal(5n);
    resume();
    expect(ram[8]).toBe(0);
  });

  it.each([
    ["flags", [RAM_BASE, 0n, 1n], SbiError.InvalidParam],
    ["an address that is not aligned", [RAM_BASE + 8n, 0n, 0n], SbiError.InvalidParam],
    ["an address outside RAM", [0n, 0n, 0n], SbiError.InvalidAddress],
    ["an address of more than 64 bits", [RAM_BASE, 1n, 0n], SbiError.InvalidAddress],
  ])("refuses %s", (_, args, error) => {
    expect(sbiSta.call(0, args, fakeMachine().context)).toEqual({ error });
  });

  it("has no other function", () => {
    expect(sbiSta.call(1, [RAM_BASE, 0n, 0n], fakeMachine().context).error).toBe(SbiError.NotSupported);
  });
});
