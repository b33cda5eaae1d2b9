import { SbiError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { MAX_CONSOLE_BYTES, sbiDbcn } from "./dbcn.js";
import { type FakeMachine, fakeMachine, RAM_BASE, RAM_BYTES } from "./fake-context.js";

const RAM_END = RAM_BASE + BigInt(RAM_BYTES);

let machine: FakeMachine;

beforeEach(() => {
  machine = fakeMachine();
});

const call = (functionId: number, ...args: bigint[]) => sbiDbcn.call(functionId, args, machine.context);

/** Buffers that are not all RAM: length, low half, high half of the address. */
const BAD_BUFFERS: [string, bigint, bigint, bigint][] = [
  ["below RAM", 4n, 0n, 0n],
  ["across the start of RAM", 4n, RAM_BASE - 1n, 0n],
  ["across the end of RAM", 4n, RAM_END - 3n, 0n],
  ["whose end alone is outside RAM", BigInt(RAM_BYTES) + 1n, RAM_BASE, 0n],
  ["of more bytes than there are addresses", 0xffff_ffff_ffff_ffffn, RAM_BASE, 0n],
  ["that wraps around", 0x10n, 0xffff_ffff_ffff_fff8n, 0n],
  ["above 64 bits", 4n, RAM_BASE, 1n],
];

it("is extension 0x4442434E", () => expect(sbiDbcn.id).toBe(0x4442434e));

describe("writing", () => {
  it("sends guest memory to the console", () => {
    machine.ram.set([0x68, 0x69], 0x100);
    expect(call(0, 2n, RAM_BASE + 0x100n, 0n)).toEqual({ error: SbiError.Success, value: 2n });
    expect(machine.asked).toEqual([["writeConsole", Uint8Array.of(0x68, 0x69)]]);
  });

  it("sends up to the last byte of RAM", () => {
    expect(call(0, 4n, RAM_END - 4n, 0n)).toEqual({ error: SbiError.Success, value: 4n });
  });

  it("sends nothing from an empty buffer, wherever it is", () => {
    expect(call(0, 0n, 0n, 0n)).toEqual({ error: SbiError.Success, value: 0n });
    expect(machine.asked).toEqual([]);
  });

  it("sends a limited part of a long buffer and says how much", () => {
    expect(call(0, BigInt(RAM_BYTES), RAM_BASE, 0n)).toEqual({
      error: SbiError.Success,
      value: BigInt(MAX_CONSOLE_BYTES),
    });
    expect(machine.asked).toEqual([["writeConsole", new Uint8Array(MAX_CONSOLE_BYTES)]]);
  });

  it.each(BAD_BUFFERS)("refuses a buffer %s", (_, ...buffer) => {
    expect(call(0, ...buffer)).toEqual({ error: SbiError.InvalidParam });
    expect(machine.asked).toEqual([]);
  });
});

describe("reading", () => {
  it("puts waiting input into guest memory", () => {
    machine.input = [0x68, 0x69];
    expect(call(1, 16n, RAM_BASE + 8n, 0n)).toEqual({ error: SbiError.Success, value: 2n });
    expect([...machine.ram.subarray(7, 12)]).toEqual([0, 0x68, 0x69, 0, 0]);
  });

  it("leaves input for later that the buffer has no room for", () => {
    machine.input = [1, 2, 3];
    expect(call(1, 2n, RAM_BASE, 0n)).toEqual({ error: SbiError.Success, value: 2n });
    expect(machine.input).toEqual([3]);
  });

  it("reads nothing when nothing waits", () => {
    expect(call(1, 16n, RAM_BASE, 0n)).toEqual({ error: SbiError.Success, value: 0n });
  });

  it("fails if memory refuses the write after all", () => {
    machine.input = [1];
    const memory = { ...machine.context.memory, write: () => false };
    const result = sbiDbcn.call(1, [1n, RAM_BASE, 0n], { ...machine.context, memory });
    expect(result).toEqual({ error: SbiError.Failed });
  });

  it.each(BAD_BUFFERS)("refuses a buffer %s, and loses no input", (_, ...buffer) => {
    machine.input = [1, 2, 3];
    expect(call(1, ...buffer)).toEqual({ error: SbiError.InvalidParam });
    expect(machine.input).toEqual([1, 2, 3]);
  });
});

it("writes the low byte of a single byte", () => {
  expect(call(2, 0xffff_ff41n)).toEqual({ error: SbiError.Success, value: 0n });
  expect(machine.asked).toEqual([["writeConsole", Uint8Array.of(0x41)]]);
});

it.each([3, -1])("does not support function %i", (functionId) => {
  expect(call(functionId, 1n, RAM_BASE, 0n)).toEqual({ error: SbiError.NotSupported });
});
