/** Hypercalls: what extensions are asked, and what they may do to harts. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { FirmwareEvent, type HypercallContext } from "../../src/hypercall/extension.js";
import { extension } from "./fakes.js";
import { Cause, createGuest, DATA, guestWith, PROGRAM, SPIN } from "./guest.js";

describe("hypercalls", () => {
  const FAKE = 0x0900_0000;

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("give the extension its function and arguments, and the guest error and value", async () => {
    const calls: unknown[] = [];
    const guest = await guestWith("ecall\nj .+0", {
      hypercalls: [
        extension(FAKE, (functionId, args, { hart }) => {
          calls.push([hart, functionId, args]);
          return { error: -3, value: (1n << 64n) - 5n };
        }),
      ],
    });
    guest.set({ a0: 1n, a1: -2n, a2: 3n, a3: 4n, a4: 5n, a5: 6n, a6: 77n, a7: FAKE, s0: 8n });
    guest.enter("supervisor");
    guest.run();
    expect(calls).toEqual([[0, 77, [1n, (1n << 64n) - 2n, 3n, 4n, 5n, 6n]]]);
    expect(["a0", "a1", "a2", "a6", "a7", "s0"].map((name) => guest.get(name))).toEqual([
      (1n << 64n) - 3n,
      (1n << 64n) - 5n,
      3n,
      77n,
      BigInt(FAKE),
      8n,
    ]);
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    expect(guest.hart.privilege).toBe("supervisor");
  });

  it("reach the caller's CSRs as firmware would, and count events", async () => {
    const seen: unknown[] = [];
    const guest = await guestWith("ecall\nj .+0", {
      hypercalls: [
        extension(FAKE, (_, __, context) => {
          context.writeCsr(0x323, 0xffn); // no such event
          context.writeCsr(0xb03, -1n);
          seen.push(context.readCsr(0x323), context.readCsr(0xb03));
          context.countEvent(FirmwareEvent.SetTimer, 0);
          context.countEvent(FirmwareEvent.SetTimer, 0);
          seen.push(context.eventCount(FirmwareEvent.SetTimer, 0), context.eventCount(FirmwareEvent.IpiSent, 0));
          return { error: 0 };
        }),
      ],
    });
    guest.set({ a7: FAKE });
    guest.enter("supervisor");
    guest.run();
    expect(seen).toEqual([0n, (1n << 64n) - 1n, 2n, 0n]);
  });

  it("learn how often a hart had the exceptions that firmware may handle", async () => {
    let context: HypercallContext | undefined;
    const guest = await guestWith("ecall\ncsrrs a0, mstatus, zero", {
      hypercalls: [
        extension(FAKE, (_, __, here) => {
          context = here;
          return { error: 0 };
        }),
      ],
    });
    guest.set({ a7: FAKE });
    guest.enter("supervisor");
    guest.run();
    expect(context?.eventCount(FirmwareEvent.IllegalInstruction, 0)).toBe(1n);
    expect(context?.eventCount(FirmwareEvent.AccessLoad, 0)).toBe(0n);
  });

  it("learn how long harts that could run did not", async () => {
    const resumed = [0, 0];
    let context: HypercallContext | undefined;
    const guest = await guestWith(`ecall\n${SPIN}`, {
      harts: 2,
      clock: "real",
      hypercalls: [
        extension(FAKE, (_, __, here) => {
          context = here;
          if (here.hart === 0) here.startHart(1, BigInt(PROGRAM), 0n);
          const { hart } = here;
          here.onResume(hart, () => resumed.splice(hart, 1, (resumed[hart] ?? 0) + 1));
          return { error: 0 };
        }),
      ],
    });
    guest.machine.harts[1]?.setRegister(17, BigInt(FAKE));
    guest.machine.enterSupervisor(0, { address: BigInt(PROGRAM), opaque: 0n });
    guest.set({ a7: FAKE });
    // Whenever anybody looks, a hundredth of a millisecond has passed: how busy the host is decides nothing.
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => {
      now += 0.01;
      return now;
    });
    const begin = now;
    guest.machine.start();
    while (Math.min(...resumed) < 1000) await new Promise((resolve) => setTimeout(resolve, 5));
    await guest.machine.pause();
    const elapsedNs = (now - begin) * 1e6;
    const stolen = [0, 1].map((hart) => Number(context?.stealTimeNs(hart)));
    for (const ns of stolen) expect(ns / elapsedNs).toBeGreaterThan(0.2);
    for (const ns of stolen) expect(ns / elapsedNs).toBeLessThan(1);
  });

  it("give 0 in a1 where the extension has no value", async () => {
    const guest = await guestWith("ecall\nj .+0", { hypercalls: [extension(FAKE, () => ({ error: 0 }))] });
    guest.set({ a1: 5n, a7: FAKE });
    guest.enter("supervisor");
    guest.run();
    expect([guest.get("a0"), guest.get("a1")]).toEqual([0n, 0n]);
  });

  it.each([0n, 0x10n, 0x1_0900_0000n, -1n])("answer NOT_SUPPORTED for extension %i, which is not there", async (id) => {
    const guest = await guestWith("ecall\nj .+0", { hypercalls: [extension(FAKE, () => ({ error: 0 }))] });
    guest.set({ a7: id });
    guest.enter("supervisor");
    guest.run();
    expect(BigInt.asIntN(64, guest.get("a0"))).toBe(-2n);
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
  });

  it.each([
    ["user", Cause.EcallFromUser],
    ["machine", Cause.EcallFromMachine],
  ] as const)("leave an ecall from %s mode the trap that it is", async (mode, cause) => {
    const guest = await createGuest({ hypercalls: [extension(FAKE, () => ({ error: 0 }))] });
    guest.set({ a7: FAKE });
    expect(guest.trapOf("ecall", mode).cause).toBe(cause);
  });

  it("raise and clear interrupts, and set the timer", async () => {
    const guest = await guestWith("ecall\necall\nj .+0", {
      hypercalls: [
        extension(FAKE, (functionId, [argument = 0n], context) => {
          if (functionId === 0) context.setInterrupt(0, 1, argument !== 0n);
          return { error: 0 };
        }),
      ],
    });
    guest.set({ a0: 1n, a6: 0n, a7: FAKE });
    guest.enter("supervisor");
    guest.machine.step();
    expect(guest.hart.getCsr("mip")).toBe(2n);
    guest.machine.step();
    expect(guest.hart.getCsr("mip")).toBe(0n);
  });

  it("start another hart, which begins in S-mode with its id and what it is given", async () => {
    const guest = await guestWith("ecall\nj .+0", {
      harts: 2,
      hypercalls: [
        extension(FAKE, (_, [hart = 0n, address = 0n, opaque = 0n], context) => {
          context.startHart(Number(hart), address, opaque);
          return { error: 0 };
        }),
      ],
    });
    guest.load(DATA, "mv s0, a0\nmv s1, a1\nj .+0");
    guest.machine.enterSupervisor(0, { address: BigInt(PROGRAM), opaque: 0n });
    guest.set({ a0: 1n, a1: DATA, a2: 42n, a7: FAKE });
    guest.machine.step(1);
    expect(guest.machine.step(3, 1)).toBe(true);
    const other = guest.machine.harts[1];
    expect(other?.privilege).toBe("supervisor");
    expect(other?.getRegister(8)).toBe(1n);
    expect(other?.getRegister(9)).toBe(42n);
  });

  it("end the machine", async () => {
    const guest = await guestWith("ecall\naddi a2, a2, 1\nj .-4", {
      hypercalls: [
        extension(FAKE, (_, __, context) => {
          context.shutdown({ kind: "poweroff", exitCode: 9 });
          return { error: 0 };
        }),
      ],
    });
    guest.set({ a2: 0n, a7: FAKE });
    guest.enter("supervisor");
    guest.machine.start();
    expect(await guest.machine.exited).toEqual({ kind: "poweroff", exitCode: 9 });
    expect(guest.get("a2")).toBe(0n);
  });
});
