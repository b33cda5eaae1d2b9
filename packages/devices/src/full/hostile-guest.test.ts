/**
 * What every full device owes its host: no access of a guest makes it throw or
 * answer with a number that its width cannot hold, and whatever state a guest
 * drives it into, it can save and take back.
 */
import type { AccessWidth, Device } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { Aclint } from "./aclint/device.js";
import { GoldfishRtc } from "./goldfish-rtc/device.js";
import { Plic } from "./plic/device.js";
import { TestFinisher } from "./test-finisher/device.js";
import { Uart16550 } from "./uart16550/device.js";

const interrupt = { set: () => {} };
const clock = { frequencyHz: 1, ticks: () => 0x1234_5678_9abc_def0n, unixTimeNs: () => 0x1789_0000_0000_0000n };

/** Each device, and what the world outside does to it between two accesses. */
const DEVICES: Record<string, () => { device: Device; disturb?: (random: () => number) => void }> = {
  uart16550: () => {
    const device = new Uart16550({ output: () => {}, interrupt });
    return { device, disturb: (random) => device.receive(new Uint8Array(random() % 8)) };
  },
  aclint: () => {
    const harts = { setMachineSoftware: () => {}, setMachineTimer: () => {} };
    return { device: new Aclint({ hartCount: 3, clock, harts }) };
  },
  plic: () => {
    const device = new Plic({ hartCount: 3, output: () => interrupt });
    return { device, disturb: (random) => device.line(1 + (random() % 95)).set(random() % 2 === 0) };
  },
  "goldfish-rtc": () => {
    const device = new GoldfishRtc({ clock, interrupt });
    return { device, disturb: () => device.tick() };
  },
  "test-finisher": () => ({ device: new TestFinisher({ shutdown: () => {} }) }),
};

/** Xorshift, so that a failure can be repeated from its seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const WIDTHS: readonly AccessWidth[] = [1, 2, 4, 4];

describe.each(Object.keys(DEVICES))("%s", (name) => {
  it.each([1, 0xbeef, 0x7fffffff])("survives whatever a guest does, seed %i", (seed) => {
    const random = randomNumbers(seed);
    const make = DEVICES[name] as (typeof DEVICES)[string];
    const { device, disturb } = make();
    // Most accesses go where registers are, so that they mean something.
    const blocks = [0, 0x1000, 0x2000, 0x4000, 0xbf80, 0x20_0000].filter((block) => block < device.size);
    for (let step = 0; step < 5000; step++) {
      const width = WIDTHS[random() % WIDTHS.length] ?? 4;
      const block = blocks[random() % blocks.length] ?? 0;
      const near = block + (random() % 0x80) + (random() % 4) * 0x1000;
      const offset = Math.min(random() % 8 === 0 ? random() % device.size : near, device.size - 8);
      const value = random() % 2 === 0 ? random() : random() % 128;
      if (random() % 2 === 0) {
        device.write(offset, width, width === 4 ? value : value & (width === 1 ? 0xff : 0xffff));
        device.write64?.(offset & ~7, (BigInt(random()) << 32n) | BigInt(random()));
      } else {
        const read = device.read(offset, width);
        if (!Number.isInteger(read) || read < 0 || read >= 2 ** (8 * width)) expect.fail(`read ${read} at ${offset}`);
        const wide = device.read64?.(offset & ~7) ?? 0n;
        if (BigInt.asUintN(64, wide) !== wide) expect.fail(`read ${wide} at ${offset}`);
      }
      disturb?.(random);
      if (step % 50 !== 0) continue;
      const saved = structuredClone(device.save());
      const copy = make().device;
      copy.restore(saved);
      expect(copy.save()).toEqual(saved);
    }
  });
});
