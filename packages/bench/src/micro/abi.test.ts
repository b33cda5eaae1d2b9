import { type HypercallContext, SbiError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { type BenchmarkListener, benchmarkHypercalls } from "./abi.js";

const RAM = 0x8000_0000n;
const RAM_BYTES = 0x1000n;

describe("the benchmark hypercalls", () => {
  let heard: unknown[][];
  let isInTurn: boolean;
  beforeEach(() => {
    heard = [];
    isInTurn = true;
  });
  const hear =
    (what: string) =>
    (...args: unknown[]) => {
      heard.push([what, ...args]);
      return isInTurn;
    };
  const listener: BenchmarkListener = {
    start: hear("start"),
    stop: hear("stop"),
    next: hear("next"),
    skip: hear("skip"),
  };
  const context = {
    hart: 1,
    memory: {
      read: (address: bigint, length: number) =>
        address >= RAM && address + BigInt(length) <= RAM + RAM_BYTES ? new Uint8Array(length) : undefined,
    },
  } as unknown as HypercallContext;
  const call = (id: number, ...args: bigint[]) => benchmarkHypercalls(listener).call(id, args, context);

  it("have a version", () => expect(call(0)).toEqual({ error: SbiError.Success, value: 1n }));

  it("pass on what the guest marks", () => {
    call(1);
    call(2, 1000n);
    call(4, 2n);
    expect(heard).toEqual([["start"], ["stop", 1000], ["skip", 2]]);
  });

  it.each([1, 2, 4])("deny call %d out of turn", (id) => {
    isInTurn = false;
    expect(call(id, 1n)).toEqual({ error: SbiError.Denied });
  });

  it.each([0n, 1n << 53n, (1n << 64n) - 1n])("refuse a stretch of %s operations", (operations) => {
    expect(call(2, operations)).toEqual({ error: SbiError.InvalidParam });
    expect(heard).toEqual([]);
  });

  it("let a guest wait for what to run, with its room in RAM", () => {
    expect(call(3, RAM, 64n).error).toBe(SbiError.Success);
    expect(heard).toEqual([["next", { hart: 1, address: RAM, room: 64 }]]);
  });

  it.each([
    ["too little room", RAM, 63n, SbiError.InvalidParam],
    ["absurd room", RAM, (1n << 64n) - 1n, SbiError.InvalidParam],
    ["room outside RAM", 0n, 64n, SbiError.InvalidAddress],
    ["room that reaches out of RAM", RAM + RAM_BYTES - 32n, 64n, SbiError.InvalidAddress],
    ["an address of 64 bits", (1n << 64n) - 1n, 64n, SbiError.InvalidAddress],
  ])("refuse %s", (_, address, room, error) => {
    expect(call(3, address, room)).toEqual({ error });
    expect(heard).toEqual([]);
  });
});
