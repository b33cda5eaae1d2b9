import { HartvisorError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { Aclint } from "./device.js";

const NEVER = 0xffff_ffff_ffff_ffffn;
const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

let now: bigint;
let software: boolean[];
let deadlines: bigint[];
let aclint: Aclint;

function makeAclint(hartCount = 2): Aclint {
  return new Aclint({
    hartCount,
    clock: { frequencyHz: 10_000_000, ticks: () => now, unixTimeNs: () => 0n },
    setTime: (ticks) => {
      now = ticks;
    },
    harts: {
      setMachineSoftware: (hart, level) => {
        software[hart] = level;
      },
      setMachineTimer: (hart, deadline) => {
        deadlines[hart] = deadline;
      },
    },
  });
}

beforeEach(() => {
  now = 0x1_2345_6789n;
  software = [false, false];
  deadlines = [NEVER, NEVER];
  aclint = makeAclint();
});

describe("software interrupts", () => {
  it("raises and clears one hart's by bit 0 of its msip", () => {
    aclint.write(4, 4, 0xffff_ffff);
    expect(software).toEqual([false, true]);
    expect([aclint.read(0, 4), aclint.read(4, 4)]).toEqual([0, 1]);
    aclint.write(4, 4, 0xfffffffe);
    expect(software).toEqual([false, false]);
  });

  it("takes a 64-bit access as two msip registers", () => {
    aclint.write64(0, 0x1_0000_0001n);
    expect(software).toEqual([true, true]);
    expect(aclint.read64(0)).toBe(0x1_0000_0001n);
  });

  it("has no msip for harts that are not there", () => {
    aclint.write(8, 4, 1);
    expect(aclint.read(8, 4)).toBe(0);
    expect(software).toEqual([false, false]);
  });
});

describe("the timer", () => {
  it("tells the machine a deadline written in one piece", () => {
    aclint.write64(MTIMECMP + 8, 0xdead_beef_0000_0001n);
    expect(deadlines).toEqual([NEVER, 0xdead_beef_0000_0001n]);
    expect(aclint.read64(MTIMECMP + 8)).toBe(0xdead_beef_0000_0001n);
    expect([aclint.read(MTIMECMP + 8, 4), aclint.read(MTIMECMP + 12, 4)]).toEqual([1, 0xdead_beef]);
  });

  it("tells the machine after each half of a deadline written in two", () => {
    aclint.write(MTIMECMP, 4, 0x8000_0000);
    expect(deadlines[0]).toBe(0xffff_ffff_8000_0000n);
    aclint.write(MTIMECMP + 4, 4, 0x9000_0000);
    expect(deadlines[0]).toBe(0x9000_0000_8000_0000n);
  });

  it("reads the clock as mtime, whole and in halves", () => {
    expect(aclint.read64(MTIME)).toBe(0x1_2345_6789n);
    expect([aclint.read(MTIME, 4), aclint.read(MTIME + 4, 4)]).toEqual([0x2345_6789, 1]);
  });

  it("shifts time when mtime is written, whole and in halves", () => {
    aclint.write64(MTIME, 5n);
    expect(now).toBe(5n);
    aclint.write(MTIME + 4, 4, 7);
    expect(now).toBe(0x7_0000_0005n);
    aclint.write(MTIME, 4, 0xffff_ffff);
    expect(now).toBe(0x7_ffff_ffffn);
  });

  it("leaves time alone without a way to shift it", () => {
    const harts = { setMachineSoftware: () => {}, setMachineTimer: () => {} };
    const clock = { frequencyHz: 1, ticks: () => 3n, unixTimeNs: () => 0n };
    aclint = new Aclint({ hartCount: 1, clock, harts });
    aclint.write64(MTIME, 5n);
    expect(aclint.read64(MTIME)).toBe(3n);
  });

  it("has no mtimecmp for harts that are not there", () => {
    aclint.write64(MTIMECMP + 16, 1n);
    aclint.write(MTIMECMP + 16, 4, 1);
    expect(aclint.read64(MTIMECMP + 16)).toBe(0n);
    expect(deadlines).toEqual([NEVER, NEVER]);
  });
});

it("reads zero and ignores writes for narrow, misaligned and unknown accesses", () => {
  for (const [offset, width] of [
    [0, 1],
    [0, 2],
    [2, 4],
    [MTIMECMP, 1],
    [MTIMECMP + 1, 4],
    [MTIME, 2],
    [0xc000, 4],
    [0xfffc, 4],
  ] as const) {
    aclint.write(offset, width, 1);
    expect(aclint.read(offset, width)).toBe(0);
  }
  aclint.write64(0xfff8, 1n);
  expect(aclint.read64(0xfff8)).toBe(0n);
  expect([software, deadlines, now]).toEqual([[false, false], [NEVER, NEVER], 0x1_2345_6789n]);
});

describe("lifecycle", () => {
  it("clears interrupts and deadlines at reset but leaves time running", () => {
    aclint.write(0, 4, 1);
    aclint.write64(MTIMECMP, 1n);
    aclint.reset();
    expect([software, deadlines, now]).toEqual([[false, false], [NEVER, NEVER], 0x1_2345_6789n]);
    expect(aclint.save()).toEqual(makeAclint().save());
  });

  it("drives the same signals after save and restore", () => {
    aclint.write(4, 4, 1);
    aclint.write64(MTIMECMP, 99n);
    const saved = structuredClone(aclint.save());
    software = [];
    deadlines = [];
    aclint = makeAclint();
    aclint.restore(saved);
    expect(aclint.save()).toEqual(saved);
    expect([software, deadlines]).toEqual([
      [false, true],
      [99n, NEVER],
    ]);
  });

  it.each([
    ["another version", { version: 0 }],
    ["another number of harts", { msip: new Uint8Array(3), mtimecmp: new BigUint64Array(3) }],
    ["msip with other bits than 0", { msip: Uint8Array.of(0, 2) }],
    ["a plain array of deadlines", { mtimecmp: [0n, 0n] }],
  ])("refuses to restore %s, and stays as it was", (_, change) => {
    const before = aclint.save();
    expect(() => aclint.restore({ ...before, ...change } as typeof before)).toThrow(HartvisorError);
    expect(aclint.save()).toEqual(before);
  });

  it.each([0, -1, 1.5, 4096, Number.NaN])("refuses to serve %s harts", (hartCount) => {
    expect(() => makeAclint(hartCount)).toThrow(HartvisorError);
  });

  it("describes itself as QEMU does", () => {
    const context = { hartCount: 2, phandle: (label: string) => (label === "cpu1-intc" ? 2 : 1) };
    expect(aclint.deviceTree(context)).toEqual([
      {
        name: "clint@2000000",
        properties: {
          compatible: ["sifive,clint0", "riscv,clint0"],
          reg: [0x200_0000n, 0x1_0000n],
          "interrupts-extended": [1, 3, 1, 7, 2, 3, 2, 7],
        },
      },
    ]);
  });
});
