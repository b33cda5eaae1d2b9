/** Alarms of devices with the virtual clock: they ring at their time exactly. */
import { describe, expect, it } from "vitest";
import { FakeDevice } from "./fakes.js";
import { guestWith, PROGRAM, SPIN } from "./guest.js";

describe("alarms with the virtual clock", () => {
  it("ring at their time while a hart computes, not after it", async () => {
    const guest = await guestWith(SPIN);
    const { machine } = guest;
    const rung: bigint[] = [];
    const done = new Promise<void>((resolve) => {
      for (const deadline of [7n, 1234n, 60_001n]) {
        machine.setAlarm(`at ${deadline}`, deadline, () => {
          rung.push(machine.clock.ticks());
          if (deadline === 60_001n) resolve();
        });
      }
    });
    machine.start();
    await done;
    await machine.destroy();
    expect(rung).toEqual([7n, 1234n, 60_001n]);
  });

  it("ring at their time when a device sets them, so that it answers after a fixed number of instructions", async () => {
    const guest = await guestWith("csrrs a2, time, zero\nsw zero, 0(a1)\nj .+0");
    const { machine } = guest;
    machine.enterMachine(0, { address: BigInt(PROGRAM), opaque: 0x1000_0000n });
    const device = new FakeDevice(0x1000_0000);
    const done = new Promise<bigint>((resolve) => {
      device.write = () =>
        machine.setAlarm("answer", machine.clock.ticks() + 100n, () => resolve(machine.clock.ticks()));
    });
    machine.attach(device);
    machine.start();
    expect(await done).toBe(100n);
    await machine.destroy();
  });

  it("let the guest go on though one sets itself again for the past, for ever", async () => {
    const guest = await guestWith(SPIN, { limits: { instructions: 1000 } });
    const { machine } = guest;
    let rung = 0;
    const again = () => {
      rung++;
      machine.setAlarm("again", 0n, again);
    };
    again();
    machine.start();
    await machine.exited;
    expect(guest.hart.executedInstructions).toBe(1000);
    expect(rung).toBeGreaterThan(1);
  });

  it("ring in the order of their deadlines, unless another cancels them", async () => {
    const guest = await guestWith(SPIN, { limits: { instructions: 1000 } });
    const { machine } = guest;
    machine.step(500);
    const rung: string[] = [];
    machine.setAlarm("late", 20n, () => rung.push("late"));
    machine.setAlarm("cancelled", 15n, () => rung.push("cancelled"));
    machine.setAlarm("early", 10n, () => {
      rung.push("early");
      machine.setAlarm("cancelled", undefined, () => {});
    });
    machine.start();
    await machine.exited;
    expect(rung).toEqual(["early", "late"]);
  });

  it("ring at their time while every hart waits", async () => {
    const guest = await guestWith("wfi\nj .-4", { harts: 2 });
    const { machine } = guest;
    machine.enterMachine(1, { address: BigInt(PROGRAM), opaque: 0n });
    const done = new Promise<bigint>((resolve) => {
      machine.setAlarm("alarm", 123_456_789n, () => resolve(machine.clock.ticks()));
    });
    machine.start();
    expect(await done).toBe(123_456_789n);
    await machine.destroy();
  });

  it("ring at their time while several harts compute", async () => {
    const guest = await guestWith(SPIN, { harts: 3 });
    const { machine } = guest;
    for (const id of [1, 2]) machine.enterMachine(id, { address: BigInt(PROGRAM), opaque: 0n });
    const done = new Promise<bigint>((resolve) => {
      machine.setAlarm("alarm", 12_345n, () => resolve(machine.clock.ticks()));
    });
    machine.start();
    expect(await done).toBe(12_345n);
    await machine.destroy();
  });
});
