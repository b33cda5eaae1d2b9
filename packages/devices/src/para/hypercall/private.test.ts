import { SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine, RAM_BASE, RAM_BYTES } from "../sbi/fake-context.js";
import { defineHypercall } from "./define.js";
import { MAX_BATCH, MAX_BATCH_BYTES, privateHypercalls } from "./private.js";

const at = (offset: number) => RAM_BASE + BigInt(offset);
const { Success, InvalidAddress, InvalidParam, NotSupported, Failed } = SbiError;

describe("defineHypercall", () => {
  const extension = defineHypercall({
    id: 0x0800_0001,
    name: "ADD",
    functions: { 3: ([a = 0n, b = 0n]) => ({ error: Success, value: a + b }) },
  });

  it("answers the functions it was given, and no others", () => {
    const { context } = fakeMachine();
    expect(extension.call(3, [1n, 2n], context)).toEqual({ error: Success, value: 3n });
    expect([0, -1, 4].map((id) => extension.call(id, [], context).error)).toEqual(new Array(3).fill(NotSupported));
  });

  it.each([-1, 0.5, 2 ** 31])("does not define extension %s", (id) => {
    expect(() => defineHypercall({ id, name: "X", functions: {} })).toThrow(/31 bits/);
  });
});

describe("the private extension", () => {
  const machine = fakeMachine();
  const { context, ram, asked } = machine;
  const extension = privateHypercalls({
    reverse: (input) => input.slice().reverse(),
    fail: () => undefined,
  });
  const call = (id: number, ...args: bigint[]) => extension.call(id, args, context);

  it("has a version, a clock, a yield and an exit with a code", () => {
    expect(call(0)).toEqual({ error: Success, value: 1n });
    expect(call(3)).toEqual({ error: Success, value: 1_700_000_000_000_000_000n });
    asked.length = 0;
    call(4);
    call(5, 0x107n);
    expect(asked).toEqual([["yieldTurn"], ["shutdown", { kind: "poweroff", exitCode: 7 }]]);
  });

  it("writes many bytes to the console at once", () => {
    ram.set([1, 2, 3]);
    asked.length = 0;
    expect(call(1, 3n, at(0))).toEqual({ error: Success, value: 3n });
    expect(asked).toEqual([["writeConsole", Uint8Array.of(1, 2, 3)]]);
    expect(call(1, 3n, 0n)).toEqual({ error: InvalidAddress });
    expect(call(1, 1n << 63n, at(0))).toEqual({ error: InvalidAddress });
  });

  function batch(...operations: readonly (readonly [kind: number, target: bigint, source: bigint, length: bigint])[]) {
    const view = new DataView(ram.buffer, 0x1000);
    for (const [n, [kind, ...words]] of operations.entries()) {
      view.setUint32(32 * n, kind, true);
      for (const [m, word] of words.entries()) view.setBigUint64(32 * n + 8 + 8 * m, word, true);
    }
    return call(2, BigInt(operations.length), at(0x1000));
  }

  it("fills and copies memory in batches", () => {
    expect(
      batch([0, at(0x2000), 0x1ffn, 4n], [1, at(0x2002), at(0x2000), 4n], [1, at(0x3000), at(0x2001), 6n]),
    ).toEqual({
      error: Success,
      value: 3n,
    });
    expect([...ram.subarray(0x3000, 0x3007)]).toEqual([255, 255, 255, 255, 255, 0, 0]);
  });

  it.each([
    ["an address outside RAM", [0, 0n, 0n, 4n], InvalidAddress],
    ["a source outside RAM", [1, at(0x2000), at(RAM_BYTES - 2), 4n], InvalidAddress],
    ["an unknown operation", [2, at(0x2000), 0n, 4n], InvalidParam],
    ["more bytes than a batch moves", [0, at(0x2000), 0n, BigInt(MAX_BATCH_BYTES)], InvalidParam],
    ["a length of 64 bits", [0, at(0x2000), 0n, (1n << 64n) - 1n], InvalidParam],
  ] as const)("stops a batch at %s, and says how far it came", (_, operation, error) => {
    expect(batch([0, at(0x2000), 1n, 1n], operation, [0, at(0x2001), 1n, 1n])).toEqual({ error, value: 1n });
  });

  it("refuses batches that are too long or not in RAM", () => {
    expect(call(2, BigInt(MAX_BATCH) + 1n, at(0))).toEqual({ error: InvalidParam });
    expect(call(2, 1n, 0n)).toEqual({ error: InvalidAddress });
  });

  const host = (name: string, input: string, room: number) => {
    ram.set(new TextEncoder().encode(name), 0x4000);
    ram.set(new TextEncoder().encode(input), 0x5000);
    const lengths = [name, input].map(({ length }) => BigInt(length)) as [bigint, bigint];
    return call(6, at(0x4000), lengths[0], at(0x5000), lengths[1], at(0x6000), BigInt(room));
  };

  it("calls the host by name", () => {
    expect(host("reverse", "abc", 10)).toEqual({ error: Success, value: 3n });
    expect(new TextDecoder().decode(ram.subarray(0x6000, 0x6003))).toBe("cba");
    expect(host("reverse", "abc", 2)).toEqual({ error: InvalidParam, value: 3n });
    expect(host("fail", "", 0)).toEqual({ error: Failed });
    expect(host("nobody", "", 0)).toEqual({ error: NotSupported });
    expect(call(6, at(0), 65n, at(0), 0n, at(0), 0n)).toEqual({ error: InvalidParam });
    expect(call(6, at(0), 1n, 0n, 1n, at(0), 0n)).toEqual({ error: InvalidAddress });
  });
});
