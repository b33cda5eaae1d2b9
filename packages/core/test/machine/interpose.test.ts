/** Hooks: what they see of a guest, and what they may make of it. */
import { describe, expect, it } from "vitest";
import { translator } from "../../../jit/src/index.js";
import { type Hooks, Machine, type MachineOptions, type TechniqueName } from "../../src/index.js";
import { FakeDevice } from "./fakes.js";
import { code } from "./guest.js";
import { leaf, OPEN } from "./page-tables.js";
import {
  DATA,
  DEPRIVILEGED,
  HANDLER,
  identitySpace,
  lastTable,
  PROGRAM,
  RAM,
  type SupervisedGuest,
  supervised,
  USER,
} from "./supervised.js";

const ENGINES: Readonly<Record<string, Partial<MachineOptions>>> = {
  interpreted: {},
  translated: { translator: translator({ threshold: 1, sampleInterval: 1 }) },
};
const TECHNIQUES: readonly TechniqueName[] = ["direct", ...DEPRIVILEGED];
const CASES = TECHNIQUES.flatMap((technique) =>
  Object.keys(ENGINES).map((engine) => ({ technique, engine, options: { technique, ...ENGINES[engine] } })),
);
const CASES_DEPRIVILEGED = CASES.filter(({ technique }) => technique !== "direct");

const DEVICE = 0x1000_0000;
/** Ends a program. */
const END = "\nj .+0";
/** Counts traps in s11, keeps cause and tval in s9 and s10, and goes on behind what trapped. */
const SKIP =
  "addi s11, s11, 1\ncsrrs s9, scause, zero\ncsrrs s10, stval, zero\ncsrrs t6, sepc, zero\naddi t6, t6, 4\ncsrrw zero, sepc, t6\nsret";
const INCREMENT = "lui a7, 0x8000\naddi a7, a7, 1\n";

/** A guest with a handler in place, a device, and registers that its programs expect. */
async function guestWith(program: string, options: Partial<MachineOptions>): Promise<SupervisedGuest> {
  const guest = await supervised(`csrrw zero, stvec, s1\n${program}${END}`, options);
  guest.load(HANDLER, SKIP);
  guest.hart.setRegister(9, BigInt(HANDLER));
  guest.hart.setRegister(20, BigInt(DEVICE));
  guest.hart.setRegister(21, BigInt(DATA));
  return guest;
}

/** So many that slots are kept, and hot code is translated. */
const LONG = 20_000;
const run = (guest: SupervisedGuest, instructions = 400) => guest.machine.step(instructions);
const register = (guest: SupervisedGuest, n: number) => guest.hart.getRegister(n);
const [A0, A1, A2, S9, S10, S11] = [10, 11, 12, 25, 26, 27] as const;

describe.each(CASES)("under $technique, $engine, a hook", ({ options }) => {
  describe("of hypercalls", () => {
    const program = `${INCREMENT}addi a0, zero, 41\necall`;

    it("sees extension, function and arguments, and where the call is", async () => {
      const guest = await guestWith(`addi a6, zero, 3\n${program}`, options);
      const seen: unknown[] = [];
      guest.machine.interpose({
        hypercall({ hart, pc, extension, functionId, args, getRegister }) {
          seen.push([hart, Number(pc) - PROGRAM, extension, functionId, args[0], getRegister(16)]);
        },
      });
      run(guest);
      expect(seen).toEqual([[0, 20, 0x0800_0001, 3, 41n, 3n]]);
      expect(register(guest, A1)).toBe(42n);
    });

    it("changes arguments", async () => {
      const guest = await guestWith(program, options);
      guest.machine.interpose({ hypercall: () => ({ args: [99n] }) });
      run(guest);
      expect(register(guest, A1)).toBe(100n);
    });

    it("answers instead of the extension", async () => {
      const guest = await guestWith(program, options);
      guest.machine.interpose({ hypercall: () => ({ result: { error: -4 } }) });
      run(guest);
      expect([register(guest, A0), register(guest, A1)]).toEqual([(1n << 64n) - 4n, 0n]);
    });

    it("changes what the guest hears", async () => {
      const guest = await guestWith(program, options);
      guest.machine.interpose({ hypercallReturn: ({ result }) => ({ ...result, value: (result.value ?? 0n) * 2n }) });
      run(guest);
      expect(register(guest, A1)).toBe(84n);
    });
  });

  describe("of devices", () => {
    const withDevice = async (program: string, hooks: Hooks) => {
      const guest = await guestWith(program, options);
      const device = new FakeDevice(DEVICE);
      guest.machine.attach(device);
      guest.machine.interpose(hooks);
      run(guest);
      return { guest, device };
    };

    it("sees what is read, before and after", async () => {
      const seen: unknown[] = [];
      const { guest } = await withDevice("lw a0, 4(s4)", {
        mmioRead: ({ address, width }) => void seen.push([address, width]),
        mmioReadReturn: ({ value }) => void seen.push(value),
      });
      expect(seen).toEqual([[DEVICE + 4, 4], 0x8786_8584n]);
      expect(register(guest, A0)).toBe(0xffff_ffff_8786_8584n);
    });

    it("answers a read without the device", async () => {
      const { guest, device } = await withDevice("lbu a0, 4(s4)", { mmioRead: () => ({ value: 0x1ffn }) });
      expect(register(guest, A0)).toBe(0xffn);
      expect(device.log).toEqual([]);
    });

    it("changes what a device gave", async () => {
      const { guest } = await withDevice("lbu a0, 4(s4)", { mmioReadReturn: ({ value }) => ({ value: value + 1n }) });
      expect(register(guest, A0)).toBe(0x85n);
    });

    it("denies a read by an access fault", async () => {
      const { guest, device } = await withDevice("lw a0, 4(s4)", { mmioRead: () => "deny" });
      expect([register(guest, S11), register(guest, S9), register(guest, S10)]).toEqual([1n, 5n, BigInt(DEVICE + 4)]);
      expect(device.log).toEqual([]);
    });

    it("changes what is written", async () => {
      const { device } = await withDevice("addi a0, zero, 7\nsh a0, 4(s4)", {
        mmioWrite: ({ value }) => ({ value: value + 1n }),
      });
      expect(device.log).toEqual(["write 2 +4 = 8"]);
    });

    it("keeps a write from the device, without the guest's knowledge", async () => {
      const { guest, device } = await withDevice("sw a0, 4(s4)\nsw a0, 8(s4)", {
        mmioWrite: ({ address }) => (address === DEVICE + 4 ? "ignore" : undefined),
      });
      expect(register(guest, S11)).toBe(0n);
      expect(device.log).toEqual(["write 4 +8 = 0"]);
    });

    it("denies a write by an access fault", async () => {
      const { guest, device } = await withDevice("sw a0, 4(s4)", { mmioWrite: () => "deny" });
      expect([register(guest, S11), register(guest, S9)]).toEqual([1n, 7n]);
      expect(device.log).toEqual([]);
    });
  });

  describe("of system calls", () => {
    const user = async (program: string) => {
      const guest = await guestWith("csrrw zero, satp, s0\ncsrrw zero, sepc, s2\nsret", options);
      guest.hart.setRegister(8, identitySpace(guest));
      guest.hart.setRegister(18, BigInt(USER));
      guest.load(USER, `${program}${END}`);
      return guest;
    };

    it("sees number, arguments and address space", async () => {
      const guest = await user("addi a7, zero, 64\naddi a0, zero, 1\necall\naddi a7, zero, 93\necall");
      const seen: unknown[] = [];
      guest.machine.interpose({
        syscall: ({ number, args, addressSpace }) => void seen.push([number, args[0], addressSpace]),
      });
      run(guest);
      const space = guest.hart.getRegister(8);
      expect(seen).toEqual([
        [64n, 1n, space],
        [93n, 1n, space],
      ]);
      expect([register(guest, S11), register(guest, S9)]).toEqual([2n, 8n]);
    });

    it("sees each of a loop of them", async () => {
      const guest = await user("addi a0, zero, 50\necall\naddi a0, a0, -1\nbne a0, zero, .-8");
      let count = 0;
      guest.machine.interpose({ syscall: () => void count++ });
      run(guest, LONG);
      expect(count).toBe(50);
      expect(register(guest, S11)).toBe(50n);
    });

    it("changes number and arguments", async () => {
      const guest = await user("addi a7, zero, 64\necall");
      guest.machine.interpose({ syscall: () => ({ number: 65n, args: [5n, 6n] }) });
      run(guest);
      expect([register(guest, 17), register(guest, A0), register(guest, A1)]).toEqual([65n, 5n, 6n]);
      expect(register(guest, S11)).toBe(1n);
    });

    it("answers without the guest's kernel", async () => {
      const guest = await user("ecall\naddi a1, a0, 1");
      guest.machine.interpose({ syscall: () => ({ result: -1n }) });
      run(guest);
      expect([register(guest, A0), register(guest, A1), register(guest, S11)]).toEqual([(1n << 64n) - 1n, 0n, 0n]);
    });

    it("is not asked once it is removed", async () => {
      const guest = await user("addi a0, zero, 50\necall\naddi a0, a0, -1\nbne a0, zero, .-8");
      let count = 0;
      const stop = guest.machine.interpose({
        syscall: () => {
          if (++count === 3) stop();
        },
      });
      run(guest, LONG);
      expect([count, register(guest, S11)]).toEqual([3, 50n]);
    });
  });

  describe("of memory", () => {
    const paged = async (program: string, hooks: Hooks, prepare?: (guest: SupervisedGuest) => void) => {
      const guest = await guestWith(`csrrw zero, satp, s0\n${program}`, options);
      guest.hart.setRegister(8, identitySpace(guest));
      for (let page = 8; page < 11; page++) guest.write64(lastTable() + page * 8, leaf(RAM + page * 4096, OPEN));
      guest.write64(DATA, 0x1122_3344_5566_7788n, 0x99n);
      prepare?.(guest);
      guest.machine.interpose(hooks);
      run(guest, LONG);
      return guest;
    };
    const log = (seen: unknown[]) => ({
      hook: ({
        access,
        address,
        width,
        value,
      }: {
        access: string;
        address: number;
        width: number;
        value?: bigint | undefined;
      }) => void seen.push([access, address - DATA, width, value]),
    });

    it("sees loads and stores of its range, and no others", async () => {
      const seen: unknown[] = [];
      await paged("ld a0, 0(s5)\nlw a1, 8(s5)\nsd a0, 0(s5)\nsb a0, 11(s5)\nsb a0, 12(s5)\nlb a2, 7(s5)", {
        memory: [{ address: DATA + 8, length: 4, on: ["read", "write"], ...log(seen) }],
      });
      expect(seen).toEqual([
        ["read", 8, 4, undefined],
        ["write", 11, 1, 0x88n],
      ]);
    });

    it("sees every round of a loop", async () => {
      const seen: unknown[] = [];
      const guest = await paged("addi a0, zero, 40\nsd a0, 0(s5)\nld a1, 0(s5)\naddi a0, a0, -1\nbne a0, zero, .-12", {
        memory: [{ address: DATA, length: 8, on: ["write"], ...log(seen) }],
      });
      expect(seen.length).toBe(40);
      expect(register(guest, A1)).toBe(1n);
    });

    it("hears of a page once where it allows it always", async () => {
      let count = 0;
      const guest = await paged("addi a0, zero, 40\nsd a0, 0(s5)\naddi a0, a0, -1\nbne a0, zero, .-8", {
        memory: [
          {
            address: DATA,
            length: 8,
            on: ["write"],
            hook() {
              count++;
              return "always";
            },
          },
        ],
      });
      expect([count, guest.read64(DATA)]).toEqual([1, 1n]);
    });

    it("denies a store by an access fault", async () => {
      const guest = await paged("sd a0, 0(s5)", {
        memory: [{ address: DATA, length: 4096, on: ["write"], hook: () => "deny" }],
      });
      expect([register(guest, S11), register(guest, S9), register(guest, S10)]).toEqual([1n, 7n, BigInt(DATA)]);
      expect(guest.read64(DATA)).toBe(0x1122_3344_5566_7788n);
    });

    it("denies a load by an access fault", async () => {
      const guest = await paged("ld a0, 8(s5)", {
        memory: [{ address: DATA, length: 4096, on: ["read"], hook: () => "deny" }],
      });
      expect([register(guest, S11), register(guest, S9), register(guest, S10)]).toEqual([1n, 5n, BigInt(DATA + 8)]);
    });

    it("gives a load other bytes, and leaves memory alone", async () => {
      const guest = await paged("lw a0, 4(s5)", {
        memory: [{ address: DATA, length: 8, on: ["read"], hook: () => ({ bytes: Uint8Array.of(1, 2, 3, 4) }) }],
      });
      expect(register(guest, A0)).toBe(0x0403_0201n);
      expect(guest.read64(DATA)).toBe(0x1122_3344_5566_7788n);
    });

    it("puts other bytes where a store goes", async () => {
      const guest = await paged("sw a0, 4(s5)", {
        memory: [{ address: DATA, length: 8, on: ["write"], hook: () => ({ bytes: Uint8Array.of(1, 2, 3, 4) }) }],
      });
      expect(guest.read64(DATA)).toBe(0x0403_0201_5566_7788n);
    });

    it("sees both halves of a store across pages", async () => {
      const seen: unknown[] = [];
      const guest = await paged("lui t0, 1\nadd t0, t0, s5\nld a0, 0(s5)\nsd a0, -3(t0)\nld a1, -3(t0)", {
        memory: [{ address: DATA + 4080, length: 32, on: ["write"], ...log(seen) }],
      });
      expect(seen).toEqual([
        ["write", 4093, 3, 0x66_7788n],
        ["write", 4096, 5, 0x11_2233_4455n],
      ]);
      expect(register(guest, A1)).toBe(0x1122_3344_5566_7788n);
    });

    it("sees atomics as writes, and lets them happen", async () => {
      const seen: unknown[] = [];
      const guest = await paged(
        "addi a1, zero, 5\namoadd.d a0, a1, (s5)\nlr.d a2, (s5)\nsc.d a3, a1, (s5)\naddi t0, s5, 64\ncbo.zero (t0)",
        { memory: [{ address: DATA, length: 128, on: ["write"], ...log(seen) }] },
      );
      expect(seen).toEqual([
        ["write", 0, 8, undefined],
        ["write", 0, 8, undefined],
        ["write", 64, 64, undefined],
      ]);
      expect([register(guest, A0), register(guest, A2), register(guest, 13)]).toEqual([
        0x1122_3344_5566_7788n,
        0x1122_3344_5566_778dn,
        0n,
      ]);
      expect(guest.read64(DATA)).toBe(5n);
    });

    it("sees instructions of its range, compressed ones too", async () => {
      const seen: unknown[] = [];
      const guest = await paged(
        "addi t0, s5, 16\njalr ra, 0(t0)\naddi a1, zero, 3",
        { memory: [{ address: DATA + 20, length: 3, on: ["execute"], ...log(seen) }] },
        (prepared) => prepared.load(DATA + 16, "addi a0, zero, 5\nc.addi a0, 1\naddi a0, a0, 1\njalr zero, 0(ra)"),
      );
      expect(seen).toEqual([
        ["execute", 20, 2, undefined],
        ["execute", 22, 4, undefined],
      ]);
      expect([register(guest, A0), register(guest, A1)]).toEqual([7n, 3n]);
    });

    it("denies execution by an access fault", async () => {
      const guest = await paged(
        "addi t0, s5, 16\njalr zero, 0(t0)",
        { memory: [{ address: DATA + 16, length: 6, on: ["execute"], hook: () => "deny" }] },
        (prepared) => prepared.load(HANDLER, "j .+0"),
      );
      expect(["scause", "stval"].map((name) => guest.hart.getCsr(name))).toEqual([1n, BigInt(DATA + 16)]);
    });

    it("watches code that runs, and steps through it", async () => {
      const pcs: number[] = [];
      const guest = await paged(
        "addi a0, zero, 3\naddi a1, a1, 1\naddi a0, a0, -1\nbne a0, zero, .-8\naddi a2, zero, 9",
        {
          memory: [
            {
              address: PROGRAM + 12,
              length: 4,
              on: ["execute"],
              hook: ({ pc }) => void pcs.push(Number(pc) - PROGRAM),
            },
          ],
        },
      );
      expect(pcs).toEqual([12, 12, 12]);
      expect([register(guest, A1), register(guest, A2)]).toEqual([3n, 9n]);
    });

    it("lets one instruction be fetched from a page and read it", async () => {
      const seen: string[] = [];
      const guest = await paged("auipc t0, 0\nlw a0, 4(t0)", {
        memory: [
          { address: PROGRAM, length: 4096, on: ["read"], hook: ({ access }) => void seen.push(access) },
          { address: PROGRAM + 12, length: 4, on: ["execute"], hook: ({ access }) => void seen.push(access) },
        ],
      });
      expect(seen).toEqual(["execute", "read"]);
      expect(register(guest, A0)).toBe(0x42a503n);
    });
  });

  it("that throws ends the machine with its error", async () => {
    const guest = await guestWith(`${INCREMENT}ecall`, options);
    guest.machine.interpose({
      hypercall() {
        throw new Error("no more");
      },
    });
    guest.machine.start();
    await expect(guest.machine.exited).rejects.toThrow("no more");
  });

  it("may be a method of a class", async () => {
    const guest = await guestWith(`${INCREMENT}ecall`, options);
    class Counter {
      count = 0;
      hypercall(): void {
        this.count++;
      }
    }
    const counter = new Counter();
    guest.machine.interpose(counter);
    run(guest);
    expect(counter.count).toBe(1);
  });

  it("comes before those installed later, which see what it changed", async () => {
    const guest = await guestWith(`${INCREMENT}ecall`, options);
    guest.machine.interpose({ hypercall: () => ({ args: [1n] }) });
    guest.machine.interpose({ hypercall: ({ args }) => ({ args: [(args[0] ?? 0n) + 10n] }) });
    run(guest);
    expect(register(guest, A1)).toBe(12n);
  });
});

describe.each(CASES_DEPRIVILEGED)("under $technique, $engine, a hook", ({ options }) => {
  const LOOP = "addi a0, zero, 40\ncsrrw a1, sscratch, a0\naddi a0, a0, -1\nbne a0, zero, .-8";

  it("sees privileged instructions, also those that are rewritten elsewhere", async () => {
    const guest = await guestWith(LOOP, options);
    const seen: number[] = [];
    guest.machine.interpose({ privileged: ({ instruction }) => void seen.push(instruction >>> 20) });
    run(guest, LONG);
    expect(seen).toEqual([0x105, ...new Array(40).fill(0x140)]);
  });

  it("leaves rewriting on when it is removed", async () => {
    const guest = await guestWith(LOOP, options);
    guest.machine.interpose({ privileged: () => {} })();
    run(guest, LONG);
    expect((guest.machine.stats.assists.rewritten ?? 0) > 0).toBe(options.technique === "binary-translation");
  });

  it("denies a privileged instruction", async () => {
    const guest = await guestWith("csrrw a0, sscratch, a1", options);
    guest.machine.interpose({ privileged: ({ instruction }) => (instruction >>> 20 === 0x140 ? "deny" : undefined) });
    run(guest, 6);
    expect(guest.hart.getCsr("scause")).toBe(2n);
  });

  it("puts another instruction in its place", async () => {
    const guest = await guestWith("addi a1, zero, 7\ncsrrw a0, sscratch, a1", options);
    const sepc = (instruction: number) => (instruction & 0xfffff) | (0x141 << 20);
    guest.machine.interpose({
      privileged: ({ instruction }) => (instruction >>> 20 === 0x140 ? { instruction: sepc(instruction) } : undefined),
    });
    run(guest);
    expect([guest.hart.getCsr("sepc"), guest.hart.getCsr("sscratch")]).toEqual([6n, 0n]);
  });

  describe("of page tables", () => {
    /** Reads a page, maps it elsewhere, and reads again. */
    const PROGRAM_OF_IT =
      "csrrw zero, satp, s0\nld a0, 0(s5)\nld t0, 72(s7)\nsd t0, 64(s7)\nsfence.vma s5, zero\nld a1, 0(s5)";
    const remapping = async (hooks: Hooks) => {
      const guest = await guestWith(PROGRAM_OF_IT, options);
      guest.hart.setRegister(8, identitySpace(guest));
      guest.hart.setRegister(23, BigInt(lastTable()));
      for (const page of [8, 9]) guest.write64(lastTable() + page * 8, leaf(RAM + page * 4096, OPEN));
      guest.write64(DATA, 1n);
      guest.write64(DATA + 0x1000, 2n);
      guest.machine.interpose(hooks);
      run(guest);
      return guest;
    };

    it("sees entries change", async () => {
      const seen: unknown[] = [];
      const guest = await remapping({
        pageTableUpdate: ({ address, before, value }) => void seen.push([address, before >> 10n, value >> 10n]),
      });
      const page = BigInt(DATA / 4096);
      expect(seen).toEqual([[lastTable() + 64, page, page + 1n]]);
      expect(register(guest, A1)).toBe(2n);
    });

    it("keeps an entry as it was", async () => {
      const guest = await remapping({ pageTableUpdate: () => "ignore" });
      expect([register(guest, A1), register(guest, S11)]).toEqual([1n, 0n]);
    });

    it("makes an entry something else", async () => {
      const guest = await remapping({ pageTableUpdate: () => ({ value: 0n }) });
      expect([register(guest, S11), register(guest, S9), guest.read64(lastTable() + 64)]).toEqual([1n, 13n, 0n]);
    });

    it("denies an update by an access fault", async () => {
      const guest = await remapping({ pageTableUpdate: () => "deny" });
      expect([register(guest, S9), register(guest, S10)]).toEqual([7n, BigInt(lastTable() + 64)]);
      expect(register(guest, A1)).toBe(1n);
    });
  });
});

describe("hooks that a machine cannot have", () => {
  it("are those of privileged instructions and page tables under direct", async () => {
    const { machine } = await guestWith("", {});
    expect(() => machine.interpose({ privileged: () => {} })).toThrow(code("unsupported"));
    expect(() => machine.interpose({ pageTableUpdate: () => {} })).toThrow(code("unsupported"));
  });

  it("are those of hypercalls where there are none", async () => {
    const machine = await Machine.create({ memoryBytes: 1 << 20 });
    expect(() => machine.interpose({ hypercall: () => {} })).toThrow(code("unsupported"));
  });

  it("are those of memory that is not RAM, or of no bytes, or no accesses", async () => {
    const { machine } = await guestWith("", {});
    const watch = { address: RAM, length: 4, on: ["read"] as const, hook: () => {} };
    for (const wrong of [{ address: DEVICE }, { length: 0 }, { length: 2 ** 40 }, { on: [] }]) {
      expect(() => machine.interpose({ memory: [{ ...watch, ...wrong }] })).toThrow(code("invalid-argument"));
    }
  });
});
