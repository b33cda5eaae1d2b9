/** The machine as its host sees it: running and stopping, ends, breakpoints, memory, events, repeatability. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { type ErrorCode, type ExitReason, Machine, type MachineOptions } from "../../src/index.js";
import { extension, FakeDevice } from "./fakes.js";
import {
  Cause,
  createGuest,
  DATA,
  type Guest,
  type GuestOptions,
  M_VECTOR,
  PACES,
  PROGRAM,
  RAM,
  Status,
} from "./guest.js";
import { AddressSpace, OPEN, OPEN_TO_USER, Pte } from "./page-tables.js";

const SPIN = "addi a0, a0, 1\nj .-4";

async function guestWith(program: string, options: GuestOptions = {}): Promise<Guest> {
  const guest = await createGuest(options);
  guest.load(PROGRAM, program);
  guest.set({ a0: 0n });
  return guest;
}

const code = (expected: ErrorCode) => expect.objectContaining({ name: "HartvisorError", code: expected });

/** Starts the machine and resolves at the next breakpoint, with the machine paused there. */
async function toBreakpoint({ machine }: Guest): Promise<{ hart: number; address: bigint }> {
  const hit = new Promise<{ hart: number; address: bigint }>((resolve) => {
    const stop = machine.on("breakpoint", (event) => {
      stop();
      resolve(event);
    });
  });
  machine.start();
  const event = await hit;
  await machine.pause();
  return event;
}

describe("options", () => {
  const wrong: readonly (readonly [what: string, options: Partial<MachineOptions>])[] = [
    ["no memory", { memoryBytes: 0 }],
    ["a part of a page", { memoryBytes: 4097 }],
    ["memory that is no number", { memoryBytes: Number.NaN }],
    ["negative memory", { memoryBytes: -4096 }],
    ["more than 3 GiB", { memoryBytes: 3 * 2 ** 30 + 4096 }],
    ["no hart", { harts: 0 }],
    ["half a hart", { harts: 1.5 }],
    ["33 harts", { harts: 33 }],
    ["a limit of zero", { limits: { instructions: 0 } }],
    ["a negative limit", { limits: { wallTimeMs: -1 } }],
    ["a limit that is no number", { limits: { instructions: Number.NaN } }],
    ["more than one CPU", { limits: { cpuShare: 1.5 } }],
  ];
  it.each(wrong)("refuse %s", async (_, options) => {
    await expect(Machine.create({ memoryBytes: 4096, ...options })).rejects.toEqual(code("invalid-argument"));
  });

  it("allow one page of memory", async () => {
    const machine = await Machine.create({ memoryBytes: 4096 });
    expect(machine.memory.size).toBe(4096);
    expect(machine.memory.base).toBe(RAM);
  });

  it("put RAM elsewhere", async () => {
    const machine = await Machine.create({ memoryBytes: 8192, memoryBase: 0x2_0000_0000, clock: "virtual" });
    machine.memory.write(0x2_0000_1000, assemble("auipc a0, 0\nj .+0"));
    machine.enterMachine(0, { address: 0x2_0000_1000n, opaque: 0n });
    machine.step(2);
    expect(machine.harts[0]?.getRegister(10)).toBe(0x2_0000_1000n);
  });
});

it("a machine runs, changes its code and reports writes at the top of 3 GiB", async () => {
  const size = 3 * 2 ** 30;
  const guest = await createGuest({ memoryBytes: size });
  const top = RAM + size - 0x1000;
  const written: number[] = [];
  guest.machine.watchWrites(top + 0xff8, 8, (address) => written.push(address));
  guest.load(top, "sw a2, 16(a1)\nlr.d t0, (a3)\nsc.d t1, a2, (a3)\nsd a2, 0(a4)\naddi a0, a0, 1\nj .+0");
  guest.set({ a0: 0n, a1: top, a2: 0x06450513n, a3: top + 0x100, a4: top + 0xff8 }); // addi a0, a0, 100
  guest.enter("machine", top);
  guest.run();
  expect([guest.get("a0"), guest.get("t1"), guest.read64(top + 0x100)]).toEqual([100n, 0n, 0x06450513n]);
  expect(written).toEqual([top + 0xff8]);
});

describe("a machine", () => {
  it("begins paused, its harts stopped", async () => {
    const machine = await Machine.create({ memoryBytes: 4096 });
    expect(machine.isRunning).toBe(false);
    expect(machine.step()).toBe(false);
    expect(machine.harts[0]?.executedInstructions).toBe(0);
  });

  it("runs, pauses between two instructions, and goes on", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.start();
    expect(guest.machine.isRunning).toBe(true);
    await guest.machine.pause();
    expect(guest.machine.isRunning).toBe(false);
    const first = guest.get("a0");
    guest.machine.start();
    await new Promise((resolve) => setTimeout(resolve, 1));
    await guest.machine.pause();
    expect(guest.get("a0")).toBeGreaterThan(first);
  });

  it("goes on when it is started while a pause is under way", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "j .+0");
    guest.machine.start();
    const pause = guest.machine.pause();
    guest.machine.start();
    await pause;
    expect(guest.machine.isRunning).toBe(true);
    await guest.machine.destroy();
  });

  it("goes on from a listener of its own breakpoint", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "addi a0, a0, 1\naddi a0, a0, 1\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    let hits = 0;
    guest.machine.on("breakpoint", () => {
      hits++;
      guest.machine.start();
    });
    guest.machine.start();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await guest.machine.pause();
    expect({ hits, a0: guest.get("a0") }).toEqual({ hits: 1, a0: 2n });
  });

  it("takes a second start and a second pause as said already", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.start();
    guest.machine.start();
    await Promise.all([guest.machine.pause(), guest.machine.pause()]);
    await guest.machine.pause();
    expect(guest.machine.isRunning).toBe(false);
  });

  it("refuses access to its harts, and steps, while it runs", async () => {
    const guest = await guestWith(SPIN);
    const { machine, hart } = guest;
    machine.start();
    for (const touch of [
      () => machine.step(),
      () => hart.pc,
      () => hart.getRegister(1),
      () => hart.setRegister(1, 0n),
      () => hart.getFloatRegister(1),
      () => hart.getCsr("mstatus"),
      () => hart.setCsr("mstatus", 0n),
      () => hart.privilege,
      () => machine.enterMachine(0, { address: 0n, opaque: 0n }),
      () => machine.enterSupervisor(0, { address: 0n, opaque: 0n }),
    ]) {
      expect(touch).toThrow(code("invalid-state"));
    }
    await machine.pause();
  });

  it("refuses harts, registers and CSRs that do not exist", async () => {
    const { machine, hart } = await guestWith(SPIN);
    for (const touch of [
      () => machine.step(1, 1),
      () => machine.interruptLine(7, 11),
      () => machine.enterMachine(-1, { address: 0n, opaque: 0n }),
      () => hart.getRegister(32),
      () => hart.setRegister(-1, 0n),
      () => hart.getFloatRegister(0.5),
      () => hart.getCsr("mnothing"),
      () => hart.setCsr(0x5c0, 0n),
    ]) {
      expect(touch).toThrow(code("invalid-argument"));
    }
  });

  it("keeps x0 zero and pc even, whatever the host writes", async () => {
    const { hart } = await guestWith(SPIN);
    hart.setRegister(0, 5n);
    hart.pc = 0x80000001n;
    expect(hart.getRegister(0)).toBe(0n);
    expect(hart.pc).toBe(0x80000000n);
  });

  it("says false of a step that comes to a wfi", async () => {
    const guest = await guestWith("nop\nwfi\nj .+0");
    expect(guest.machine.step(10)).toBe(false);
    expect(guest.hart.executedInstructions).toBe(2);
    expect(guest.machine.step()).toBe(false);
  });

  it("steps one hart and leaves the others", async () => {
    const guest = await guestWith(SPIN, { harts: 2 });
    guest.machine.enterMachine(1, { address: BigInt(PROGRAM), opaque: 0n });
    guest.machine.step(5, 1);
    expect(guest.machine.harts.map((hart) => hart.executedInstructions)).toEqual([0, 5]);
  });

  it("enters M-mode though the hart had left it", async () => {
    const guest = await guestWith(SPIN);
    guest.enter("user");
    expect(guest.hart.privilege).toBe("user");
    guest.machine.enterMachine(0, { address: BigInt(DATA), opaque: 7n, nextStage: 8n });
    expect(guest.hart.privilege).toBe("machine");
    expect(guest.hart.pc).toBe(BigInt(DATA));
    expect(["a0", "a1", "a2"].map((name) => guest.get(name))).toEqual([0n, 7n, 8n]);
  });

  it("enters S-mode as SBI firmware would: a0 the hart's id, a1 what it was given, untranslated, memory open", async () => {
    const guest = await createGuest({ harts: 2, closedMemory: true });
    guest.load(DATA, "csrrs a2, satp, zero\ncsrrs a3, time, zero\ncsrrs a4, sstatus, zero\nj .+0");
    guest.machine.enterSupervisor(1, { address: BigInt(DATA), opaque: 0x1234n });
    const hart = guest.machine.harts[1];
    guest.machine.step(10, 1);
    expect(hart?.privilege).toBe("supervisor");
    expect(hart?.pc).toBe(BigInt(DATA + 12));
    expect([10, 11, 12].map((register) => hart?.getRegister(register))).toEqual([1n, 0x1234n, 0n]);
    expect((hart?.getRegister(14) ?? 0n) & Status.SIE).toBe(0n);
  });
});

describe("the end", () => {
  it.each([1, 10, 2049, 5000, 123_457, 1_000_001])(
    "comes after exactly %i instructions at that limit",
    async (limit) => {
      const guest = await guestWith(SPIN, { limits: { instructions: limit } });
      guest.machine.start();
      expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "instructions" });
      expect(guest.hart.executedInstructions).toBe(limit);
      expect(guest.get("a0")).toBe(BigInt(Math.ceil(limit / 2)));
    },
  );

  it("comes exactly at that limit with the host's clock, too", async () => {
    const guest = await guestWith(SPIN, { clock: "real", limits: { instructions: 54_321 } });
    guest.machine.start();
    await guest.machine.exited;
    expect(guest.hart.executedInstructions).toBe(54_321);
  });

  it("comes when all harts together have executed so many", async () => {
    const guest = await guestWith(SPIN, { harts: 3, limits: { instructions: 1_234_567 } });
    for (const id of [1, 2]) guest.machine.enterMachine(id, { address: BigInt(PROGRAM), opaque: 0n });
    guest.machine.start();
    await guest.machine.exited;
    const executed = guest.machine.harts.map((hart) => hart.executedInstructions);
    expect(executed.reduce((sum, each) => sum + each)).toBe(1_234_567);
    expect(Math.min(...executed)).toBeGreaterThan(300_000);
  });

  it("comes by the limit of wall time", async () => {
    const guest = await guestWith(SPIN, { limits: { wallTimeMs: 10 } });
    guest.machine.start();
    expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "wall-time" });
  });

  it("comes by destroy, while it runs or not, and only once", async () => {
    for (const running of [true, false]) {
      const guest = await guestWith(SPIN);
      const ends: ExitReason[] = [];
      guest.machine.on("exit", (reason) => ends.push(reason));
      if (running) guest.machine.start();
      await guest.machine.destroy();
      await guest.machine.destroy();
      expect(await guest.machine.exited).toEqual({ kind: "destroyed" });
      expect(guest.machine.isRunning).toBe(false);
      expect(ends).toEqual([{ kind: "destroyed" }]);
    }
  });

  it("comes with the scope that holds the machine", async () => {
    const { machine } = await guestWith(SPIN);
    machine.start();
    await machine[Symbol.asyncDispose]();
    expect(await machine.exited).toEqual({ kind: "destroyed" });
  });

  it("keeps the first reason", async () => {
    const guest = await guestWith(SPIN, { limits: { instructions: 100 } });
    guest.machine.start();
    await guest.machine.exited;
    await guest.machine.destroy();
    expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "instructions" });
  });

  it("leaves nothing to start or step, but state to read", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.step(4);
    await guest.machine.destroy();
    expect(() => guest.machine.start()).toThrow(code("invalid-state"));
    expect(() => guest.machine.step()).toThrow(code("invalid-state"));
    expect(guest.get("a0")).toBe(2n);
  });

  it("comes as a crash when the vector of M-mode cannot be fetched", async () => {
    const guest = await guestWith(".half 0");
    guest.setCsrs({ mtvec: 0x1000 });
    guest.machine.start();
    const reason = await guest.machine.exited;
    expect(reason).toEqual({ kind: "crash", message: expect.stringContaining("0x1000") });
    expect(guest.hart.getCsr("mcause")).toBe(Cause.FetchAccessFault);
    expect(guest.hart.getCsr("mepc")).toBe(0x1000n);
  });

  it("comes as a crash when PMP locks M-mode out of its vector", async () => {
    const guest = await guestWith(".half 0", { closedMemory: true });
    guest.setCsrs({ pmpaddr0: (BigInt(M_VECTOR) >> 2n) | 0x1ffn, pmpcfg0: 0x98 });
    guest.machine.start();
    expect((await guest.machine.exited).kind).toBe("crash");
  });

  it("does not come of a jump into nothing that the handler mends", async () => {
    const guest = await guestWith("jalr ra, 0(a1)\naddi a0, a0, 1\nj .+0");
    guest.load(M_VECTOR, "csrrw zero, mepc, ra\nmret");
    guest.set({ a1: 0n });
    guest.run();
    expect(guest.get("a0")).toBe(1n);
  });

  it("does not come of U-mode's jump to where M-mode's vector lies", async () => {
    const guest = await createGuest({ closedMemory: true });
    guest.setCsrs({ pmpaddr0: (BigInt(PROGRAM) >> 2n) | 0x1ffn, pmpcfg0: 0x1f });
    guest.load(M_VECTOR, "addi a0, a0, 1\nj .+0");
    guest.load(PROGRAM, "jalr zero, 0(a1)");
    guest.set({ a0: 0n, a1: M_VECTOR });
    guest.enter("user");
    expect(guest.machine.step(10)).toBe(true);
    expect(guest.get("a0")).toBe(1n);
    expect(guest.hart.getCsr("mcause")).toBe(Cause.FetchAccessFault);
  });

  it("does not come of a handler of S-mode that cannot be fetched", async () => {
    const guest = await guestWith("ecall", { limits: { instructions: 10_000 } });
    guest.setCsrs({ medeleg: 0xffff, stvec: 0x1000 });
    guest.enter("user");
    guest.machine.start();
    expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "instructions" });
    expect(guest.hart.getCsr("sepc")).toBe(0x1000n);
  });

  it("does not come of a handler that faults for ever", async () => {
    const guest = await guestWith(".half 0", { limits: { instructions: 10_000 } });
    guest.load(M_VECTOR, ".half 0");
    guest.machine.start();
    expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "instructions" });
  });

  it("comes at the host's request with the guest's code", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.start();
    guest.machine.requestShutdown({ kind: "poweroff", exitCode: 3 });
    expect(await guest.machine.exited).toEqual({ kind: "poweroff", exitCode: 3 });
    expect(guest.machine.isRunning).toBe(false);
  });

  it("tells listeners who still listen", async () => {
    const { machine } = await guestWith(SPIN);
    let heard = 0;
    const stop = machine.on("exit", () => heard++);
    machine.on("exit", () => heard++);
    stop();
    await machine.destroy();
    expect(heard).toBe(1);
  });
});

describe("breakpoints", () => {
  it("stop before their instruction", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 10\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    expect(await toBreakpoint(guest)).toEqual({ hart: 0, address: BigInt(PROGRAM + 4) });
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    expect(guest.get("a0")).toBe(1n);
    expect(guest.hart.executedInstructions).toBe(1);
  });

  it("are passed when the machine goes on, and hit again each time around", async () => {
    const guest = await guestWith("addi a0, a0, 1\nnop\nj .-8");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    for (let round = 1n; round <= 5n; round++) {
      await toBreakpoint(guest);
      expect(guest.get("a0")).toBe(round);
    }
    expect(guest.hart.executedInstructions).toBe(13);
  });

  it("are hit again by a loop of one instruction", async () => {
    const guest = await guestWith("bne a0, a1, .+0\nj .+0");
    guest.set({ a1: 1n });
    guest.machine.addBreakpoint(BigInt(PROGRAM));
    // The first is skipped: the machine stands there when it starts.
    await toBreakpoint(guest);
    expect(guest.hart.executedInstructions).toBe(1);
    await toBreakpoint(guest);
    expect(guest.hart.executedInstructions).toBe(2);
  });

  it("may lie at neighbours", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1\nj .+0");
    for (const n of [1, 2, 3]) guest.machine.addBreakpoint(BigInt(PROGRAM + 4 * n));
    for (const n of [1, 2, 3]) {
      expect((await toBreakpoint(guest)).address).toBe(BigInt(PROGRAM + 4 * n));
      expect(guest.get("a0")).toBe(BigInt(n));
    }
  });

  it("work on 16-bit instructions, at odd halfwords", async () => {
    const guest = await guestWith("c.addi a0, 1\nc.addi a0, 2\nc.addi a0, 4\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 2));
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(1n);
    guest.machine.step();
    expect(guest.get("a0")).toBe(3n);
  });

  it("work on an instruction that crosses pages", async () => {
    const guest = await createGuest();
    guest.load(DATA + 0xffa, "addi a0, a0, 1\naddi a0, a0, 2\naddi a0, a0, 4\nj .-8");
    guest.set({ a0: 0n });
    guest.hart.pc = BigInt(DATA + 0xffa);
    guest.machine.addBreakpoint(BigInt(DATA + 0xffe));
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(1n);
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(7n);
  });

  it("do not stop at the same offset in another page", async () => {
    const guest = await guestWith("jalr zero, 0(a1)");
    guest.load(DATA, "addi a0, a0, 1\naddi a0, a0, 2\njalr zero, 0(a2)");
    guest.load(DATA + 0x1000, "addi a0, a0, 4\naddi a0, a0, 8\nj .+0");
    guest.set({ a1: DATA, a2: DATA + 0x1000 });
    guest.machine.addBreakpoint(BigInt(DATA + 0x1004));
    await toBreakpoint(guest);
    expect(guest.hart.pc).toBe(BigInt(DATA + 0x1004));
    expect(guest.get("a0")).toBe(7n);
  });

  it("are virtual addresses: an alias of the page is not hit", async () => {
    const guest = await createGuest();
    const space = new AddressSpace(guest);
    space.map(0x10000n, DATA, OPEN);
    space.map(0x20000n, DATA, OPEN);
    guest.load(DATA, "addi a0, a0, 1\nadd t0, a1, zero\njalr zero, 0(t0)");
    guest.set({ a0: 0n, a1: 0x20000n });
    guest.setCsrs({ satp: space.satp() });
    guest.enter("supervisor", 0x10000n);
    guest.machine.addBreakpoint(0x20004n);
    await toBreakpoint(guest);
    expect(guest.hart.pc).toBe(0x20004n);
    expect(guest.get("a0")).toBe(2n);
  });

  it("work in code that has run before, and stop working when removed", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.step(5000);
    guest.machine.addBreakpoint(BigInt(PROGRAM));
    await toBreakpoint(guest);
    guest.machine.removeBreakpoint(BigInt(PROGRAM));
    expect(guest.machine.step(5000)).toBe(true);
  });

  it("end a longer step, and let a step from them begin", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
    expect(guest.machine.step(100)).toBe(false);
    expect(guest.get("a0")).toBe(2n);
    expect(guest.machine.step()).toBe(true);
    expect(guest.get("a0")).toBe(3n);
  });

  it("are hit by code that the guest has just written", async () => {
    const guest = await guestWith("sw a2, 8(a1)\nnop\naddi a0, a0, 1\nj .+0");
    guest.set({ a1: PROGRAM, a2: 0x06450513n }); // addi a0, a0, 100
    guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
    await toBreakpoint(guest);
    guest.machine.step();
    expect(guest.get("a0")).toBe(100n);
  });

  it("in a handler are hit when an interrupt comes first after a stop elsewhere", async () => {
    const guest = await guestWith("nop\naddi a0, a0, 1\nj .+0");
    guest.load(M_VECTOR, "addi a3, a3, 1\nj .+0");
    guest.set({ a3: 0n });
    guest.setCsrs({ mie: 1n << 11n, mstatus: Status.MIE });
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    guest.machine.addBreakpoint(BigInt(M_VECTOR));
    await toBreakpoint(guest);
    guest.machine.interruptLine(0, 11).set(true);
    expect((await toBreakpoint(guest)).address).toBe(BigInt(M_VECTOR));
    expect([guest.get("a0"), guest.get("a3")]).toEqual([0n, 0n]);
  });

  it("stop whichever hart comes there", async () => {
    const guest = await guestWith(SPIN, { harts: 2 });
    guest.load(DATA, "nop\nnop\nj .+0");
    guest.machine.enterMachine(1, { address: BigInt(DATA), opaque: 0n });
    guest.machine.addBreakpoint(BigInt(DATA + 4));
    expect(await toBreakpoint(guest)).toEqual({ hart: 1, address: BigInt(DATA + 4) });
  });

  it("may be 64, and no more", async () => {
    const { machine } = await guestWith(SPIN);
    for (let n = 0; n < 64; n++) machine.addBreakpoint(BigInt(DATA + 4 * n));
    expect(() => machine.addBreakpoint(BigInt(DATA + 256))).toThrow(code("invalid-argument"));
    machine.addBreakpoint(BigInt(DATA)); // there already
    machine.removeBreakpoint(BigInt(DATA));
    machine.addBreakpoint(BigInt(DATA + 256));
  });

  it("do not disturb virtual time", async () => {
    const run = async (breakpoint: boolean) => {
      const guest = await guestWith("addi a0, a0, 1\nli a1, 2000\nbne a0, a1, .-8\ncsrrs a2, time, zero\nj .+0", {
        limits: { instructions: 10_000 },
      });
      if (breakpoint) {
        guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
        for (let n = 0; n < 10; n++) await toBreakpoint(guest);
        guest.machine.removeBreakpoint(BigInt(PROGRAM + 8));
      }
      guest.machine.start();
      await guest.machine.exited;
      return guest.get("a2");
    };
    expect(await run(true)).toBe(await run(false));
  });
});

describe("memory", () => {
  const END = RAM + 0x100000;

  it("is read and written up to its last byte, and not beyond", async () => {
    const { memory } = (await createGuest()).machine;
    const bytes = new Uint8Array([1, 2, 3, 4]);
    expect(memory.write(END - 4, bytes)).toBe(true);
    expect(memory.read(END - 4, 4)).toEqual(bytes);
    for (const address of [END - 3, END, RAM - 1, RAM - 4, 0, -1, 2 ** 53, Number.NaN]) {
      expect(memory.write(address, bytes)).toBe(false);
      expect(memory.read(address, 4)).toBeUndefined();
    }
    for (const address of [(1n << 64n) - 2n, 1n << 63n, -1n]) {
      expect(memory.write(address, bytes)).toBe(false);
      expect(memory.read(address, 4)).toBeUndefined();
    }
    expect(memory.read(END - 4, 4)).toEqual(bytes);
  });

  it("gives and takes nothing where nothing is asked for", async () => {
    const { memory } = (await createGuest()).machine;
    expect(memory.read(RAM, 0)).toEqual(new Uint8Array(0));
    expect(memory.write(RAM, new Uint8Array(0))).toBe(true);
    expect(memory.read(END, 0)).toEqual(new Uint8Array(0));
    expect(memory.read(RAM, -1)).toBeUndefined();
  });

  it("gives copies", async () => {
    const { memory } = (await createGuest()).machine;
    memory.read(DATA, 8)?.fill(9);
    expect(memory.read(DATA, 8)).toEqual(new Uint8Array(8));
  });

  it("can put another frame behind a page, for data and code, whatever is cached", async () => {
    const guest = await guestWith("jalr ra, 0(a1)\nld a3, 64(a1)\nsd a3, 72(a1)\nj .+0");
    const { memory } = guest.machine;
    guest.load(DATA, "addi a0, a0, 1\nret");
    guest.write64(DATA + 64, 11n);
    guest.load(DATA + 0x1000, "addi a0, a0, 100\nret");
    guest.write64(DATA + 0x1040, 22n);
    guest.set({ a1: DATA });
    guest.run();
    const page = (DATA - RAM) / 4096;
    const [one, other] = [memory.frameOf(page), memory.frameOf(page + 1)];
    memory.remap(page, other);
    memory.remap(page + 1, one);
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(guest.get("a0")).toBe(101n);
    expect(guest.get("a3")).toBe(22n);
    expect(guest.read64(DATA + 72)).toBe(22n);
    expect(guest.read64(DATA + 0x1048)).toBe(11n);
    expect(() => memory.remap(page, 1 << 20)).toThrow(RangeError);
    expect(() => memory.remap(1 << 20, 0)).toThrow(RangeError);
  });

  it("reads and writes across pages whose frames are no neighbours", async () => {
    const guest = await createGuest();
    const { memory } = guest.machine;
    const page = (DATA - RAM) / 4096;
    const [one, other] = [memory.frameOf(page), memory.frameOf(page + 5)];
    memory.remap(page, other);
    memory.remap(page + 5, one);
    const bytes = Uint8Array.from({ length: 9000 }, (_, n) => n % 251);
    memory.write(DATA - 100, bytes);
    expect(memory.read(DATA - 100, 9000)).toEqual(bytes);
  });

  it("is all zeros after clear()", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.memory.clear();
    expect(guest.read(RAM, 0x100000).every((byte) => byte === 0)).toBe(true);
    guest.run();
    expect(guest.hart.getCsr("mcause")).toBe(Cause.IllegalInstruction);
  });
});

describe("dirty pages", () => {
  const page = (address: number) => (address - RAM) / 4096;

  /** The pages that a program writes after it has run once before tracking began. */
  async function dirtied(source: string, prepare: (guest: Guest) => void = () => {}): Promise<number[]> {
    const guest = await guestWith(`${source}\nj .+0`);
    guest.setBits("mstatus", Status.FS);
    prepare(guest);
    guest.set({ a1: DATA, a2: 1n });
    const again = () => {
      guest.hart.pc = BigInt(PROGRAM);
      guest.run();
    };
    again();
    guest.machine.memory.trackWrites();
    expect(guest.machine.memory.dirtyPages()).toEqual([]);
    again();
    return guest.machine.memory.dirtyPages();
  }

  it.each([
    ["sb a2, 0(a1)"],
    ["sd a2, 8(a1)"],
    ["fsd fa0, 0(a1)"],
    ["c.sd a2, 0(a1)"],
    ["amoadd.w a3, a2, (a1)"],
    ["lr.d a3, (a1); sc.d a4, a2, (a1)"],
    ["cbo.zero 0(a1)"],
    ["sd a2, 13(a1)"],
  ])("hold the page that `%s` writes, and no other", async (source) => {
    expect(await dirtied(source)).toEqual([page(DATA)]);
  });

  it("hold both pages of a store across them", async () => {
    expect(await dirtied("li a3, 0x80008ffc; sd a2, 0(a3)")).toEqual([page(DATA), page(DATA) + 1]);
  });

  it.each(["ld a2, 0(a1)", "lr.d a2, (a1)", "nop"])("are none after `%s`", async (source) => {
    expect(await dirtied(source)).toEqual([]);
  });

  it("hold the page table whose A and D bits the hart sets", async () => {
    const guest = await guestWith("ld a0, 0(a1)\nj .+0");
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN);
    const entry = space.map(0x20000n, DATA, Pte.V | Pte.R | Pte.W);
    guest.setCsrs({ satp: space.satp(), menvcfg: 1n << 61n });
    guest.set({ a1: 0x20000n });
    guest.enter("supervisor", 0x10000n);
    guest.machine.memory.trackWrites();
    guest.run();
    expect(guest.machine.memory.dirtyPages()).toEqual([Math.floor(page(entry))]);
    guest.load(PROGRAM, "sd a0, 0(a1)\nj .+0");
    guest.machine.memory.dirtyPages();
    guest.enter("supervisor", 0x10000n);
    guest.run();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA), Math.floor(page(entry))]);
  });

  it("hold what the host writes", async () => {
    const guest = await createGuest();
    guest.machine.memory.trackWrites();
    guest.write(DATA + 0xff0, new Uint8Array(0x20));
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA), page(DATA) + 1]);
  });

  it("begin anew with each look, for pages written again and again", async () => {
    const guest = await guestWith("sd a2, 0(a1)\nj .-4");
    guest.set({ a1: DATA });
    guest.machine.memory.trackWrites();
    for (let n = 0; n < 3; n++) {
      guest.machine.step(5000);
      expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
    }
    expect(guest.machine.memory.dirtyPages()).toEqual([]);
  });

  it("hold stores through every mode's and hart's translations", async () => {
    const guest = await guestWith("sd a2, 0(a1)\nj .+0", { harts: 2 });
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN_TO_USER);
    space.map(0x20000n, DATA, OPEN_TO_USER);
    guest.setCsrs({ satp: space.satp() });
    const inUserMode = () => {
      guest.set({ a1: 0x20000n });
      guest.enter("user", 0x10000n);
      guest.run();
    };
    const onHart1 = () => {
      guest.machine.enterMachine(1, { address: BigInt(PROGRAM), opaque: BigInt(DATA) });
      guest.machine.step(2, 1);
    };
    inUserMode();
    onHart1();
    guest.machine.memory.trackWrites();
    inUserMode();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
    onHart1();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
  });
});

describe.each(PACES)("watched bytes, %s", (pace) => {
  /** The writes that are reported: address and width, and what lies at the watched eight bytes then. */
  async function reported(source: string) {
    const guest = await guestWith(`${source}\nj .+0`, { pace });
    const writes: (readonly [at: number, width: number, value: bigint])[] = [];
    guest.machine.watchWrites(DATA + 0x40, 8, (address, width) => {
      writes.push([address - DATA, width, guest.read64(DATA + 0x40)]);
    });
    guest.setBits("mstatus", Status.FS);
    guest.set({ a0: 0n, a1: DATA, a2: 0x1122_3344_5566_7788n });
    guest.run();
    return { guest, writes };
  }

  it("report a store, after it happened", async () => {
    const { guest, writes } = await reported("sd a2, 64(a1)\naddi a0, a0, 1");
    expect(writes).toEqual([[0x40, 8, 0x1122_3344_5566_7788n]]);
    expect(guest.get("a0")).toBe(1n);
  });

  it("report two halves in their order", async () => {
    const { writes } = await reported("sw a2, 64(a1)\nc.sw a2, 68(a1)");
    expect(writes).toEqual([
      [0x40, 4, 0x5566_7788n],
      [0x44, 4, 0x5566_7788_5566_7788n],
    ]);
  });

  it("report stores of bytes and of floats", async () => {
    const { writes } = await reported("sb a2, 71(a1)\nfmv.d.x fa0, a2\nfsd fa0, 64(a1)");
    expect(writes).toEqual([
      [0x47, 1, 0x88n << 56n],
      [0x40, 8, 0x1122_3344_5566_7788n],
    ]);
  });

  it("report a misaligned store that touches them", async () => {
    const { writes } = await reported("sd a2, 60(a1)");
    expect(writes).toEqual([[0x3c, 8, 0x1122_3344n]]);
  });

  it("do not report neighbours in the page, or loads", async () => {
    const { guest, writes } = await reported("sd a2, 56(a1)\nsd a2, 72(a1)\nld a3, 64(a1)\nsb a2, 63(a1)");
    expect(writes).toEqual([]);
    expect(guest.read64(DATA + 0x48)).toBe(0x1122_3344_5566_7788n);
  });

  it("report every store of a loop", async () => {
    const { writes } = await reported("li t0, 300\nsw t0, 64(a1)\nsw t0, 72(a1)\naddi t0, t0, -1\nbne t0, zero, .-12");
    expect(writes).toHaveLength(300);
    expect(writes.at(-1)).toEqual([0x40, 4, 1n]);
  });

  it("report stores through a virtual alias by their physical address", async () => {
    const { guest, writes } = await reported("nop");
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN);
    space.map(0x20000n, DATA, OPEN);
    guest.setCsrs({ satp: space.satp() });
    guest.load(PROGRAM, "sw a2, 68(a1)\nj .+0");
    guest.set({ a1: 0x20000n });
    guest.enter("supervisor", 0x10000n);
    guest.run();
    expect(writes).toEqual([[0x44, 4, 0x5566_7788n << 32n]]);
  });

  it("lie in pages whose code and whose stores beside them stay right", async () => {
    const { guest, writes } = await reported("jalr ra, 0(a1)");
    guest.load(DATA, "sd a2, 64(a1)\naddi a0, a0, 5\nret");
    guest.set({ a0: 0n });
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(writes).toHaveLength(1);
    expect(guest.get("a0")).toBe(5n);
  });
});

describe("hypercalls", () => {
  const FAKE = 0x0900_0000;

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

describe("the host", () => {
  it("goes on with its own work while a guest spins", async () => {
    for (const clock of ["real", "virtual"] as const) {
      const guest = await guestWith(SPIN, { clock });
      guest.machine.start();
      let ticks = 0;
      await new Promise<void>((resolve) => {
        const timer = setInterval(() => {
          if (++ticks < 3) return;
          clearInterval(timer);
          resolve();
        }, 1);
      });
      expect(ticks).toBeGreaterThan(0);
      await guest.machine.destroy();
    }
  });

  it("sees time pass in a guest with the host's clock", async () => {
    const guest = await guestWith("csrrs a1, time, zero\ncsrrs a0, time, zero\nbeq a0, a1, .-4\nj .+0", {
      clock: "real",
    });
    guest.machine.addBreakpoint(BigInt(PROGRAM + 12));
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBeGreaterThan(guest.get("a1"));
  });

  it("reads what the machine did from its statistics", async () => {
    const guest = await guestWith("sw a0, 0(a1)\nlw a2, 4(a1)\necall\nwfi", {
      hypercalls: [extension(1, () => ({ error: 0 }))],
    });
    guest.machine.attach(new FakeDevice(0x1000_0000));
    guest.set({ a1: 0x1000_0000n, a7: 1n });
    guest.enter("supervisor");
    guest.machine.step(10);
    const { instructions, exits, assists, memory } = guest.machine.stats;
    expect(instructions).toBe(5); // with the mret that enters
    expect(exits).toMatchObject({ "mmio-write": 1, "mmio-read": 1, hypercall: 1, wait: 1, breakpoint: 0, stuck: 0 });
    expect(assists["decode-page"]).toBeGreaterThan(0);
    expect(assists.exception).toBe(0);
    expect(memory).toMatchObject({ guestBytes: 0x100000, framesInUse: 256 });
    expect(memory.reservedBytes).toBeGreaterThan(0x100000);
  });

  it("counts exceptions, interrupts and fences in them", async () => {
    const guest = await guestWith("sfence.vma zero, zero\necall");
    guest.load(M_VECTOR, "csrrsi zero, mstatus, 8\nj .+0");
    guest.setCsrs({ mie: 2, mip: 2 });
    guest.machine.step(6);
    expect(guest.machine.stats.assists).toMatchObject({ exception: 1, fence: 1 });
    expect(guest.machine.stats.assists.interrupt).toBeGreaterThan(0);
  });
});

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

describe("two runs with the virtual clock", () => {
  async function run(): Promise<Guest> {
    const guest = await guestWith(
      `csrrs t0, time, zero
      add s0, s0, t0
      lw t1, 0(a2)
      add s0, s0, t1
      amoadd.d t2, s0, (a1)
      wfi
      j .-24`,
      { harts: 3, limits: { instructions: 2_000_000 } },
    );
    const { machine } = guest;
    machine.attach(new FakeDevice(0x1000_0000));
    guest.load(M_VECTOR, "csrrs t3, time, zero\naddi t3, t3, 500\ncsrrw zero, stimecmp, t3\nxor s1, s1, t3\nmret");
    guest.load(DATA, "amoadd.d t0, a0, (a1)\nadd s0, s0, t0\nandi t1, s0, 63\nadd t1, t1, a1\nsb s0, 8(t1)\nj .-20");
    guest.set({ a1: DATA + 0x100, a2: 0x1000_0000n });
    guest.setCsrs({ menvcfg: 1n << 63n, mie: 1n << 5n, mstatus: Status.MIE, stimecmp: 100 });
    for (const id of [1, 2]) machine.enterMachine(id, { address: BigInt(DATA), opaque: BigInt(DATA + 0x100) });
    let alarms = 0;
    const again = () => {
      machine.memory.write(DATA + 0x800, new Uint8Array([++alarms]));
      machine.setAlarm("test", machine.clock.ticks() + 3000n, again);
    };
    machine.setAlarm("test", 1000n, again);
    machine.start();
    await machine.exited;
    return guest;
  }

  it("leave the same bytes and registers, with three harts, timers, waiting, a device and alarms", async () => {
    const [one, other] = [await run(), await run()];
    expect(one.read(RAM, 0x100000)).toEqual(other.read(RAM, 0x100000));
    for (const [id, hart] of one.machine.harts.entries()) {
      const registers = (of: typeof hart | undefined) => [
        of?.pc,
        ...Array.from({ length: 32 }, (_, n) => of?.getRegister(n)),
      ];
      expect(registers(hart)).toEqual(registers(other.machine.harts[id]));
    }
    expect(one.machine.stats).toEqual(other.machine.stats);
    expect(one.machine.clock.ticks()).toBe(other.machine.clock.ticks());
    expect(one.machine.clock.unixTimeNs()).toBe(other.machine.clock.unixTimeNs());
    expect(one.read64(DATA + 0x800)).toBeGreaterThan(3n);
  });
});
