import type { AccessWidth } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { PciHost } from "../pci/host-bridge.js";
import { VirtioRng } from "../rng/device.js";
import { VirtioPci } from "./pci.js";
import { TestDriver, TestMemory } from "./test-memory.js";

const BUFFER = 0x8008_0000;
const BAR = 0x4010_0000;
/** Slot 1 of bus 0. */
const SLOT = 0x8000;

let memory: TestMemory;
let host: PciHost;
let wires: boolean[];

beforeEach(() => {
  memory = new TestMemory();
  wires = [false, false, false, false];
  host = new PciHost({
    interrupts: wires.map((_, n) => ({
      set: (level) => {
        wires[n] = level;
      },
    })),
  });
  for (const name of ["rng", "second"]) {
    const device = new VirtioRng({ name, source: (into) => into.fill(0xa5) });
    host.plug((interrupt) => new VirtioPci({ device, memory, interrupt }));
  }
});

const configuration = (offset: number, width: AccessWidth = 4) => host.read(SLOT + offset, width);
const configure = (offset: number, value: number, width: AccessWidth = 4) => host.write(SLOT + offset, width, value);
const bar = (offset: number, width: AccessWidth = 4) => host.memory.read(BAR + offset - host.memory.base, width);
const writeBar = (offset: number, value: number, width: AccessWidth = 4) =>
  host.memory.write(BAR + offset - host.memory.base, width, value);

/** Vendor capabilities by kind: where each lies in configuration space, and its offset in the BAR. */
function capabilities(): Map<number, { readonly at: number; readonly offset: number; readonly length: number }> {
  const found = new Map();
  for (let at = configuration(0x34, 1); at !== 0; at = configuration(at + 1, 1)) {
    expect(configuration(at, 1)).toBe(9);
    found.set(configuration(at + 3, 1), { at, offset: configuration(at + 8), length: configuration(at + 12) });
  }
  return found;
}

/** Brings the device up through the common configuration structure. */
function start(): TestDriver {
  configure(0x10, BAR);
  configure(4, 6, 2);
  for (const status of [0, 1, 3]) writeBar(0x14, status, 1);
  writeBar(8, 1);
  writeBar(0x0c, 1);
  writeBar(0x14, 11, 1);
  const driver = new TestDriver(memory);
  writeBar(0x16, 0, 2);
  writeBar(0x18, 8, 2);
  for (const [offset, address] of [
    [0x20, driver.table],
    [0x28, driver.available],
    [0x30, driver.used],
  ] as const) {
    writeBar(offset, address);
    writeBar(offset + 4, 0);
  }
  writeBar(0x1c, 1, 2);
  writeBar(0x14, 15, 1);
  return driver;
}

describe("a PCI host bridge", () => {
  it("shows functions where they are, and nothing elsewhere", () => {
    expect(host.read(0, 4)).toBe(0x0008_1b36);
    expect(configuration(0)).toBe(0x1044_1af4);
    for (const nowhere of [0x1000, SLOT + 0x1000, 3 * SLOT, 31 * SLOT, 0x10_0000, 0xfff_8000]) {
      expect(host.read(nowhere, 4)).toBe(0xffff_ffff);
    }
    expect([host.read(3 * SLOT, 1), host.read(3 * SLOT, 2)]).toEqual([0xff, 0xffff]);
    expect(host.read(SLOT + 0x100, 4)).toBe(0);
  });

  it("lets the guest find out how large a BAR is, and put it somewhere", () => {
    configure(0x10, 0xffff_ffff);
    expect(configuration(0x10)).toBe(0xffff_c000);
    configure(0x10, BAR);
    configure(0x14, 0xffff_ffff);
    expect([configuration(0x10), configuration(0x14)]).toEqual([BAR, 0]);
    expect(bar(0x12, 2)).toBe(0xffff);
    configure(4, 2, 2);
    expect(bar(0x12, 2)).toBe(1);
  });

  it("does not let identity be written", () => {
    for (let at = 0; at < 0x1000; at += 4) configure(at, 0);
    for (let at = 0; at < 0x1000; at += 4) configure(at, 0xffff_ffff);
    expect([configuration(0), configuration(8), configuration(0x2c)]).toEqual([0x1044_1af4, 0x00ff_0001, 0x1044_1af4]);
    expect(configuration(4, 2)).toBe(0x0406);
  });

  it("ignores misaligned accesses to configuration space", () => {
    host.write(SLOT + 0x3d, 2, 0xffff);
    expect([configuration(0x3c, 2), host.read(SLOT + 1, 2), host.read(SLOT + 2, 4)]).toEqual([
      0x0100, 0xffff, 0xffff_ffff,
    ]);
  });

  it("swizzles pins over its wires and tells the device tree", () => {
    const driver = start();
    driver.add({ address: BUFFER, length: 1, write: true });
    writeBar(0x3000, 0, 2);
    expect(wires).toEqual([false, true, false, false]);
    const [node] = host.deviceTree({ hartCount: 1, phandle: () => 7 });
    const map = node?.properties?.["interrupt-map"] as number[];
    expect(map.slice(4 * 6, 4 * 6 + 6)).toEqual([1 << 11, 0, 0, 1, 7, 33]);
    expect(map.slice(15 * 6)).toEqual([3 << 11, 0, 0, 4, 7, 34]);
  });

  it("keeps a shared wire high until the last function lets go", () => {
    const lines: { set(level: boolean): void }[] = [];
    for (let n = 0; n < 5; n++) {
      host.plug((interrupt) => {
        lines.push(interrupt);
        return new VirtioPci({ device: new VirtioRng(), memory, interrupt });
      });
    }
    const [third, , , , seventh] = lines;
    third?.set(true);
    seventh?.set(true);
    seventh?.set(true);
    third?.set(false);
    expect(wires[3]).toBe(true);
    seventh?.set(false);
    expect(wires[3]).toBe(false);
  });

  it("has room for 31 functions", () => {
    const plug = () => host.plug((interrupt) => new VirtioPci({ device: new VirtioRng(), memory, interrupt }));
    for (let n = 0; n < 29; n++) plug();
    expect(plug).toThrow(/31 devices/);
  });

  it("goes on after save and restore", () => {
    const driver = start();
    const saved = structuredClone(host.save());
    host.reset();
    expect(bar(0x14, 1)).toBe(0xff);
    host.restore(saved);
    expect(host.save()).toEqual(saved);
    driver.add({ address: BUFFER, length: 2, write: true });
    writeBar(0x3000, 0, 2);
    expect(driver.take()).toEqual({ head: 0, written: 2 });
  });
});

describe("virtio over PCI", () => {
  it("describes its structures by capabilities", () => {
    const found = capabilities();
    expect([...found.keys()].sort()).toEqual([1, 2, 3, 5]);
    expect(found.get(1)).toMatchObject({ offset: 0, length: 0x38 });
    expect(configuration((found.get(2)?.at ?? 0) + 16)).toBe(4);
  });

  it("serves a request from doorbell to interrupt", () => {
    const driver = start();
    driver.add({ address: BUFFER, length: 32, write: true });
    writeBar(0x3000, 0, 2);
    expect(driver.take()).toEqual({ head: 0, written: 32 });
    expect(configuration(6, 2) & 8).toBe(8);
    expect([bar(0x1000, 1), bar(0x1000, 1), wires[1]]).toEqual([1, 0, false]);
  });

  it("keeps its wire low while the guest disables it", () => {
    const driver = start();
    configure(4, 0x406, 2);
    driver.add({ address: BUFFER, length: 32, write: true });
    writeBar(0x3000, 0, 2);
    expect(wires[1]).toBe(false);
    configure(4, 6, 2);
    expect(wires[1]).toBe(true);
  });

  it("reads back addresses of 64 bits", () => {
    start();
    writeBar(0x16, 0, 2);
    expect([bar(0x20), bar(0x24), bar(0x1c, 2)]).toEqual([0x8000_0000, 0, 1]);
  });

  it("has no queue where none is, and no MSI-X vector", () => {
    start();
    writeBar(0x16, 7, 2);
    expect([bar(0x18, 2), bar(0x1c, 2), bar(0x10, 2), bar(0x1a, 2)]).toEqual([0, 0, 0xffff, 0xffff]);
  });

  it("is reached through configuration space, too", () => {
    start();
    const at = capabilities().get(5)?.at ?? 0;
    configure(at + 8, 0x14);
    configure(at + 12, 1);
    expect(configuration(at + 16, 1)).toBe(15);
    configure(at + 16, 0, 1);
    expect(bar(0x14, 1)).toBe(0);
    configure(at + 8, 0xffff_fffc);
    configure(at + 12, 4);
    configure(at + 16, 1);
    expect(configuration(at + 16)).toBe(0);
    configure(at + 12, 3);
    expect(configuration(at + 16)).toBe(0);
  });
});
