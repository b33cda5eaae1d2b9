/** Programmable counters, mode filters and overflow (Privileged ISA 1.13, 3.1.11; Sscofpmf; Smcntrpmf). */
import { describe, expect, it } from "vitest";
import {
  Cause,
  createGuest,
  DATA,
  type Guest,
  INTERRUPT,
  M_VECTOR,
  PACES,
  PROGRAM,
  type Privilege,
  S_VECTOR,
  SPIN,
  Status,
} from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

const Event = { Cycles: 1n, Instructions: 2n, Exceptions: 3n, Interrupts: 4n, TlbFills: 5n } as const;
const OF = 1n << 63n;
const MINH = 1n << 62n;
const SINH = 1n << 61n;
const UINH = 1n << 60n;
const LCOFI = 13n;
const ALL = (1n << 64n) - 1n;

describe.each(PACES)("programmable counters, %s", (pace) => {
  const guestWith = (isa?: string) => createGuest({ pace, ...(isa !== undefined && { isa }) });
  const read = (guest: Guest, name: string) => guest.hart.getCsr(name);

  it.each([3, 7, 10])("mhpmcounter%i counts instructions", async (n) => {
    const guest = await guestWith();
    guest.setCsrs({ [`mhpmevent${n}`]: Event.Instructions });
    guest.load(PROGRAM, `nop\nnop\ncsrrs a0, mhpmcounter${n}, zero\nnop\ncsrrs a1, mhpmcounter${n}, zero\nj .+0`);
    guest.run();
    expect([guest.get("a0"), guest.get("a1")]).toEqual([2n, 4n]);
  });

  it("counts from the value that is written", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent4: Event.Cycles });
    guest.load(PROGRAM, "csrrw zero, mhpmcounter4, a1\ncsrrs a0, mhpmcounter4, zero\nj .+0");
    guest.set({ a1: 1000 });
    guest.run();
    expect(guest.get("a0")).toBe(1000n);
  });

  it("counts nothing for the selector 0, and holds its value", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: 0n, mhpmcounter3: 77n });
    guest.load(PROGRAM, "nop\nnop\nj .+0");
    guest.run();
    expect(read(guest, "mhpmcounter3")).toBe(77n);
  });

  it("keeps what it has counted when its event changes", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: Event.Instructions });
    guest.load(PROGRAM, "nop\nnop\ncsrrw zero, mhpmevent3, a1\nnop\nnop\ncsrrs a0, mhpmcounter3, zero\nj .+0");
    guest.set({ a1: Event.Exceptions });
    guest.run();
    expect([2n, 3n]).toContain(guest.get("a0"));
  });

  it("stands still while mcountinhibit says so", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: Event.Instructions, mhpmevent4: Event.Instructions, mcountinhibit: 1 << 3 });
    guest.load(PROGRAM, "nop\nnop\nj .+0");
    guest.machine.step(2);
    expect([read(guest, "mhpmcounter3"), read(guest, "mhpmcounter4")]).toEqual([0n, 2n]);
  });

  it("counts exceptions and interrupts", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: Event.Exceptions, mhpmevent4: Event.Interrupts, mie: 2n, mip: 2n });
    guest.load(M_VECTOR, "csrrs t0, mepc, zero\nblt t1, zero, .+8\naddi t0, t0, 4\ncsrrw zero, mepc, t0\nmret");
    guest.load(PROGRAM, "ecall\necall\necall\ncsrrsi zero, mstatus, 8\nj .+0");
    guest.load(M_VECTOR, "csrrs t1, mcause, zero\nbge t1, zero, .+12\ncsrrci zero, mip, 2\nmret");
    guest.load(M_VECTOR + 16, "csrrs t0, mepc, zero\naddi t0, t0, 4\ncsrrw zero, mepc, t0\nmret");
    guest.run();
    expect([read(guest, "mhpmcounter3"), read(guest, "mhpmcounter4")]).toEqual([3n, 1n]);
  });

  it("counts the instructions that retire, not those that trap; those cost a cycle", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: Event.Instructions, mhpmevent4: Event.Cycles });
    guest.load(PROGRAM, "nop\nnop\n.half 0");
    guest.load(M_VECTOR, "csrrs a0, mhpmcounter3, zero\ncsrrs a1, mhpmcounter4, zero\nj .+0");
    guest.run();
    expect([guest.get("a0"), guest.get("a1")]).toEqual([2n, 4n]);
  });

  it("counts TLB fills of loads from pages not seen before", async () => {
    const guest = await guestWith();
    const space = new AddressSpace(guest);
    space.map(PROGRAM, PROGRAM, OPEN);
    for (let page = 0; page < 8; page++) space.map(0x40000000 + page * 0x1000, DATA, OPEN);
    guest.load(PROGRAM, `${"ld a0, 0(a1)\nld a0, 8(a1)\nadd a1, a1, a2\n".repeat(8)}j .+0`);
    guest.set({ a1: 0x40000000, a2: 0x1000 });
    guest.setCsrs({ satp: space.satp() });
    guest.enter("supervisor");
    guest.machine.step();
    guest.setCsrs({ mhpmevent3: Event.TlbFills });
    guest.run();
    expect(read(guest, "mhpmcounter3")).toBe(7n); // all but the first page
  });

  describe("filtered by mode", () => {
    /** An ecall from U-mode to S-mode, one on to M-mode, and back by two returns: what an instruction counter saw. */
    async function counted(filter: bigint, event: bigint = Event.Instructions): Promise<bigint> {
      const guest = await guestWith();
      guest.setCsrs({ medeleg: 1n << Cause.EcallFromUser });
      guest.load(PROGRAM, "nop\nnop\nnop\necall\nnop\nj .+0"); // 3 in U-mode, then j ends it
      guest.load(
        S_VECTOR,
        "ecall\nnop\ncsrrs t0, sepc, zero\naddi t0, t0, 4\ncsrrw zero, sepc, t0\nsret", // 5 in S-mode
      );
      guest.load(M_VECTOR, "csrrs t0, mepc, zero\naddi t0, t0, 4\ncsrrw zero, mepc, t0\nmret"); // 4 in M-mode
      guest.enter("user");
      guest.setCsrs({ mhpmevent3: event | filter, mhpmcounter3: 0n });
      guest.machine.step(3 + 1 + 1 + 4 + 5 + 1);
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 20));
      return read(guest, "mhpmcounter3");
    }
    const [user, supervisor, machine] = [4n, 5n, 4n];

    it("counts all without a filter", async () => {
      expect(await counted(0n)).toBe(user + supervisor + machine);
    });
    it.each([
      ["UINH", UINH, supervisor + machine],
      ["SINH", SINH, user + machine],
      ["MINH", MINH, user + supervisor],
      ["MINH and SINH", MINH | SINH, user],
      ["MINH and UINH", MINH | UINH, supervisor],
      ["SINH and UINH", SINH | UINH, machine],
      ["all three", MINH | SINH | UINH, 0n],
    ])("%s", async (_, filter, expected) => {
      expect(await counted(filter)).toBe(expected);
    });
    it("counts an exception in the mode that raised it", async () => {
      expect(await counted(SINH | MINH, Event.Exceptions)).toBe(1n);
      expect(await counted(UINH | MINH, Event.Exceptions)).toBe(1n);
      expect(await counted(UINH | SINH, Event.Exceptions)).toBe(0n);
    });
  });

  describe("of cycles and instructions, filtered (Smcntrpmf)", () => {
    it.each([
      ["mcycle", "mcyclecfg"],
      ["minstret", "minstretcfg"],
    ])("%s stands still in the modes that %s names", async (counter, config) => {
      const guest = await guestWith();
      guest.load(PROGRAM, "nop\nnop\nnop\nj .+0");
      guest.enter("user");
      guest.setCsrs({ [config]: UINH, [counter]: 5n });
      guest.machine.step(3);
      expect(read(guest, counter)).toBe(5n);
      guest.setCsrs({ [config]: MINH | SINH });
      guest.machine.step(2);
      expect(read(guest, counter)).toBe(7n);
    });

    it("does not exist without the extension", async () => {
      const guest = await guestWith("rv64gc_sscofpmf");
      expect(guest.trapOf("csrrs a0, mcyclecfg, zero").cause).toBe(Cause.IllegalInstruction);
    });
  });

  describe("that overflow", () => {
    /** Counts instructions up to the end in so many. */
    function arm(guest: Guest, left: number, extra = 0n, event: bigint = Event.Instructions): void {
      guest.setCsrs({ mhpmevent5: event | extra, mhpmcounter5: ALL - BigInt(left) + 1n });
    }

    it("set OF and pend LCOFI", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      arm(guest, 3);
      guest.machine.step(2);
      expect([read(guest, "mhpmevent5") & OF, read(guest, "mip") >> LCOFI]).toEqual([0n, 0n]);
      guest.machine.step(1);
      expect([read(guest, "mhpmevent5") & OF, read(guest, "mip") >> LCOFI]).toEqual([OF, 1n]);
      expect(read(guest, "mhpmcounter5")).toBe(0n);
    });

    it("pend nothing while OF is set", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      arm(guest, 3, OF);
      guest.machine.step(10);
      expect(read(guest, "mip") >> LCOFI).toBe(0n);
    });

    it("pend again once OF was cleared", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      arm(guest, 3);
      guest.machine.step(10);
      guest.setCsrs({ mip: 0n });
      arm(guest, 3);
      guest.machine.step(10);
      expect(read(guest, "mip") >> LCOFI).toBe(1n);
    });

    it.each([5, 100, 2000, 2060, 5000])(
      "interrupt exactly behind the instruction that overflows, %i ahead",
      async (left) => {
        const guest = await guestWith();
        guest.load(PROGRAM, SPIN);
        guest.set({ a0: 0 });
        guest.setCsrs({ mie: 1n << LCOFI, mstatus: Status.MIE });
        arm(guest, left);
        if (pace === "in slices") guest.machine.step(left + 1);
        else for (let n = 0; n <= left; n++) guest.machine.step();
        expect(guest.machineTrap()).toEqual({
          cause: INTERRUPT | LCOFI,
          pc: BigInt(PROGRAM + (left % 2) * 4),
          value: 0n,
        });
        expect(guest.get("a0")).toBe(BigInt(Math.ceil(left / 2)));
      },
    );

    it("interrupt exactly where the counter is armed by the program itself", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, `csrrw zero, mhpmcounter5, a1\n${SPIN}`);
      guest.set({ a0: 0, a1: -100 });
      guest.setCsrs({ mhpmevent5: Event.Instructions, mie: 1n << LCOFI, mstatus: Status.MIE });
      guest.run();
      expect(guest.machineTrap().cause).toBe(INTERRUPT | LCOFI);
      expect(guest.get("a0")).toBe(50n);
    });

    it("interrupt S-mode where it is delegated, and show in sip, where S-mode clears them", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      guest.load(
        S_VECTOR,
        "csrrs a1, sip, zero\ncsrrs a2, scountovf, zero\ncsrrc zero, sip, a1\ncsrrs a3, sip, zero\nj .+0",
      );
      guest.setCsrs({ mideleg: 1n << LCOFI, mie: 1n << LCOFI, mcounteren: 1 << 5 });
      guest.enter("user");
      arm(guest, 50);
      guest.run();
      expect(read(guest, "scause")).toBe(INTERRUPT | LCOFI);
      expect([guest.get("a1"), guest.get("a2"), guest.get("a3")]).toEqual([1n << LCOFI, 1n << 5n, 0n]);
    });

    it("do not count, nor overflow, in a mode that is filtered out", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      guest.enter("user");
      arm(guest, 5, UINH);
      guest.machine.step(100);
      expect([read(guest, "mip") >> LCOFI, read(guest, "mhpmcounter5")]).toEqual([0n, ALL - 4n]);
    });

    it("wake a hart that waits, be it masked globally", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "ecall\nj .+0");
      guest.load(M_VECTOR, "wfi\naddi a0, a0, 1\nj .+0");
      guest.setCsrs({ mie: 1n << LCOFI });
      arm(guest, 1, 0n, Event.Exceptions);
      guest.set({ a0: 0 });
      guest.run();
      expect(guest.get("a0")).toBe(1n);
    });

    it("set no OF in mcycle and minstret, which have none", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, SPIN);
      guest.setCsrs({ mcycle: ALL, minstret: ALL, mhpmevent3: Event.Cycles });
      guest.machine.step(5);
      expect([read(guest, "mip"), read(guest, "mcycle"), read(guest, "mcyclecfg")]).toEqual([0n, 4n, 0n]);
    });

    it("only wrap without Sscofpmf, where OF, the filters and LCOFI do not exist", async () => {
      const guest = await guestWith("rv64gc");
      guest.load(PROGRAM, SPIN);
      guest.setCsrs({ mhpmevent5: ALL, mie: ALL, mideleg: ALL, mip: ALL });
      expect([read(guest, "mhpmevent5"), read(guest, "mie"), read(guest, "mideleg"), read(guest, "mip")]).toEqual([
        0n,
        0xaaan,
        0x222n,
        0x222n,
      ]);
      guest.setCsrs({ mip: 0n, mie: 0n });
      arm(guest, 3);
      guest.machine.step(10);
      expect([read(guest, "mip"), read(guest, "mhpmcounter5")]).toEqual([0n, 7n]);
    });
  });

  describe("scountovf", () => {
    const seen = async (mode: Privilege, mcounteren: number) => {
      const guest = await guestWith();
      guest.load(PROGRAM, "csrrs a0, scountovf, zero\nj .+0");
      guest.setCsrs({ mhpmevent3: OF, mhpmevent10: OF, mcounteren });
      guest.enter(mode);
      guest.run();
      return guest.hart.pc === BigInt(PROGRAM + 4) ? guest.get("a0") : "illegal";
    };
    it("shows M-mode every OF bit", async () => {
      expect(await seen("machine", 0)).toBe(0x408n);
    });
    it("shows S-mode those of the counters that mcounteren opens", async () => {
      expect(await seen("supervisor", 0x400)).toBe(0x400n);
    });
    it("is closed to U-mode", async () => {
      expect(await seen("user", 0x408)).toBe("illegal");
    });
    it("does not exist without Sscofpmf", async () => {
      const guest = await guestWith("rv64gc");
      expect(guest.trapOf("csrrs a0, scountovf, zero").cause).toBe(Cause.IllegalInstruction);
    });
  });

  it("change nothing about when an interrupt is taken: behind the instruction that lets it in", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmevent3: Event.Instructions, mie: 2n, mip: 2n });
    guest.load(PROGRAM, "csrrsi zero, mstatus, 8\nj .+0");
    guest.machine.step();
    expect(guest.hart.pc).toBe(BigInt(M_VECTOR));
  });

  it("are open below M-mode as mcounteren and scounteren say", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mhpmcounter10: 99n, mcounteren: 1 << 10, scounteren: 1 << 10 });
    guest.load(PROGRAM, "csrrs a0, hpmcounter10, zero\ncsrrs a1, hpmcounter9, zero");
    guest.enter("user");
    guest.run();
    expect(guest.machineTrap()).toMatchObject({ cause: Cause.IllegalInstruction, pc: BigInt(PROGRAM + 4) });
    expect(guest.get("a0")).toBe(99n);
  });
});

it("a deadline that straight-line code sets near the end of a slice is kept", async () => {
  const handled = async (pace: "slice" | "step") => {
    const guest = await createGuest();
    guest.load(PROGRAM, `${"nop\n".repeat(900)}csrrw zero, stimecmp, a1\n${"addi a0, a0, 1\n".repeat(90)}j .+0`);
    guest.setCsrs({ menvcfg: 1n << 63n, mie: 1n << 5n, mstatus: Status.MIE });
    guest.set({ a0: 0, a1: 92 }); // ten instructions a tick
    if (pace === "slice") guest.machine.step(2060);
    else for (let n = 0; n < 1500; n++) guest.machine.step();
    return [guest.hart.getCsr("mcause"), guest.hart.getCsr("mepc")];
  };
  expect(await handled("slice")).toEqual(await handled("step"));
});

it("a counter is right where straight-line code runs over the end of a slice", async () => {
  const guest = await createGuest();
  guest.load(PROGRAM, `${"nop\n".repeat(100)}csrrs a0, minstret, zero\nj .+0`);
  guest.machine.step(2060);
  expect(guest.get("a0")).toBe(100n);
});
