/** Several machines on one pool: frames by and by, what one gives up serves another, and what happens when there are none. */
import { describe, expect, it } from "vitest";
import { type FramePool, sharedPool } from "../../src/index.js";
import { extension } from "./fakes.js";
import { createGuest, DATA, type Guest, type GuestOptions, PACES, PROGRAM, RAM, SPIN, TABLES } from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

const pageOf = (address: number) => address / 4096;
/** Frames of the pool that guests' own accesses leave alone. */
const RESERVE = 64;
/** Stores one word in each of so many pages from a1 on. */
const touch = (pages: number) =>
  `li t0, ${pages}\nli t1, 4096\nsd a2, (a1)\nadd a1, a1, t1\naddi t0, t0, -1\nbne t0, zero, .-12`;

/** A pool with so many frames that guests can have. */
const poolOf = (frames: number): FramePool => sharedPool({ memoryBytes: (frames + RESERVE) * 4096, machines: 4 });

async function guestOn(pool: FramePool, program: string, options: GuestOptions = {}): Promise<Guest> {
  const guest = await createGuest({ pool, ...options });
  guest.load(PROGRAM, `${program}\nj .+0`);
  guest.set({ a0: 0n, a1: DATA, a2: 5n });
  return guest;
}

/** Takes frames of a pool until it has so many left for guests. */
function leave(pool: FramePool, frames: number): number[] {
  const taken: number[] = [];
  while (pool.freeFrames > RESERVE + frames) taken.push(pool.allocateFrame());
  return taken;
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a shared pool", () => {
  it("gives a machine the frames that it touches, and no others", async () => {
    const pool = poolOf(1000);
    const guest = await guestOn(pool, touch(10));
    const before = guest.machine.memory.framesInUse;
    expect(before).toBe(4);
    guest.run();
    expect(guest.machine.memory.framesInUse).toBe(before + 10);
    expect(guest.machine.stats.memory.framesInUse).toBe(before + 10);
    expect(pool.framesInUse).toBe(before + 10);
  });

  it("holds machines whose memories are apart", async () => {
    const pool = poolOf(1000);
    const [one, other] = [await guestOn(pool, touch(5)), await guestOn(pool, `addi a2, a2, 1\n${touch(5)}`)];
    for (const guest of [one, other, one]) {
      guest.hart.pc = BigInt(PROGRAM);
      guest.set({ a1: DATA, a2: 5n });
      guest.run();
    }
    expect([one.read64(DATA), other.read64(DATA)]).toEqual([5n, 6n]);
    expect(one.read64(DATA + 0x5000)).toBe(0n);
  });

  it("holds more memory of machines than it has frames", async () => {
    const pool = poolOf(100);
    const [one, other] = [await guestOn(pool, touch(30)), await guestOn(pool, touch(30))];
    expect(one.machine.memory.size + other.machine.memory.size).toBeGreaterThan(400 * 4096);
    for (const guest of [one, other]) guest.run();
    expect(pool.framesInUse).toBe(68);
  });

  it("serves another machine with what one gives up, as zeros", async () => {
    const pool = poolOf(48);
    const one = await guestOn(pool, touch(30));
    const other = await guestOn(pool, touch(30));
    one.run();
    other.run();
    expect(other.machine.isWaitingForMemory).toBe(true);
    one.machine.memory.discard(Array.from({ length: 30 }, (_, n) => pageOf(DATA) + n));
    await settled();
    other.run();
    expect(other.machine.isWaitingForMemory).toBe(false);
    expect(other.read64(DATA + 29 * 4096)).toBe(5n);
    expect(other.read64(DATA + 29 * 4096 + 8)).toBe(0n);
    expect(one.read64(DATA)).toBe(0n);
  });

  it("gets everything back from a machine that is destroyed, which then has no memory", async () => {
    const pool = poolOf(100);
    const guest = await guestOn(pool, touch(10));
    guest.run();
    const { machine } = guest;
    await machine.destroy();
    expect(pool.framesInUse).toBe(0);
    expect(machine.memory.read(DATA, 8)).toBeUndefined();
    expect(machine.memory.write(DATA, new Uint8Array(8))).toBe(false);
    machine.memory.store32(DATA, 1);
    expect(machine.memory.load32(DATA)).toBe(0);
    expect(pool.framesInUse).toBe(0);
    await machine.destroy();
  });

  it("keeps what a device finishes for a machine that is gone from the one that has its frames now", async () => {
    const pool = poolOf(100);
    const gone = await guestOn(pool, touch(10));
    gone.run();
    const { memory } = gone.machine;
    await gone.machine.destroy();
    const other = await guestOn(pool, touch(10));
    other.run();
    const before = other.machine.memory.read(RAM, other.machine.memory.size);
    const views: Uint8Array[] = [];
    memory.writableViews(DATA + 8, 0x3000, views);
    for (const view of views) view.fill(9);
    memory.store8(DATA, 9);
    expect(memory.populate(DATA, 8, () => {})).toBe(false);
    expect(other.machine.memory.read(RAM, other.machine.memory.size)).toEqual(before);
    expect(pool.framesInUse).toBe(other.machine.memory.framesInUse);
  });

  it("has room for so many machines", async () => {
    const pool = sharedPool({ memoryBytes: 2 ** 20, machines: 1, hartsPerMachine: 1 });
    await createGuest({ pool, memoryBytes: 3 * 2 ** 30 });
    await expect(createGuest({ pool })).rejects.toMatchObject({ code: "out-of-memory" });
  });

  it.each([
    [{ memoryBytes: 4096 * RESERVE }],
    [{ memoryBytes: 2 ** 20 + 1 }],
    [{ memoryBytes: Number.NaN }],
    [{ memoryBytes: 2 ** 20, machines: 0 }],
    [{ memoryBytes: 2 ** 20, hartsPerMachine: 33 }],
  ])("cannot be %j", (options) => {
    expect(() => sharedPool(options)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  it("cannot exceed a Wasm memory", () => {
    expect(() => sharedPool({ memoryBytes: 2 ** 32 })).toThrow(expect.objectContaining({ code: "out-of-memory" }));
  });

  it("is not for deprivileged guests", async () => {
    await expect(createGuest({ pool: poolOf(100), technique: "trap-and-emulate" })).rejects.toMatchObject({
      code: "invalid-argument",
    });
  });

  it("says that there is no room where the host writes more than it has", async () => {
    const pool = poolOf(10);
    const { machine } = await guestOn(pool, "nop");
    expect(() => machine.memory.write(DATA, new Uint8Array(10 * 4096))).toThrow(
      expect.objectContaining({ code: "out-of-memory" }),
    );
  });
});

describe.each(PACES)("with a pool that is exhausted, %s", (pace) => {
  /** Runs a program that needs a frame that the pool does not have; what it leaves, and what it is when there is one. */
  async function starve(program: string, prepare: (guest: Guest) => void = () => {}) {
    const pool = poolOf(200);
    const guest = await guestOn(pool, program, { pace });
    prepare(guest);
    const taken = leave(pool, 0);
    const before = guest.hart.pc;
    guest.run();
    expect(guest.machine.isWaitingForMemory).toBe(true);
    const starved = { pc: guest.hart.pc, executed: guest.machine.stats.instructions, before };
    guest.run();
    expect(guest.hart.pc).toBe(starved.pc);
    expect(guest.machine.stats.instructions).toBe(starved.executed);
    for (const frame of taken) pool.releaseFrame(frame);
    await settled();
    expect(guest.machine.isWaitingForMemory).toBe(false);
    guest.run();
    return { guest, starved };
  }

  it.each([
    ["ld a0, (a1)", 0n, 0n],
    ["sd a2, (a1)\nld a0, (a1)", 5n, 5n],
    ["fld fa0, (a1)\nfmv.x.d a0, fa0", 0n, 0n],
    ["amoadd.d a0, a2, (a1)", 0n, 5n],
    ["amocas.q a4, a2, (a1)", 0n, 5n],
    ["lr.d a0, (a1)\nsc.d a0, a2, (a1)", 0n, 5n],
    ["cbo.zero (a1)", 0n, 0n],
    ["cbo.flush (a1)", 0n, 0n],
    ["ld a0, 13(a1)", 0n, 0n],
  ])("`%s` waits before it has done anything, and is done later", async (source, a0, stored) => {
    const { guest, starved } = await starve(source, (it) => it.setBits("mstatus", 3n << 13n));
    expect(starved.pc).toBe(BigInt(PROGRAM));
    expect(guest.machine.stats.exits["no-frame"]).toBe(2);
    expect(guest.get("a0")).toBe(a0);
    expect(guest.read64(DATA)).toBe(stored);
  });

  it("a store across pages waits for the second", async () => {
    const { guest, starved } = await starve("li a1, 0x80008ffc\nnop\nsd a2, (a1)", (it) => it.write64(DATA, 1n));
    expect(starved.pc).toBeGreaterThan(BigInt(PROGRAM + 4));
    expect(guest.read(DATA + 0xffc, 8)[0]).toBe(5);
  });

  it("a fetch waits", async () => {
    const { guest, starved } = await starve("jalr ra, (a1)");
    expect(starved.pc).toBe(BigInt(DATA));
    // There was nothing: zeros are illegal.
    expect(guest.hart.getCsr("mcause")).toBe(2n);
    expect(guest.hart.getCsr("mepc")).toBe(BigInt(DATA));
  });

  it("an instruction across pages waits for its second half", async () => {
    const { guest, starved } = await starve("li t0, 0x80008ffe\njalr ra, (t0)", (it) => {
      it.write(DATA + 0xffe, new Uint8Array([0x13, 0x05])); // the first half of addi a0, a0, 0
    });
    expect(starved.pc).toBe(BigInt(DATA + 0xffe));
    expect(guest.hart.getCsr("mepc")).toBe(BigInt(DATA + 0x1002));
  });

  it("a page walk waits, for data and for code", async () => {
    const { guest } = await starve("ld a0, (a1)", (it) => {
      const space = new AddressSpace(it);
      space.map(0x10000n, PROGRAM, OPEN);
      const entry = space.map(0x4000_0000n, DATA, OPEN);
      it.write64(DATA, 7n);
      it.setCsrs({ satp: space.satp() });
      it.set({ a1: 0x4000_0000n });
      it.enter("supervisor", 0x10000n);
      // The table is gone, and with it the page.
      it.machine.memory.discard([pageOf(entry - (entry % 4096))]);
    });
    expect(guest.machineTrap().cause).toBe(13n);
  });
});

describe("a machine that runs", () => {
  it("pauses when frames run out, says so, and goes on by itself", async () => {
    const pool = poolOf(40);
    const guest = await guestOn(pool, `${touch(60)}\nli a0, 1`);
    const { machine } = guest;
    const events: string[] = [];
    const exhausted = new Promise<void>((resolve) => {
      machine.on("memory-exhausted", ({ framesInUse }) => {
        events.push(`exhausted with ${framesInUse}`);
        resolve();
      });
    });
    machine.on("memory-available", () => events.push("available"));
    const other = await guestOn(pool, touch(20));
    other.run();
    machine.start();
    await exhausted;
    await settled();
    expect(machine.isRunning).toBe(false);
    expect(machine.isWaitingForMemory).toBe(true);
    expect(events).toEqual([`exhausted with ${40 - 24}`]);
    await other.machine.destroy();
    await settled();
    expect(events.slice(1, 2)).toEqual(["available"]);
    // All 40 are not enough for 64.
    expect(machine.isWaitingForMemory).toBe(true);
    machine.memory.discard(Array.from({ length: 30 }, (_, n) => pageOf(DATA) + n));
    await settled();
    expect(machine.isRunning).toBe(true);
    await machine.pause();
    guest.run();
    expect(guest.get("a0")).toBe(1n);
    expect(guest.read64(DATA + 59 * 4096)).toBe(5n);
  });

  it("stays paused when its user has paused it in the meantime", async () => {
    const pool = poolOf(4);
    const { machine } = await guestOn(pool, touch(4));
    const exhausted = new Promise<void>((resolve) => machine.on("memory-exhausted", () => resolve()));
    machine.start();
    await exhausted;
    await machine.pause();
    machine.memory.discard([pageOf(RAM + 0x2000)]);
    await settled();
    expect(machine.isWaitingForMemory).toBe(false);
    expect(machine.isRunning).toBe(false);
  });

  it("tries again when it is started, and can be destroyed while it waits", async () => {
    const pool = poolOf(4);
    const { machine } = await guestOn(pool, touch(4));
    let times = 0;
    machine.on("memory-exhausted", () => times++);
    for (let n = 0; n < 2; n++) {
      machine.start();
      await settled();
      await settled();
    }
    expect(times).toBe(2);
    machine.on("memory-available", () => times++);
    await machine.destroy();
    await settled();
    expect(machine.isWaitingForMemory).toBe(false);
    expect(pool.framesInUse).toBe(0);
    expect(machine.memory.populate(DATA, 8, () => {})).toBe(false);
    await settled();
    expect(times).toBe(2);
  });

  it("spins beside one that waits", async () => {
    const pool = poolOf(8);
    const waits = await guestOn(pool, touch(8));
    const spins = await guestOn(pool, SPIN);
    const exhausted = new Promise<void>((resolve) => waits.machine.on("memory-exhausted", () => resolve()));
    waits.machine.start();
    spins.machine.start();
    await exhausted;
    await settled();
    await spins.machine.pause();
    expect(spins.get("a0")).toBeGreaterThan(100n);
  });

  it("answers hypercalls from the reserve, then waits", async () => {
    const pool = poolOf(100);
    const writes = extension(7, (_, [address = 0n], { memory }) => ({
      error: memory.write(address, new Uint8Array([42])) ? 0 : -5,
    }));
    const guest = await guestOn(pool, `mv a0, a1\nli a7, 7\necall\nj .+0`, { hypercalls: [writes] });
    guest.enter("supervisor");
    leave(pool, 0);
    guest.run();
    expect(guest.machine.isWaitingForMemory).toBe(true);
    expect(guest.get("a0")).toBe(0n);
    expect(guest.read(DATA, 1)[0]).toBe(42);
    expect(pool.freeFrames).toBe(RESERVE - 1);
  });
});

describe("a device on an exhausted pool", () => {
  it("is refused frames, and called back when there are some", async () => {
    const pool = poolOf(10);
    const { machine } = await guestOn(pool, "nop");
    const calls: string[] = [];
    const retry = () => calls.push("retry");
    expect(machine.memory.populate(DATA, 3 * 4096, retry)).toBe(true);
    const taken = leave(pool, 0);
    expect(machine.memory.populate(DATA, 3 * 4096, retry)).toBe(true);
    expect(machine.memory.populate(TABLES, 1, retry)).toBe(false);
    expect(machine.memory.populate(TABLES, 1, retry)).toBe(false);
    expect(machine.isWaitingForMemory).toBe(true);
    for (const frame of taken) pool.releaseFrame(frame);
    await settled();
    expect(calls).toEqual(["retry"]);
    expect(machine.memory.populate(TABLES, 1, retry)).toBe(true);
  });

  it("writes from the reserve to what its guest gave up, and nowhere at its end", async () => {
    const pool = poolOf(10);
    const { machine } = await guestOn(pool, "nop");
    const { memory } = machine;
    leave(pool, 0);
    memory.store16(DATA, 7);
    expect(memory.load16(DATA)).toBe(7);
    while (pool.freeFrames > 0) pool.allocateFrame();
    memory.store32(DATA + 0x1000, 7);
    expect(memory.load32(DATA + 0x1000)).toBe(0);
    const views: Uint8Array[] = [];
    memory.writableViews(DATA + 0xffe, 0x2000, views);
    expect(views.reduce((sum, { length }) => sum + length, 0)).toBe(0x2000);
    for (const view of views) view.fill(9);
    expect(memory.load16(DATA + 0xffe)).toBe(0x0909);
    expect(memory.load32(DATA + 0x1000)).toBe(0);
  });
});
