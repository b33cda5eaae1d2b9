/**
 * The measuring kernel under each technique: every benchmark runs, and leaves to the monitor as often as the technique
 * has to. The counts are exact, because the clock is virtual.
 */
import { TECHNIQUES } from "@hartvisor/core";
import { Machine, supervisor } from "hartvisor";
import { describe, expect, it } from "vitest";
import { SKIP_REASONS } from "../src/micro/abi.js";
import { cost, image, run, subject } from "./measuring-kernel.js";

type Exits = Readonly<Record<string, number>>;

interface Expected {
  readonly harts?: number;
  readonly count?: number;
  readonly args?: readonly string[];
  /** Exits of one operation under the other techniques, where they are not those of `direct`. */
  readonly direct: Exits;
  readonly "trap-and-emulate"?: Exits;
  readonly "binary-translation"?: Exits;
  readonly paravirtual?: Exits;
}

/** A batch of changes under shadow paging: after sixteen writes of a table that nobody walked, it is no longer watched. */
const BATCHED_WRITES = 16;
/** Over which 4,096 pages lie, as the first is in the midst of one. */
const TABLES = 9;

const EXPECTED: Readonly<Record<string, Expected>> = {
  // sscratch twice, scause and sepc on the way in; sepc, sscratch and sret on the way out.
  syscall: { direct: {}, "trap-and-emulate": { syscall: 1, privileged: 7 }, "binary-translation": {} },
  // stval, too.
  exception: { direct: {}, "trap-and-emulate": { exception: 1, privileged: 8 }, "binary-translation": {} },
  // satp, too.
  "context-switch": { direct: {}, "trap-and-emulate": { syscall: 1, privileged: 8 }, "binary-translation": {} },
  "csr-read": { direct: {}, "trap-and-emulate": { privileged: 1 }, "binary-translation": {} },
  "csr-write": { direct: {}, "trap-and-emulate": { privileged: 1 }, "binary-translation": {} },
  exit: { direct: { hypercall: 1 } },
  "pte-update-1": {
    direct: {},
    "trap-and-emulate": { "page-table-write": 1, "shadow-fill": 1, privileged: 1 },
    "binary-translation": { "page-table-write": 1, "shadow-fill": 1 },
    paravirtual: { hypercall: 1 },
  },
  "pte-update-64": {
    direct: {},
    "trap-and-emulate": { "page-table-write": BATCHED_WRITES / 64, "shadow-fill": 1, privileged: 1 / 64 },
    "binary-translation": { "page-table-write": BATCHED_WRITES / 64, "shadow-fill": 1 },
    paravirtual: { hypercall: 1 / 64 },
  },
  "pte-update-4096": {
    count: 4096,
    direct: {},
    "trap-and-emulate": {
      "page-table-write": (BATCHED_WRITES * TABLES) / 4096,
      "shadow-fill": 1,
      privileged: 1 / 4096,
    },
    "binary-translation": { "page-table-write": (BATCHED_WRITES * TABLES) / 4096, "shadow-fill": 1 },
    paravirtual: { hypercall: 1 / 4096 },
  },
  "pte-update-64-single": {
    direct: {},
    "trap-and-emulate": { "page-table-write": 1, "shadow-fill": 1, privileged: 1 },
    "binary-translation": { "page-table-write": 1, "shadow-fill": 1 },
    paravirtual: { hypercall: 1 },
  },
  // Within one table: the first write of each is not watched yet.
  "page-fault": {
    count: 32,
    direct: {},
    "trap-and-emulate": { "guest-page-fault": 1, "page-table-write": 1, "shadow-fill": 1, privileged: 9 },
    "binary-translation": { "page-table-write": 1, "shadow-fill": 1 },
    paravirtual: { hypercall: 1 },
  },
  "tlb-flush-all": { direct: {}, "trap-and-emulate": { privileged: 1 }, "binary-translation": {} },
  "tlb-flush-page": { direct: {}, "trap-and-emulate": { privileged: 1 }, "binary-translation": {} },
  "tlb-flush-remote": { harts: 2, direct: { hypercall: 1 } },
  "memory-walk": { count: 8192, args: ["16"], direct: {} },
  "memory-walk-sv48": { count: 8192, args: ["16"], direct: {} },
  "memory-walk-sv57": { count: 8192, args: ["16"], direct: {} },
  // stimecmp; the trap's seven; stimecmp for good.
  timer: { direct: {}, "trap-and-emulate": { privileged: 9 }, "binary-translation": {} },
  ipi: {
    harts: 2,
    direct: { hypercall: 2, wait: 2 },
    "trap-and-emulate": { hypercall: 2, wait: 2, privileged: 20 },
    // It waits by a hypercall.
    paravirtual: { hypercall: 4 },
  },
};

describe.each(TECHNIQUES)("the measuring kernel, %s", (technique) => {
  it.each(Object.entries(EXPECTED))("takes the exits of %s", async (name, expected) => {
    const { harts = 1, count = 128, args = [] } = expected;
    const { exits } = await cost(name, { technique, harts }, count, ...args);
    expect(exits).toEqual(expected[technique] ?? expected.direct);
  });

  it("skips a benchmark that it does not know, and goes on", async () => {
    const kernel = await subject("nonsense", { technique });
    expect(await kernel.run(3)).toEqual({ skipped: SKIP_REASONS[1] });
    expect(await kernel.runEmpty()).toMatchObject({ operations: 1 });
    await kernel.close();
  });

  it("skips a walk that memory is too small for", async () => {
    expect(await run("memory-walk", { technique }, 100, "64")).toEqual({ skipped: SKIP_REASONS[4] });
  });

  it.each(["ipi", "tlb-flush-remote"])("skips %s where there is no second hart", async (name) => {
    expect(await run(name, { technique }, 100)).toEqual({ skipped: SKIP_REASONS[2] });
  });

  it.each(["syscall", "page-fault", "timer"])("takes the same for %s in every run", async (name) => {
    expect(await run(name, { technique }, 100)).toEqual(await run(name, { technique }, 100));
  });

  it("powers off where nobody tells it what to run", async () => {
    const boot = supervisor({ image });
    await using vm = await Machine.create({ boot, technique, memory: "16MiB", clock: "virtual" });
    vm.start();
    expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 0 });
  });
});

it.each([
  ["finds in the TLB's second level", 16, { "tlb-slow": 1 }],
  ["misses the TLB", 128, { "tlb-fill": expect.closeTo(1, 3), "tlb-slow": 1 }],
])("%s at every step of a walk through %d MiB", async (_, mib, expected) => {
  const { instructions, assists } = await cost("memory-walk", { memory: "256MiB" }, mib * 512, String(mib));
  expect({ instructions, assists }).toEqual({ instructions: 3, assists: expected });
});
