import { HartvisorError, type InterruptLine } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { Plic } from "./device.js";

/** Contexts of hart 0 and 1, machine and supervisor. */
const M0 = 0;
const S0 = 1;
const S1 = 3;

let outputs: boolean[];
let plic: Plic;

function makePlic(hartCount = 2): Plic {
  return new Plic({
    hartCount,
    output: (context) => ({
      set: (level) => {
        outputs[context] = level;
      },
    }),
  });
}

beforeEach(() => {
  outputs = [false, false, false, false];
  plic = makePlic();
});

const setPriority = (source: number, priority: number) => plic.write(4 * source, 4, priority);
const enable = (context: number, ...sources: number[]) => {
  for (let word = 0; word < 3; word++) {
    const bits = sources
      .filter((source) => source >> 5 === word)
      .reduce((mask, source) => mask | (1 << (source & 31)), 0);
    plic.write(0x2000 + 0x80 * context + 4 * word, 4, bits >>> 0);
  }
};
const setThreshold = (context: number, threshold: number) => plic.write(0x200000 + 0x1000 * context, 4, threshold);
const claim = (context: number) => plic.read(0x200004 + 0x1000 * context, 4);
const complete = (context: number, source: number) => plic.write(0x200004 + 0x1000 * context, 4, source);
const pending = (source: number) => (plic.read(0x1000 + 4 * (source >> 5), 4) >>> (source & 31)) & 1;

describe("delivery", () => {
  it("interrupts the contexts that enable a source, and no others", () => {
    setPriority(10, 1);
    enable(S0, 10);
    enable(S1, 10);
    plic.line(10).set(true);
    expect(outputs).toEqual([false, true, false, true]);
    expect(pending(10)).toBe(1);
  });

  it("interrupts no one for a source of priority 0", () => {
    enable(S0, 10);
    plic.line(10).set(true);
    expect(outputs[S0]).toBe(false);
    expect(claim(S0)).toBe(0);
    setPriority(10, 1);
    expect(outputs[S0]).toBe(true);
  });

  it("holds back priorities up to the threshold, but lets them be claimed", () => {
    setPriority(10, 3);
    enable(S0, 10);
    setThreshold(S0, 3);
    plic.line(10).set(true);
    expect(outputs[S0]).toBe(false);
    setThreshold(S0, 2);
    expect(outputs[S0]).toBe(true);
    setThreshold(S0, 7);
    expect(claim(S0)).toBe(10);
  });

  it("offers the highest priority first, the lowest number among equals", () => {
    for (const [source, priority] of [
      [5, 1],
      [31, 7],
      [32, 7],
      [95, 7],
    ] as const) {
      setPriority(source, priority);
      plic.line(source).set(true);
    }
    enable(M0, 5, 31, 32, 95);
    expect([claim(M0), claim(M0), claim(M0), claim(M0), claim(M0)]).toEqual([31, 32, 95, 5, 0]);
    expect(outputs[M0]).toBe(false);
  });

  it("gives a source to one of two contexts that claim it", () => {
    setPriority(10, 1);
    enable(S0, 10);
    enable(S1, 10);
    plic.line(10).set(true);
    expect([claim(S1), claim(S0)]).toEqual([10, 0]);
    expect(outputs).toEqual([false, false, false, false]);
  });
});

describe("a level-triggered gateway", () => {
  let line: InterruptLine;

  beforeEach(() => {
    setPriority(10, 1);
    enable(S0, 10);
    line = plic.line(10);
    line.set(true);
  });

  it("stays silent between claim and completion, whatever the wire does", () => {
    claim(S0);
    line.set(false);
    line.set(true);
    expect([pending(10), outputs[S0]]).toEqual([0, false]);
  });

  it("interrupts again at completion if the wire is still high", () => {
    claim(S0);
    complete(S0, 10);
    expect([pending(10), outputs[S0]]).toEqual([1, true]);
    expect(claim(S0)).toBe(10);
  });

  it("is silent after completion if the wire fell", () => {
    claim(S0);
    line.set(false);
    complete(S0, 10);
    expect([pending(10), outputs[S0]]).toEqual([0, false]);
    line.set(true);
    expect(outputs[S0]).toBe(true);
  });

  it("does not take back a request when the wire falls before the claim", () => {
    line.set(false);
    expect(outputs[S0]).toBe(true);
    expect(claim(S0)).toBe(10);
  });

  it("ignores a completion by a context that has not enabled the source", () => {
    claim(S0);
    complete(S1, 10);
    expect(pending(10)).toBe(0);
    enable(S0);
    complete(S0, 10);
    expect(pending(10)).toBe(0);
    enable(S0, 10);
    complete(S0, 10);
    expect(pending(10)).toBe(1);
  });

  it("ignores the completion of what is not claimed or does not exist", () => {
    for (const source of [0, 10, 11, 96, 0xffff_ffff]) complete(S0, source);
    expect(pending(10)).toBe(1);
  });
});

describe("registers", () => {
  it("keep three bits of priority and threshold", () => {
    setPriority(95, 0xffff_ffff);
    setThreshold(S1, 0xffff_fffd);
    expect([plic.read(4 * 95, 4), plic.read(0x203000, 4)]).toEqual([7, 5]);
  });

  it("keep every enable bit but source 0's", () => {
    for (let word = 0; word < 3; word++) plic.write(0x2080 + 4 * word, 4, 0xffff_ffff);
    expect([0x2080, 0x2084, 0x2088, 0x208c, 0x2000].map((offset) => plic.read(offset, 4))).toEqual([
      0xffff_fffe, 0xffff_ffff, 0xffff_ffff, 0, 0,
    ]);
  });

  it("do not let the guest write pending bits or source 0's priority", () => {
    plic.write(0x1000, 4, 0xffff_ffff);
    setPriority(0, 7);
    expect([plic.read(0x1000, 4), plic.read(0, 4)]).toEqual([0, 0]);
  });

  it("read zero and ignore writes where there are none", () => {
    const before = plic.save();
    for (const offset of [4 * 96, 0xffc, 0x100c, 0x200c, 0x2200, 0x1ffffc, 0x200008, 0x204000, 0x204004, 0x5ffffc]) {
      plic.write(offset, 4, 0xffff_ffff);
      expect(plic.read(offset, 4)).toBe(0);
    }
    expect(plic.save()).toEqual(before);
  });

  it("take only aligned words", () => {
    const before = plic.save();
    for (const [offset, width] of [
      [4, 1],
      [4, 2],
      [6, 4],
      [0x200004, 1],
    ] as const) {
      plic.write(offset, width, 1);
      expect(plic.read(offset, width)).toBe(0);
    }
    expect(plic.save()).toEqual(before);
  });
});

describe("lifecycle", () => {
  it.each([0, 96, -1, 1.5])("has no wire for source %s", (source) => {
    expect(() => plic.line(source)).toThrow(HartvisorError);
  });

  it.each([0, 513, 1.5])("refuses to serve %s harts", (hartCount) => {
    expect(() => makePlic(hartCount)).toThrow(HartvisorError);
  });

  it("forgets at reset what the guest wrote, not what devices drive", () => {
    setPriority(10, 1);
    setThreshold(M0, 1);
    enable(S0, 10);
    plic.line(10).set(true);
    claim(S0);
    plic.reset();
    expect(outputs).toEqual([false, false, false, false]);
    expect([plic.read(40, 4), plic.read(0x200000, 4), plic.read(0x2080, 4), pending(10)]).toEqual([0, 0, 0, 1]);
  });

  it("goes on after save and restore as if nothing had happened", () => {
    for (const source of [10, 11, 95]) setPriority(source, 2);
    enable(S0, 10, 11, 95);
    setThreshold(M0, 3);
    plic.line(10).set(true);
    plic.line(11).set(true);
    claim(S0);
    const saved = structuredClone(plic.save());
    outputs = [];
    plic = makePlic();
    plic.restore(saved);
    expect(plic.save()).toEqual(saved);
    expect(outputs).toEqual([false, true, false, false]);
    expect(claim(S0)).toBe(11);
    complete(S0, 10);
    expect(claim(S0)).toBe(10);
  });

  it.each([
    ["another version", { version: 2 }],
    ["another number of contexts", { threshold: new Uint8Array(2) }],
    ["enable words of another number of contexts", { enable: new Uint32Array(6) }],
    ["a priority over 7", { priority: new Uint8Array(96).fill(8, 1) }],
    ["a priority for source 0", { priority: new Uint8Array(96).fill(1) }],
    ["a threshold over 7", { threshold: new Uint8Array(4).fill(8) }],
    ["source 0 pending", { pending: Uint32Array.of(1, 0, 0) }],
    ["source 0 enabled", { enable: new Uint32Array(12).fill(1) }],
    ["a source pending and in service", { pending: Uint32Array.of(2, 0, 0), inService: Uint32Array.of(2, 0, 0) }],
    ["a high wire that is neither", { level: Uint32Array.of(0, 4, 0) }],
    ["a plain array", { level: [0, 0, 0] }],
  ])("refuses to restore %s, and stays as it was", (_, change) => {
    const before = plic.save();
    expect(() => plic.restore({ ...before, ...change } as typeof before)).toThrow(HartvisorError);
    expect(plic.save()).toEqual(before);
  });

  it("describes itself as QEMU does", () => {
    const context = { hartCount: 2, phandle: (label: string) => (label === "cpu1-intc" ? 2 : 1) };
    expect(plic.deviceTree(context)).toEqual([
      {
        name: "plic@c000000",
        label: "plic",
        properties: {
          compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
          reg: [0xc00_0000n, 0x60_0000n],
          "#address-cells": 0,
          "#interrupt-cells": 1,
          "interrupt-controller": true,
          "interrupts-extended": [1, 11, 1, 9, 2, 11, 2, 9],
          "riscv,ndev": 95,
        },
      },
    ]);
  });
});
