import { HartvisorError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { GoldfishRtc } from "./device.js";

const TIME_LOW = 0x00;
const TIME_HIGH = 0x04;
const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const CLEAR_ALARM = 0x14;
const ALARM_STATUS = 0x18;
const CLEAR_INTERRUPT = 0x1c;

let now: bigint;
let line: boolean;
let deadline: bigint | undefined;
let rtc: GoldfishRtc;

function makeRtc(): GoldfishRtc {
  return new GoldfishRtc({
    clock: { frequencyHz: 1, ticks: () => 0n, unixTimeNs: () => now },
    interrupt: {
      set: (level) => {
        line = level;
      },
    },
    schedule: (deadlineNs) => {
      deadline = deadlineNs;
    },
  });
}

beforeEach(() => {
  now = 1_700_000_000_123_456_789n;
  line = false;
  deadline = undefined;
  rtc = makeRtc();
});

const read = (register: number) => rtc.read(register, 4);
const write = (register: number, value: number) => rtc.write(register, 4, value);
const readTime = () => {
  const low = BigInt(read(TIME_LOW));
  return (BigInt(read(TIME_HIGH)) << 32n) | low;
};
const setAlarm = (time: bigint) => {
  write(ALARM_HIGH, Number(time >> 32n));
  write(ALARM_LOW, Number(time & 0xffff_ffffn));
};

describe("time", () => {
  it("is the clock's, in nanoseconds", () => {
    expect(readTime()).toBe(now);
  });

  it("has a high half that belongs to the last low half read", () => {
    now = 0x1_ffff_ffffn;
    read(TIME_LOW);
    now = 0x2_0000_0000n;
    expect(read(TIME_HIGH)).toBe(1);
    expect(readTime()).toBe(0x2_0000_0000n);
  });

  it("goes on from what the guest sets it to", () => {
    write(TIME_HIGH, 5);
    write(TIME_LOW, 7);
    expect(readTime()).toBe(0x5_0000_0007n);
    now += 100n;
    expect(readTime()).toBe(0x5_0000_006bn);
  });

  it("wraps at 64 bits", () => {
    write(TIME_HIGH, 0xffff_ffff);
    write(TIME_LOW, 0xffff_ffff);
    now += 2n;
    expect(readTime()).toBe(1n);
  });
});

describe("the alarm", () => {
  it("asks to be called at its time, and interrupts then and not before", () => {
    write(IRQ_ENABLED, 1);
    setAlarm(now + 1000n);
    expect([deadline, read(ALARM_STATUS)]).toEqual([now + 1000n, 1]);
    now += 999n;
    rtc.tick();
    expect(line).toBe(false);
    now += 1n;
    rtc.tick();
    expect([line, read(ALARM_STATUS)]).toEqual([true, 0]);
    write(CLEAR_INTERRUPT, 1);
    expect(line).toBe(false);
    rtc.tick();
    expect(line).toBe(false);
  });

  it("reads back its time", () => {
    setAlarm(0x1234_5678_9abc_def0n);
    expect([read(ALARM_HIGH), read(ALARM_LOW)]).toEqual([0x1234_5678, 0x9abc_def0]);
  });

  it("keeps its time while only the high half of a new one is written", () => {
    write(IRQ_ENABLED, 1);
    setAlarm(now + 1000n);
    write(ALARM_HIGH, 0);
    rtc.tick();
    expect([line, deadline]).toEqual([false, now + 1000n]);
    now += 1000n;
    rtc.tick();
    expect(line).toBe(true);
  });

  it("fires at once when set in the past", () => {
    write(IRQ_ENABLED, 1);
    setAlarm(now - 1n);
    expect([line, deadline, read(ALARM_STATUS)]).toEqual([true, undefined, 0]);
  });

  it("interrupts only while enabled, but remembers", () => {
    setAlarm(now);
    expect(line).toBe(false);
    write(IRQ_ENABLED, 0xffff_ffff);
    expect([line, read(IRQ_ENABLED)]).toEqual([true, 1]);
    write(IRQ_ENABLED, 0);
    expect(line).toBe(false);
  });

  it("is taken back by CLEAR_ALARM", () => {
    write(IRQ_ENABLED, 1);
    setAlarm(now + 1000n);
    write(CLEAR_ALARM, 1);
    expect([deadline, read(ALARM_STATUS)]).toEqual([undefined, 0]);
    now += 2000n;
    rtc.tick();
    expect(line).toBe(false);
  });

  it("moves with the guest's time when the guest sets that", () => {
    write(TIME_HIGH, 0);
    write(TIME_LOW, 0);
    setAlarm(0x1000n);
    expect(deadline).toBe(now + 0x1000n);
    write(TIME_LOW, 0x800);
    expect(deadline).toBe(now + 0x800n);
    write(IRQ_ENABLED, 1);
    write(TIME_LOW, 0x1000);
    expect([deadline, line]).toEqual([undefined, true]);
  });
});

it("reads zero and ignores writes for narrow accesses and where there is no register", () => {
  const before = rtc.save();
  for (const [offset, width] of [
    [ALARM_LOW, 1],
    [ALARM_LOW, 2],
    [IRQ_ENABLED, 1],
    [0x20, 4],
    [0x09, 4],
    [0xffc, 4],
  ] as const) {
    rtc.write(offset, width, 1);
    expect(rtc.read(offset, width)).toBe(0);
  }
  for (const register of [CLEAR_ALARM, CLEAR_INTERRUPT]) expect(read(register)).toBe(0);
  write(ALARM_STATUS, 1);
  expect(rtc.save()).toEqual(before);
});

describe("lifecycle", () => {
  it("works without anybody to schedule for", () => {
    rtc = new GoldfishRtc({
      clock: { frequencyHz: 1, ticks: () => 0n, unixTimeNs: () => now },
      interrupt: { set: () => {} },
    });
    setAlarm(now + 1n);
    now += 1n;
    rtc.tick();
    expect(read(ALARM_STATUS)).toBe(0);
  });

  it("forgets alarm and time at reset", () => {
    write(TIME_HIGH, 0);
    write(IRQ_ENABLED, 1);
    setAlarm(1n << 62n);
    rtc.reset();
    expect(rtc.save()).toEqual(makeRtc().save());
    expect([deadline, readTime()]).toEqual([undefined, now]);
    setAlarm(0n);
    write(IRQ_ENABLED, 1);
    rtc.reset();
    expect(line).toBe(false);
  });

  it("goes on after save and restore, its alarm scheduled anew", () => {
    write(TIME_HIGH, 0);
    read(TIME_LOW);
    write(IRQ_ENABLED, 1);
    setAlarm(1n << 40n);
    const saved = structuredClone(rtc.save());
    const expected = deadline;
    deadline = undefined;
    rtc = makeRtc();
    rtc.restore(saved);
    expect(rtc.save()).toEqual(saved);
    expect(deadline).toBe(expected);
  });

  it("fires after restore if the alarm's time passed meanwhile, and shows a pending interrupt", () => {
    write(IRQ_ENABLED, 1);
    setAlarm(now + 1000n);
    const running = rtc.save();
    now += 1000n;
    rtc = makeRtc();
    rtc.restore(running);
    expect(line).toBe(true);
    const pending = rtc.save();
    line = false;
    rtc = makeRtc();
    rtc.restore(pending);
    expect(line).toBe(true);
  });

  it.each([
    ["another version", { version: 2 }],
    ["a negative offset", { offsetNs: -1n }],
    ["an alarm over 64 bits", { alarmNs: 1n << 64n }],
    ["a number for a bigint", { alarmNs: 1 }],
    ["a latch over 32 bits", { timeHigh: 2 ** 32 }],
    ["a missing field", { irqPending: undefined }],
  ])("refuses to restore %s, and stays as it was", (_, change) => {
    const before = rtc.save();
    expect(() => rtc.restore({ ...before, ...change } as typeof before)).toThrow(HartvisorError);
    expect(rtc.save()).toEqual(before);
  });

  it("describes itself as QEMU does", () => {
    const context = { hartCount: 1, phandle: (label: string) => (label === "plic" ? 5 : 0) };
    expect(rtc.deviceTree(context)).toEqual([
      {
        name: "rtc@101000",
        properties: {
          compatible: "google,goldfish-rtc",
          reg: [0x10_1000n, 0x1000n],
          "interrupt-parent": 5,
          interrupts: 11,
        },
      },
    ]);
  });
});
