/** Counters, and that however a machine is run, its state after so many instructions is one and the same. */
import { describe, expect, it } from "vitest";
import {
  Cause,
  createGuest,
  DATA,
  type Guest,
  type GuestOptions,
  M_VECTOR,
  PACES,
  PROGRAM,
  type Privilege,
  TABLES,
} from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

describe.each(PACES)("counters, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });
  async function run(source: string, registers: Readonly<Record<string, bigint | number>> = {}, mode?: Privilege) {
    const guest = await guestWith();
    guest.load(PROGRAM, `${source}\nj .+0`);
    guest.set(registers);
    if (mode) guest.enter(mode);
    guest.run();
    return guest;
  }

  it("minstret holds the instructions before the one that reads it", async () => {
    const guest = await run("csrrs a0, minstret, zero\nnop\nnop\ncsrrs a1, minstret, zero");
    expect(guest.get("a0")).toBe(0n);
    expect(guest.get("a1")).toBe(3n);
  });

  it("minstret counts compressed instructions and taken branches as one each", async () => {
    const guest = await run("c.li a0, 1\nbeq zero, zero, .+8\nnop\nj .+4\ncsrrs a1, minstret, zero");
    expect(guest.get("a1")).toBe(3n);
  });

  it("mcycle never falls behind minstret", async () => {
    const guest = await run("ebreak", {});
    expect(guest.hart.getCsr("mcycle")).toBeGreaterThanOrEqual(guest.hart.getCsr("minstret"));
  });

  it("time goes by with the instructions, ten a tick", async () => {
    const guest = await run(
      "li a1, 500\naddi a1, a1, -1\nbne a1, zero, .-4\ncsrrs a0, time, zero\ncsrrs a2, mcycle, zero",
    );
    expect(guest.get("a0")).toBe(100n);
    expect(guest.get("a2")).toBe(1002n);
  });

  describe("written", () => {
    it.each(["minstret", "mcycle"])("%s holds what was written at the next instruction", async (name) => {
      const guest = await run(`csrrw zero, ${name}, a1\ncsrrs a0, ${name}, zero\nnop\ncsrrs a2, ${name}, zero`, {
        a1: 1000n,
      });
      expect(guest.get("a0")).toBe(1000n);
      expect(guest.get("a2")).toBe(1002n);
    });

    it("minstret gives its old value to the instruction that writes it", async () => {
      const guest = await run("nop\nnop\ncsrrw a0, minstret, a1", { a1: 50n });
      expect(guest.get("a0")).toBe(2n);
    });

    it("minstret takes set and cleared bits", async () => {
      const guest = await run(
        "csrrs zero, minstret, a1\ncsrrs a0, minstret, zero\ncsrrc zero, minstret, a1\ncsrrs a2, minstret, zero",
        {
          a1: 0x100n,
        },
      );
      expect(guest.get("a0")).toBe(0x100n);
      expect(guest.get("a2")).toBe(1n); // 0x101 without the bit
    });

    it("minstret wraps", async () => {
      const guest = await run("csrrw zero, minstret, a1\ncsrrs a0, minstret, zero\ncsrrs a2, minstret, zero", {
        a1: -1n,
      });
      expect(guest.get("a0")).toBe((1n << 64n) - 1n);
      expect(guest.get("a2")).toBe(0n);
    });

    it.each(["minstret", "mcycle"])("%s by the host holds exactly that", async (name) => {
      const guest = await run("nop");
      guest.setCsrs({ [name]: 5 });
      expect(guest.hart.getCsr(name)).toBe(5n);
      guest.machine.step(3);
      expect(guest.hart.getCsr(name)).toBe(8n);
    });
  });

  describe("mcountinhibit", () => {
    it("stops minstret alone", async () => {
      const guest = await run(
        "csrrwi zero, mcountinhibit, 4\ncsrrs a0, minstret, zero\ncsrrs a1, mcycle, zero\nnop\ncsrrs a2, minstret, zero\ncsrrs a3, mcycle, zero",
      );
      expect(guest.get("a2")).toBe(guest.get("a0"));
      expect(guest.get("a3")).toBe(guest.get("a1") + 3n);
    });

    it("stops mcycle alone", async () => {
      const guest = await run(
        "csrrwi zero, mcountinhibit, 1\ncsrrs a0, mcycle, zero\ncsrrs a1, minstret, zero\nnop\ncsrrs a2, mcycle, zero\ncsrrs a3, minstret, zero",
      );
      expect(guest.get("a2")).toBe(guest.get("a0"));
      expect(guest.get("a3")).toBe(guest.get("a1") + 3n);
    });

    it("lets them go on from where they stood", async () => {
      const guest = await run(
        "csrrwi zero, mcountinhibit, 5\ncsrrs a0, minstret, zero\nnop\nnop\nnop\nnop\ncsrrwi zero, mcountinhibit, 0\nnop\nnop\ncsrrs a1, minstret, zero",
      );
      // Whether the write that lets it go on counts is left open.
      expect([2n, 3n]).toContain(guest.get("a1") - guest.get("a0"));
    });

    it("lets a stopped counter be written, and holds the value through traps", async () => {
      const guest = await guestWith();
      guest.load(M_VECTOR, "csrrs a0, minstret, zero\nj .+0");
      guest.load(PROGRAM, "csrrwi zero, mcountinhibit, 4\ncsrrw zero, minstret, a1\nebreak");
      guest.set({ a1: 123n });
      guest.run();
      expect(guest.get("a0")).toBe(123n);
    });
  });

  describe("below M-mode", () => {
    const counters = [
      { name: "cycle", bit: 0, word: 0xc0002573n },
      { name: "time", bit: 1, word: 0xc0102573n },
      { name: "instret", bit: 2, word: 0xc0202573n },
    ] as const;

    it.each(counters)("S-mode reads $name only where mcounteren says so", async ({ name, bit, word }) => {
      for (const open of [false, true]) {
        const guest = await guestWith();
        guest.setCsrs({ mcounteren: open ? 1 << bit : 7 & ~(1 << bit) });
        guest.load(PROGRAM, `csrrs a0, ${name}, zero\nj .+0`);
        guest.enter("supervisor");
        guest.run();
        if (open) expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
        else expect(guest.machineTrap()).toEqual({ cause: Cause.IllegalInstruction, pc: BigInt(PROGRAM), value: word });
      }
    });

    it.each(counters)("U-mode reads $name only where both mcounteren and scounteren say so", async ({ name, bit }) => {
      for (const [machine, supervisor] of [
        [0, 0],
        [0, 7],
        [7, 0],
        [7, 7 & ~(1 << bit)],
        [7 & ~(1 << bit), 7],
        [1 << bit, 1 << bit],
      ] as const) {
        const guest = await guestWith();
        guest.setCsrs({ mcounteren: machine, scounteren: supervisor });
        guest.load(PROGRAM, `csrrs a0, ${name}, zero\nj .+0`);
        guest.enter("user");
        guest.run();
        const open = ((machine & supervisor) >> bit) & 1;
        expect(guest.hart.pc).toBe(BigInt(open ? PROGRAM + 4 : M_VECTOR));
      }
    });

    it("M-mode reads them all, whatever the enables say", async () => {
      const guest = await run(
        "csrrs a0, cycle, zero\ncsrrs a1, time, zero\ncsrrs a2, instret, zero\ncsrrs a3, hpmcounter3, zero\ncsrrs a4, hpmcounter31, zero",
      );
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 20));
    });

    it("the counters of events are closed", async () => {
      const guest = await guestWith();
      guest.setCsrs({ mcounteren: -1n, scounteren: -1n });
      expect(guest.trapOf("csrrs a0, hpmcounter3, zero", "user").cause).toBe(Cause.IllegalInstruction);
    });

    it("stimecmp is open to S-mode only with STCE and mcounteren.TM", async () => {
      for (const [stce, tm, open] of [
        [0n, 2, false],
        [1n << 63n, 0, false],
        [1n << 63n, 2, true],
      ] as const) {
        const guest = await guestWith();
        guest.setCsrs({ menvcfg: stce, mcounteren: tm });
        guest.load(PROGRAM, "csrrs a0, stimecmp, zero\nj .+0");
        guest.enter("supervisor");
        guest.run();
        expect(guest.hart.pc).toBe(BigInt(open ? PROGRAM + 4 : M_VECTOR));
      }
    });

    it("U-mode never reaches stimecmp", async () => {
      const guest = await guestWith();
      guest.setCsrs({ menvcfg: 1n << 63n, mcounteren: 7, scounteren: 7 });
      expect(guest.trapOf("csrrs a0, stimecmp, zero", "user").cause).toBe(Cause.IllegalInstruction);
    });

    it("instret is what minstret is", async () => {
      const guest = await guestWith();
      guest.setCsrs({ mcounteren: 7, scounteren: 7 });
      guest.load(PROGRAM, "nop\nnop\ncsrrs a0, instret, zero\nj .+0");
      guest.enter("user");
      guest.setCsrs({ minstret: 500 });
      guest.run();
      expect(guest.get("a0")).toBe(502n);
    });
  });

  it("minstret counts exactly through a hundred traps and returns", async () => {
    const guest = await guestWith();
    // Of each round: addi, bne retire; ecall does not; the handler's four do.
    guest.load(M_VECTOR, "csrrs t6, mepc, zero\naddi t6, t6, 4\ncsrrw zero, mepc, t6\nmret");
    guest.load(PROGRAM, "ecall\naddi a0, a0, -1\nbne a0, zero, .-8\ncsrrs a1, minstret, zero\nj .+0");
    guest.set({ a0: 100n });
    guest.enter("user");
    guest.setCsrs({ minstret: 0, mcounteren: 7, scounteren: 7 });
    guest.load(PROGRAM + 12, "csrrs a1, instret, zero");
    guest.run();
    expect(guest.get("a1")).toBe(600n);
  });
});

describe("a step of so many instructions", () => {
  it.each([1, 2, 3, 1000, 2049, 2050, 2051, 2052, 4096, 12_345, 600_000])("executes %i exactly", async (count) => {
    const guest = await createGuest();
    // Straight code over several pages, an instruction across each page's end, and back.
    const pages = 4;
    const code = ["c.li a1, 0", ...Array.from({ length: pages * 1024 }, () => "addi a0, a0, 1"), "jalr zero, 0(a2)"];
    guest.load(DATA, code.join("\n"));
    guest.set({ a0: 0n, a2: DATA });
    guest.hart.pc = BigInt(DATA);
    expect(guest.machine.step(count)).toBe(true);
    expect(guest.hart.executedInstructions).toBe(count);
    expect(guest.hart.getCsr("minstret")).toBe(BigInt(count));
    expect(guest.machine.step(count)).toBe(true);
    expect(guest.hart.executedInstructions).toBe(2 * count);
  });
});

describe("the state after so many instructions", () => {
  const CODE = 0x10000n;
  const STEPS = 20_000;

  /** Runs in S-mode under Sv39 with a timer, traps of several kinds, code that changes itself and that crosses pages. */
  async function busyGuest(options: GuestOptions = {}): Promise<Guest> {
    const guest = await createGuest(options);
    const space = new AddressSpace(guest, undefined, TABLES);
    // Neighbours that lie apart; the last is not there.
    const frames = [DATA, DATA + 0x3000, DATA + 0x1000];
    for (const [n, frame] of frames.entries()) space.map(CODE + BigInt(n) * 0x1000n, frame, OPEN & ~0xc0n);
    guest.setCsrs({
      satp: space.satp(3),
      menvcfg: (1n << 63n) | (1n << 61n),
      mie: 1n << 5n,
      mcounteren: 7,
      stimecmp: 50,
    });
    guest.load(
      M_VECTOR,
      `csrrs t5, mcause, zero
      add s2, s2, t5
      csrrs t6, mtval, zero
      xor s3, s3, t6
      blt t5, zero, timer
      csrrs t6, mepc, zero
      addi t6, t6, 4
      csrrw zero, mepc, t6
      mret
      timer: csrrs t6, stimecmp, zero
      addi t6, t6, 13
      csrrw zero, stimecmp, t6
      addi s4, s4, 1
      mret`,
    );
    const body = `
      addi a0, a0, 1
      sd a0, 0(a1)            # crosses into the second page
      ld a2, 0(a1)
      add s5, s5, a2
      ecall
      .word 0xffffffff
      lw a3, 0(a4)            # not mapped
      amoadd.d a5, a0, (a6)
      lr.w t0, (a6)
      sc.w t1, a0, (a6)
      add s5, s5, t1
      csrrs a7, instret, zero
      xor s5, s5, a7
      csrrs a7, time, zero
      add s5, s5, a7
      andi t0, a0, 7
      bne t0, zero, .+12
      xor s7, s7, s8          # patches the addi at the top: 1 becomes 3, and back
      sw s7, 0(s6)
      jalr ra, 0(s9)
      bge a0, zero, .-80`;
    guest.load(DATA, body);
    // Called at the end of the first page: an instruction on both.
    guest.write(DATA + 0xffe, new Uint8Array([0x13, 0x0a])); // addi s4, s4, 16; its upper half lies in the next frame
    guest.write(DATA + 0x3000, new Uint8Array([0x0a, 0x01, 0x82, 0x80])); // and c.jr ra
    guest.set({
      a0: 0n,
      a1: CODE + 0x1ffcn,
      a4: CODE + 0x3000n,
      a6: CODE + 0x1800n,
      s6: CODE,
      s7: 0x00150513n,
      s8: 0x00200000n,
      s9: CODE + 0xffen,
    });
    guest.enter("supervisor", CODE);
    return guest;
  }

  /** All that a guest could tell of its state. */
  function stateOf(guest: Guest) {
    const { hart } = guest;
    const csrs = ["mstatus", "mepc", "mcause", "mtval", "minstret", "mcycle", "stimecmp", "mip", "satp", "fcsr"];
    return {
      pc: hart.pc,
      privilege: hart.privilege,
      registers: Array.from({ length: 32 }, (_, n) => hart.getRegister(n)),
      csrs: csrs.map((name) => [name, hart.getCsr(name)]),
      time: guest.machine.clock.ticks(),
      executed: hart.executedInstructions,
    };
  }

  async function reference() {
    const guest = await busyGuest();
    for (let n = 0; n < STEPS; n++) guest.machine.step();
    return guest;
  }

  function expectSame(guest: Guest, expected: Guest): void {
    expect(stateOf(guest)).toEqual(stateOf(expected));
    const { base, size } = guest.machine.memory;
    expect(Buffer.compare(guest.read(base, size), expected.read(base, size))).toBe(0);
  }

  it("of a program that does a bit of everything shows that it does", async () => {
    const guest = await reference();
    expect(guest.get("s4")).toBeGreaterThan(100n); // timer interrupts, and calls
    expect(guest.get("s5")).not.toBe(0n);
    expect(guest.hart.getCsr("minstret")).toBeLessThan(BigInt(STEPS - 1000)); // traps
    expect(guest.get("a0")).toBeGreaterThan(500n);
  });

  it("is that of single steps after one long step", async () => {
    const guest = await busyGuest();
    guest.machine.step(STEPS);
    expectSame(guest, await reference());
  });

  it.each([7, 64, 999, 2050, 2500, 7001])("is that of single steps after steps of %i", async (length) => {
    const guest = await busyGuest();
    for (let left = STEPS; left > 0; left -= length) guest.machine.step(Math.min(length, left));
    expectSame(guest, await reference());
  });

  it("is that of single steps after a run up to the instruction limit", async () => {
    const guest = await busyGuest({ limits: { instructions: STEPS + 1 } }); // and the mret that enters
    guest.machine.start();
    expect(await guest.machine.exited).toEqual({ kind: "limit", limit: "instructions" });
    expectSame(guest, await reference());
  });

  it("is that of single steps after runs from breakpoint to breakpoint", async () => {
    const guest = await busyGuest({ limits: { instructions: STEPS + 1 } });
    let hits = 0;
    guest.machine.on("breakpoint", () => hits++);
    guest.machine.addBreakpoint(CODE + 0xffen);
    guest.machine.addBreakpoint(BigInt(M_VECTOR));
    const exited = guest.machine.exited.then(() => true);
    for (let running = true; running; ) {
      guest.machine.start();
      while (guest.machine.isRunning) await new Promise((resolve) => setImmediate(resolve));
      running = !(await Promise.race([exited, Promise.resolve(false)]));
    }
    expect(hits).toBeGreaterThan(500);
    expectSame(guest, await reference());
  });
});
