import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Register } from "./registers.js";
import { Command, E1000TestDriver, frameOf, RECEIVE_RING, TRANSMIT_RING } from "./test-driver.js";

const { End, Fcs, Report } = Command;

let driver: E1000TestDriver;

afterEach(() => {
  vi.useRealTimers();
});
beforeEach(() => {
  driver = new E1000TestDriver().start();
});

describe("the EEPROM", () => {
  const read = (address: number) => {
    driver.write(Register.EERD, (address << 8) | 1);
    return driver.read(Register.EERD);
  };

  it("holds the MAC address, the card's identity and a checksum", () => {
    expect(read(0)).toBe(0x5452_0010);
    expect([1, 2, 0x0d].map((address) => read(address) >>> 16)).toEqual([0x1200, 0x5634, 0x100e]);
    let sum = 0;
    for (let n = 0; n < 64; n++) sum += read(n) >>> 16;
    expect(sum & 0xffff).toBe(0xbaba);
  });

  it("is read bit by bit, too", () => {
    const wires = (value: number) => driver.write(Register.EECD, value);
    wires(0x40);
    expect(driver.read(Register.EECD) & 0x3c0).toBe(0x1c0);
    const clock = (bit: number) => {
      wires(0x42 | (bit << 2));
      wires(0x43 | (bit << 2));
      const out = (driver.read(Register.EECD) >>> 3) & 1;
      wires(0x42 | (bit << 2));
      return out;
    };
    for (const bit of [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]) clock(bit); // idle, read, address 1
    expect((driver.read(Register.EECD) >>> 3) & 1).toBe(0);
    let words = 0;
    for (let n = 0; n < 32; n++) words = words * 2 + clock(0);
    expect(words).toBe(0x1200_5634);
    wires(0x40);
    for (const bit of [1, 0, 1, 0, 0, 0, 0, 0, 1]) clock(bit); // a write is not understood
    expect(clock(0)).toBe(1);
  });

  it("gives the first receive address at each reset", () => {
    driver.write(Register.RAL, 0);
    driver.write(Register.CTRL, 0x0400_0000);
    expect([driver.read(Register.RAL), driver.read(Register.RAL + 4)]).toEqual([0x1200_5452, 0x8000_5634]);
  });
});

describe("the PHY", () => {
  const mdi = (operation: number, register: number, value = 0, address = 1) => {
    driver.write(Register.MDIC, ((operation << 26) | (address << 21) | (register << 16) | value) >>> 0);
    return driver.read(Register.MDIC);
  };

  it("is found where it is, and nowhere else", () => {
    expect([mdi(2, 2) & 0xffff, mdi(2, 3) & 0xffff]).toEqual([0x0141, 0x0c20]);
    expect([mdi(2, 1) >>> 28, mdi(2, 1, 0, 2) >>> 28]).toEqual([1, 5]);
  });

  it("has a link while there is a cable and power", () => {
    const state = () => [mdi(2, 1) & 4, driver.read(Register.STATUS) & 2];
    expect(state()).toEqual([4, 2]);
    driver.read(Register.ICR);
    driver.card.link = false;
    expect([...state(), driver.read(Register.ICR)]).toEqual([0, 0, 4]);
    driver.card.link = true;
    mdi(1, 0, 0x0800);
    expect(state()).toEqual([0, 0]);
    mdi(1, 0, 0x1340);
    expect(state()).toEqual([4, 2]);
    expect(mdi(2, 0) & 0xffff).toBe(0x1140);
  });

  it("interrupts at the end of a transfer if it was asked to", () => {
    driver.read(Register.ICR);
    driver.write(Register.MDIC, (0x2000_0000 | (2 << 26) | (1 << 21)) >>> 0);
    expect(driver.read(Register.ICR)).toBe(0x200);
  });
});

describe("registers", () => {
  it("are reached through I/O space, too", () => {
    driver.card.writeIo(0, 4, Register.VET);
    driver.card.writeIo(4, 4, 0x8100);
    expect([driver.read(Register.VET), driver.card.readIo(4, 4), driver.card.readIo(0, 4)]).toEqual([
      0x8100,
      0x8100,
      Register.VET,
    ]);
    expect(driver.card.readIo(0, 2)).toBe(0);
  });

  it("keep the bits that they have", () => {
    driver.write(Register.TDLEN, 0xffff_ffff);
    driver.write(0x0f00, 0xffff_ffff);
    expect([driver.read(Register.TDLEN), driver.read(0x0f00), driver.read(Register.PBA)]).toEqual([
      0xf_ff80, 0, 0x0010_0030,
    ]);
  });

  it("are as after power-on when the card was reset, and the network knows that its driver is gone", () => {
    expect(driver.seen).toBeDefined();
    driver.write(Register.CTRL, 0x0400_0000);
    expect([driver.read(Register.RCTL), driver.read(Register.TDBAL), driver.seen]).toEqual([0, 0, undefined]);
  });
});

describe("interrupts", () => {
  it("are driven for causes that are not masked, until they are read", () => {
    driver.write(Register.ICS, 0x14);
    expect(driver.interrupt).toBe(false);
    driver.write(Register.IMS, 0x10);
    expect([driver.interrupt, driver.read(Register.IMS)]).toEqual([true, 0x10]);
    expect([driver.read(Register.ICR), driver.interrupt, driver.read(Register.ICR)]).toEqual([0x14, false, 0]);
    driver.write(Register.ICS, 0x10);
    driver.write(Register.IMC, 0x10);
    expect(driver.interrupt).toBe(false);
  });

  it("are acknowledged by writing, too", () => {
    driver.write(Register.ICS, 0x14);
    driver.write(Register.ICR, 0x10);
    expect(driver.read(Register.ICR)).toBe(4);
  });

  it("keep the distance that the guest wants", () => {
    driver.write(Register.IMS, 0x10);
    driver.write(Register.ITR, 100);
    driver.write(Register.ICS, 0x10);
    expect(driver.interrupt).toBe(true);
    driver.read(Register.ICR);
    driver.write(Register.ICS, 0x10);
    driver.timer.pass(25_599);
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(1);
    expect(driver.interrupt).toBe(true);
  });

  it("wait for more packets as long as the guest says", () => {
    driver.start({ causes: 0x81 });
    driver.write(Register.RDTR, 10);
    driver.write(Register.RADV, 15);
    driver.give(4);
    driver.seen?.deliver([frameOf(100)]);
    driver.timer.pass(10_000);
    driver.seen?.deliver([frameOf(100)]);
    driver.timer.pass(5_000);
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(360); // 15 units of 1.024 us since the first
    expect([driver.interrupt, driver.read(Register.ICR) & 0x80]).toEqual([true, 0x80]);
    driver.write(Register.TIDV, 8);
    driver.legacy(frameOf(60), End | Fcs | Report | Command.Delay);
    driver.send();
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(8192);
    expect([driver.interrupt, driver.read(Register.ICR) & 1]).toEqual([true, 1]);
    driver.seen?.deliver([frameOf(100)]);
    driver.write(Register.RDTR, 0x8000_000a);
    expect(driver.interrupt).toBe(true);
  });
});

it("counts packets and bytes, and forgets what was read", () => {
  driver.give(2);
  driver.seen?.deliver([frameOf(60)]);
  driver.seen?.deliver([frameOf(1514, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])]);
  driver.legacy(frameOf(100));
  driver.send();
  const received = [0x40d0, 0x4074, 0x4078, 0x405c, 0x4070, 0x40c0, 0x40c4].map((at) => driver.read(at));
  expect(received).toEqual([2, 2, 1, 1, 1, 64 + 1518, 0]);
  expect([driver.read(0x40d0), driver.read(0x40c0), driver.read(0x40d4), driver.read(0x40dc)]).toEqual([0, 0, 1, 1]);
});

it("goes on after save and restore", () => {
  driver.give(2);
  driver.write(Register.IMS, 0x80);
  driver.card.link = false;
  const saved = structuredClone(driver.card.save());
  driver.card.reset();
  driver.card.link = true;
  driver.card.restore(saved);
  expect([driver.card.save(), driver.card.link, driver.seen !== undefined]).toEqual([saved, false, true]);
  driver.card.link = true;
  driver.seen?.deliver([frameOf(60)]);
  expect([driver.interrupt, driver.received(0).length]).toEqual([true, 60]);
  expect(() => new E1000TestDriver({ mac: "52:54:00:12:34:57" }).card.restore(saved)).toThrow(/MAC address/);
});

it("begins nothing while it is quiesced", async () => {
  await driver.card.quiesce();
  driver.give(1);
  driver.legacy(frameOf(60));
  driver.send();
  expect([driver.seen?.deliver([frameOf(60)]), driver.frames]).toEqual([false, []]);
  driver.card.resume();
  expect([driver.frames.length, driver.log.includes("ready")]).toEqual([1, true]);
});

it("lets no more pass than its rate", async () => {
  vi.useFakeTimers();
  driver = new E1000TestDriver({ rateLimit: { fromGuest: 1000 } }).start();
  for (let n = 0; n < 3; n++) driver.legacy(frameOf(300));
  driver.send();
  expect(driver.frames).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(driver.frames).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(300);
  expect(driver.frames).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(10);
  expect(driver.frames).toHaveLength(3);
});

it.each(["52:54:00", "53:54:00:12:34:56"])("cannot have the address %s", (mac) => {
  expect(() => new E1000TestDriver({ mac })).toThrow(/no MAC address/);
});

it("has rings where the test thinks they are", () => {
  expect([driver.read(Register.TDBAL), driver.read(Register.RDBAL)]).toEqual([TRANSMIT_RING, RECEIVE_RING]);
});
