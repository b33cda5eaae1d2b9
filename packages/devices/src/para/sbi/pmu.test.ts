import { FirmwareEvent, SbiError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM_BASE } from "./fake-context.js";
import { sbiIpi } from "./ipi.js";
import { sbiPmu } from "./pmu.js";
import { sbiRfence } from "./rfence.js";
import { sbiTime } from "./time.js";

const MCOUNTINHIBIT = 0x320;
const MIP = 0x344;
const LCOFIP = 1n << 13n;
const OF = 1n << 63n;
const FIRST_FIRMWARE = 11n;
const firmware = (code: number) => (15n << 16n) | BigInt(code);
const AUTO_START = 4n;

let machine: FakeMachine;

beforeEach(() => {
  machine = fakeMachine([0, 0, 0]);
  machine.csrs.set(MCOUNTINHIBIT, 0x7f8n);
});

const call = (functionId: number, ...args: bigint[]) => sbiPmu.call(functionId, args, machine.context);
const ok = (value?: bigint) => (value === undefined ? { error: 0 } : { error: 0, value });

describe("SBI PMU", () => {
  it("is extension 0x504d55", () => expect(sbiPmu.id).toBe(0x504d55));

  it("has the hart's counters under their own numbers, and sixteen of firmware events behind them", () => {
    expect(call(0)).toEqual(ok(27n));
    expect(call(1, 0n)).toEqual(ok((63n << 12n) | 0xc00n));
    expect(call(1, 1n)).toEqual({ error: SbiError.InvalidParam });
    expect(call(1, 2n)).toEqual(ok((63n << 12n) | 0xc02n));
    expect(call(1, 10n)).toEqual(ok((63n << 12n) | 0xc0an));
    expect(call(1, 11n)).toEqual(ok((1n << 63n) | (63n << 12n)));
    expect(call(1, 26n).error).toBe(SbiError.Success);
    for (const index of [27n, (1n << 64n) - 1n]) expect(call(1, index)).toEqual({ error: SbiError.InvalidParam });
  });

  it.each([
    ["cycles by a programmable counter", 0x7fdn, 1n, 0n, 3n],
    ["cycles by their own counter where there is no other", 0x5n, 1n, 0n, 0n],
    ["instructions by their own counter", 0x5n, 2n, 0n, 2n],
    ["a raw event", 0x7f8n, 2n << 16n, 5n, 3n],
    ["a firmware event", 0x7ff_ffffn & ~2n, (15n << 16n) | 5n, 0n, FIRST_FIRMWARE],
  ])("counts %s", (_, mask, event, data, counter) => {
    machine.csrs.set(MCOUNTINHIBIT, 0x7fdn);
    expect(call(2, 0n, mask, 0n, event, data)).toEqual(ok(counter));
  });

  it.each([
    ["an event that nothing counts", 0x7f8n, 0n, 3n, 0n, SbiError.NotSupported],
    ["cache events", 0x7f8n, 0n, 1n << 16n, 0n, SbiError.NotSupported],
    ["a raw event that does not exist", 0x7f8n, 0n, 2n << 16n, 6n, SbiError.NotSupported],
    ["fences of guests' guests", 1n << 11n, 0n, firmware(14), 0n, SbiError.NotSupported],
    ["instructions on the counter of cycles", 1n, 0n, 2n, 0n, SbiError.NotSupported],
    ["instructions on the counter of cycles without matching", 1n, 1n, 2n, 0n, SbiError.NotSupported],
    ["a counter that does not exist", 2n, 0n, 1n, 0n, SbiError.InvalidParam],
    ["unknown flags", 0x7f8n, 0x100n, 1n, 0n, SbiError.InvalidParam],
    ["data for an event that has none", 0x7f8n, 0n, 1n, 1n, SbiError.InvalidParam],
    ["an event of more than 20 bits", 0x7f8n, 0n, 0x10_0001n, 0n, SbiError.NotSupported],
  ])("refuses %s", (_, mask, flags, event, data, error) => {
    expect(call(2, 0n, mask, flags, event, data)).toEqual({ error });
  });

  it("programs, clears and starts what it configures, with the modes not to count in", () => {
    machine.csrs.set(0xb03, 99n);
    const SINH_AND_MINH = 0xc0n;
    expect(call(2, 3n, 1n, 2n | AUTO_START | SINH_AND_MINH, 2n << 16n, 3n)).toEqual(ok(3n));
    expect(machine.csrs.get(0x323)).toBe((3n << 61n) | 3n);
    expect(machine.csrs.get(0xb03)).toBe(0n);
    expect(machine.csrs.get(MCOUNTINHIBIT)).toBe(0x7f0n);
  });

  it("does not choose a counter that is started, unless it is told which", () => {
    call(2, 0n, 0x8n, AUTO_START, 1n);
    expect(call(2, 0n, 0x18n, 0n, 2n)).toEqual(ok(4n));
    expect(call(2, 0n, 0x8n, 0n, 2n)).toEqual({ error: SbiError.NotSupported });
    expect(call(2, 0n, 0x8n, 1n, 2n)).toEqual(ok(3n));
  });

  it("starts counters with a value and stops them, and says which were so already", () => {
    expect(call(3, 3n, 3n, 1n, 1234n)).toEqual(ok());
    expect([machine.csrs.get(0xb03), machine.csrs.get(0xb04)]).toEqual([1234n, 1234n]);
    expect(call(3, 3n, 1n, 0n, 0n)).toEqual({ error: SbiError.AlreadyStarted });
    expect(call(4, 3n, 1n, 0n)).toEqual(ok());
    expect(call(4, 3n, 3n, 0n)).toEqual({ error: SbiError.AlreadyStopped });
    expect(machine.csrs.get(MCOUNTINHIBIT)).toBe(0x7f8n);
    expect(call(4, 26n, 3n, 0n)).toEqual({ error: SbiError.InvalidParam });
    expect(call(3, 0n, 2n, 0n, 0n)).toEqual({ error: SbiError.InvalidParam });
    expect(call(3, 3n, 1n, 4n, 0n)).toEqual({ error: SbiError.InvalidParam });
  });

  it("forgets the event with the reset flag", () => {
    call(2, 0n, 0x8n, AUTO_START, 2n << 16n, 3n);
    call(4, 3n, 1n, 1n);
    expect(machine.csrs.get(0x323)).toBe(0n);
  });

  it("lets an overflown counter interrupt again once the interrupt is taken", () => {
    machine.csrs.set(0x323, OF | 1n);
    machine.csrs.set(MIP, LCOFIP);
    call(3, 3n, 1n, 0n, 0n);
    expect(machine.csrs.get(0x323)).toBe(OF | 1n);
    call(4, 3n, 1n, 0n);
    machine.csrs.set(MIP, 0n);
    call(3, 3n, 1n, 0n, 0n);
    expect(machine.csrs.get(0x323)).toBe(1n);
  });

  it("counts what the other modules do", () => {
    const events = [
      FirmwareEvent.SetTimer,
      FirmwareEvent.IpiSent,
      FirmwareEvent.FenceISent,
      FirmwareEvent.SfenceVmaSent,
      FirmwareEvent.SfenceVmaAsidSent,
      FirmwareEvent.IpiReceived,
    ];
    for (const [n, event] of events.entries()) call(2, FIRST_FIRMWARE + BigInt(n), 1n, AUTO_START, firmware(event));
    sbiTime.call(0, [5n], machine.context);
    sbiIpi.call(0, [7n, 0n], machine.context); // itself and two others
    sbiRfence.call(0, [2n, 0n], machine.context);
    sbiRfence.call(1, [6n, 0n, 0n, 0n], machine.context);
    sbiRfence.call(2, [6n, 0n, 0n, 0n, 1n], machine.context);
    expect(events.map((_, n) => call(5, FIRST_FIRMWARE + BigInt(n)).value)).toEqual([1n, 2n, 1n, 2n, 2n, 0n]);
    expect(machine.eventCount(FirmwareEvent.IpiReceived, 2)).toBe(1n);
  });

  it("counts firmware events only while the counter is started", () => {
    const tick = () => sbiTime.call(0, [5n], machine.context);
    call(2, FIRST_FIRMWARE, 1n, 0n, firmware(FirmwareEvent.SetTimer));
    tick();
    call(3, FIRST_FIRMWARE, 1n, 1n, 100n);
    tick();
    tick();
    call(4, FIRST_FIRMWARE, 1n, 0n);
    tick();
    expect(call(5, FIRST_FIRMWARE)).toEqual(ok(102n));
    expect(call(6, FIRST_FIRMWARE)).toEqual(ok(0n));
    expect(call(5, 3n)).toEqual({ error: SbiError.InvalidParam });
    expect(call(6, 27n)).toEqual({ error: SbiError.InvalidParam });
  });

  it("has no snapshots", () => {
    expect(call(7, RAM_BASE, 0n, 0n)).toEqual({ error: SbiError.NotSupported });
    expect(call(4, 0n, 1n, 2n)).toEqual({ error: SbiError.NoSharedMemory });
    expect(call(3, 3n, 1n, 2n, 0n)).toEqual({ error: SbiError.NoSharedMemory });
    expect(call(3, 3n, 1n, 3n, 0n)).toEqual({ error: SbiError.InvalidParam });
    expect(machine.csrs.get(MCOUNTINHIBIT)).toBe(0x7f8n);
  });

  it("keeps harts and machines apart", () => {
    call(2, FIRST_FIRMWARE, 1n, AUTO_START, firmware(FirmwareEvent.SetTimer));
    sbiTime.call(0, [5n], machine.context);
    expect(call(5, FIRST_FIRMWARE).value).toBe(1n);
    machine = fakeMachine();
    expect(call(5, FIRST_FIRMWARE).value).toBe(0n);
  });

  it("has no other function", () => expect(call(8)).toEqual({ error: SbiError.NotSupported }));
});
