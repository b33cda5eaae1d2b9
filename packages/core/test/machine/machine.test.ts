/** The machine as its host sees it: options, running and stopping, its end, the host's event loop, repeatability. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { type ExitReason, Machine, type MachineOptions } from "../../src/index.js";
import { extension, FakeDevice } from "./fakes.js";
import {
  Cause,
  code,
  createGuest,
  DATA,
  type Guest,
  guestWith,
  M_VECTOR,
  PROGRAM,
  RAM,
  SPIN,
  Status,
  toBreakpoint,
} from "./guest.js";

describe("a host without WebAssembly", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it("cannot have machines, and says so", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    await expect(Machine.create({ memoryBytes: 0x10000 })).rejects.toMatchObject({
      code: "unsupported",
      message: "this host has no WebAssembly, which machines run on",
    });
  });
});

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
    const { instructions } = guest.machine.stats;
    guest.machine.start();
    await expect.poll(() => guest.machine.stats.instructions).toBeGreaterThan(instructions + 10);
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
    await expect.poll(() => guest.machine.stats.instructions).toBeGreaterThan(10);
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
    const statsOf = ({ machine }: Guest) => ({ ...machine.stats, jit: undefined }); // which has times in it
    expect(statsOf(one)).toEqual(statsOf(other));
    expect(one.machine.clock.ticks()).toBe(other.machine.clock.ticks());
    expect(one.machine.clock.unixTimeNs()).toBe(other.machine.clock.unixTimeNs());
    expect(one.read64(DATA + 0x800)).toBeGreaterThan(3n);
  });
});
