/** Random accesses by the guests, hosts and devices of two machines on one small pool, against a model of what each page holds. */
import { expect, it } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { sharedPool } from "../../src/index.js";
import { createGuest, DATA, type Guest, PROGRAM, TABLES } from "./guest.js";

const PAGES = 40;
/** Frames for 80 pages of data and 8 of programs and handlers. */
const FRAMES = 28;
const RESERVE = 64;
const STEPS = 4000;

const CALL = PROGRAM;
const STORE = PROGRAM + 0x40;
const LOAD = PROGRAM + 0x80;

/** A generator that repeats (Lehmer's, modulus 2^31 - 1). */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % 0x7fff_ffff;
    return state % limit;
  };
}

/** What a page holds: a word at its beginning, and a routine that adds a number to a0 further on; 0 is none. */
interface Page {
  word: bigint;
  adds: number;
}

class Subject {
  readonly guest: Guest;
  readonly pages: Page[] = Array.from({ length: PAGES }, () => ({ word: 0n, adds: 0 }));

  constructor(guest: Guest) {
    this.guest = guest;
    guest.load(CALL, "jalr ra, (a1)\nj .+0");
    guest.load(STORE, "sd a2, (a1)\nj .+0");
    guest.load(LOAD, "ld a0, (a1)\nj .+0");
  }

  /** Runs a program of the guest's to its end; false if it waits for memory. */
  run(program: number, address: number, value = 0n): boolean {
    const { guest } = this;
    guest.hart.pc = BigInt(program);
    guest.set({ a0: 1n, a1: address, a2: value });
    guest.machine.step(100);
    return !guest.machine.isWaitingForMemory;
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

it.each([1, 2, 3])("keeps what every page holds, seed %d", async (seed) => {
  const random = randomFrom(seed);
  const pool = sharedPool({ memoryBytes: (FRAMES + RESERVE) * 4096, machines: 2, hartsPerMachine: 1 });
  const subjects = [new Subject(await createGuest({ pool })), new Subject(await createGuest({ pool }))];
  let waits = 0;
  let done = 0;
  for (let step = 0; step < STEPS; step++) {
    const subject = subjects[random(2)] as Subject;
    const { guest } = subject;
    const { memory } = guest.machine;
    const n = random(PAGES);
    const page = subject.pages[n] as Page;
    const address = DATA + n * 4096;
    const where = `seed ${seed}, step ${step}`;
    const value = BigInt(1 + random(2 ** 30));
    let succeeds = true;
    switch (random(8)) {
      case 0:
        succeeds = subject.run(STORE, address, value);
        if (succeeds) page.word = value;
        break;
      case 1:
        succeeds = subject.run(LOAD, address);
        if (succeeds) expect(guest.get("a0"), where).toBe(page.word);
        break;
      case 2:
        if (page.adds === 0) break;
        succeeds = subject.run(CALL, address + 256);
        if (succeeds) expect(guest.get("a0"), where).toBe(BigInt(1 + page.adds));
        break;
      case 3: {
        const adds = 1 + random(1000);
        succeeds = memory.populate(address, 4096, () => {});
        if (!succeeds) break;
        memory.write(address + 256, assemble(`addi a0, a0, ${adds}\nret`));
        page.adds = adds;
        break;
      }
      case 4: {
        const views: Uint8Array[] = [];
        memory.readableViews(address, 8, views);
        expect(new DataView(Uint8Array.from(views[0] ?? []).buffer).getBigUint64(0, true), where).toBe(page.word);
        break;
      }
      case 5: {
        succeeds = memory.populate(address, 8, () => {});
        if (!succeeds) break;
        const views: Uint8Array[] = [];
        memory.writableViews(address, 8, views);
        views[0]?.set(new Uint8Array(new BigUint64Array([value]).buffer));
        page.word = value;
        break;
      }
      default: {
        const given = Array.from({ length: 1 + random(6) }, () => random(PAGES));
        memory.discard(given.map((one) => DATA / 4096 + one));
        for (const one of given) subject.pages[one] = { word: 0n, adds: 0 };
      }
    }
    if (succeeds) done++;
    else {
      waits++;
      // Somebody has to give way: both machines may need more than there is.
      for (const { guest: giver, pages } of subjects) {
        const first = random(PAGES - 10);
        giver.machine.memory.discard(Array.from({ length: 10 }, (_, at) => DATA / 4096 + first + at));
        for (let at = first; at < first + 10; at++) pages[at] = { word: 0n, adds: 0 };
      }
      await settled();
    }
    const inUse = subjects.reduce((sum, { guest: { machine } }) => sum + machine.memory.framesInUse, 0);
    expect(pool.framesInUse, where).toBe(inUse);
    expect(inUse, where).toBeLessThanOrEqual(FRAMES);
  }
  expect(waits).toBeGreaterThan(20);
  expect(done).toBeGreaterThan(STEPS / 2);
  const frames = subjects.flatMap(({ guest: { machine } }) =>
    Array.from({ length: (TABLES - PROGRAM) / 4096 }, (_, n) => n)
      .filter((n) => machine.memory.hasFrame(n))
      .map((n) => machine.memory.frameOf(n)),
  );
  expect(new Set(frames).size).toBe(frames.length);
});
