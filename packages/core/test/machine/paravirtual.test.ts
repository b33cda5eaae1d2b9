/** What a paravirtual guest is told, and what it asks: traps, returns, interrupts (docs/hypercalls.md). */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TechniqueName } from "../../src/index.js";
import { Cause, INTERRUPT, Status } from "./guest.js";
import { SCHEMES } from "./page-tables.js";
import {
  AREA,
  Area,
  Call,
  call,
  callable,
  calling,
  HVP,
  pageOf,
  paravirtual,
  pinIdentity,
  setVcpu,
} from "./paravirtual-guest.js";
import { DATA, HANDLER, PROGRAM, type SupervisedGuest, supervised, TABLES, USER } from "./supervised.js";

const word = (guest: SupervisedGuest, name: keyof typeof Area): bigint => guest.read64(AREA + Area[name]);
const setWord = (guest: SupervisedGuest, name: keyof typeof Area, value: bigint | number): void =>
  guest.write64(AREA + Area[name], BigInt(value));
const A0 = 10;
const SP = 2;
const KERNEL_SP = BigInt(DATA + 0x8000);

/** A guest whose traps end in its handler, which loops; its user code runs on a root of its own with `USER` and what lies behind. */
async function running(user: string): Promise<SupervisedGuest> {
  const guest = await callable();
  guest.load(USER, user);
  guest.load(HANDLER, "j .+0");
  setVcpu(guest, HANDLER);
  const kernelRoot = pinIdentity(guest);
  const userRoot = pinIdentity(guest, TABLES + 0x4000, SCHEMES[0], (address) => address === USER);
  expect(call(guest, Call.SetRoot, kernelRoot, userRoot)).toEqual({ error: 0, value: 0n });
  setWord(guest, "kernelSp", KERNEL_SP);
  setWord(guest, "epc", USER);
  setWord(guest, "status", 0);
  guest.load(PROGRAM, calling(Call.Return));
  guest.hart.pc = BigInt(PROGRAM);
  return guest;
}

describe("the version", () => {
  it("is one", async () => {
    expect(call(await callable(), Call.Version)).toEqual({ error: 0, value: 1n });
  });

  it.each<TechniqueName>(["direct", "trap-and-emulate", "binary-translation"])(
    "is unknown under %s",
    async (technique) => {
      const guest = await supervised(`${calling(Call.Version)}j .+0`, { technique });
      guest.machine.step(20);
      expect(BigInt.asIntN(64, guest.hart.getRegister(A0))).toBe(-2n);
    },
  );
});

describe("a return to user code", () => {
  it("goes on at epc with the registers of the area", async () => {
    const guest = await running("addi s1, sp, 1\nadd s2, a6, a7\nj .+0");
    setWord(guest, "sp", 40);
    setWord(guest, "a6", 5);
    setWord(guest, "a7", 7);
    guest.machine.step(10);
    expect(guest.hart.privilege).toBe("user");
    expect(guest.hart.getRegister(9)).toBe(41n);
    expect(guest.hart.getRegister(18)).toBe(12n);
  });

  it("needs no exit", async () => {
    const guest = await running("j .+0");
    const { hypercall } = guest.machine.stats.exits;
    guest.machine.step(10);
    expect(guest.machine.stats.exits.hypercall).toBe(hypercall);
  });

  it("keeps user code from the kernel's pages", async () => {
    const guest = await running(`li a0, ${DATA}\nld a1, 0(a0)\nj .+0`);
    guest.machine.step(10);
    expect([word(guest, "cause"), word(guest, "value")]).toEqual([Cause.LoadPageFault, BigInt(DATA)]);
    expect(guest.hart.pc).toBe(BigInt(HANDLER));
  });

  it("is refused before there is an area", async () => {
    const guest = await callable();
    expect(call(guest, Call.Return).error).toBe(-4);
    expect(guest.machine.stats.paravirtual?.refusedCalls).toBe(1);
  });
});

describe("a trap", () => {
  it("tells of a system call by the area, on the kernel's stack, with no exit", async () => {
    const guest = await running("li sp, 0x123\nli a7, 9\necall\nj .+0");
    const before = guest.machine.stats;
    guest.machine.step(12);
    expect(guest.hart.pc).toBe(BigInt(HANDLER));
    expect(guest.hart.privilege).toBe("supervisor");
    const names = ["cause", "epc", "value", "sp", "status"] as const;
    const values = [Cause.EcallFromUser, BigInt(USER + 8), 0n, 0x123n, 0n];
    expect(names.map((name) => word(guest, name))).toEqual(values);
    expect([SP, 17].map((register) => guest.hart.getRegister(register))).toEqual([KERNEL_SP, 9n]);
    const { exits, assists } = guest.machine.stats;
    expect(exits).toEqual({ ...before.exits, budget: exits.budget });
    expect(assists.reflected).toBe(1);
  });

  it("of the kernel's own leaves its stack", async () => {
    const guest = await callable();
    setVcpu(guest, HANDLER);
    guest.load(HANDLER, "j .+0");
    guest.load(PROGRAM, "li sp, 0x800\nebreak");
    setWord(guest, "status", Status.SIE);
    guest.machine.step(5);
    expect(guest.hart.pc).toBe(BigInt(HANDLER));
    expect([word(guest, "cause"), word(guest, "sp"), guest.hart.getRegister(SP)]).toEqual([3n, 0x800n, 0x800n]);
    expect(word(guest, "status")).toBe(Status.SPIE | Status.SPP);
  });

  it("is what a privileged instruction comes to", async () => {
    const guest = await callable();
    setVcpu(guest, HANDLER);
    guest.load(HANDLER, "j .+0");
    guest.load(PROGRAM, "csrrs a0, sstatus, zero");
    guest.machine.step(3);
    expect([word(guest, "cause"), word(guest, "value")]).toEqual([Cause.IllegalInstruction, 0x10002573n]);
  });

  it("is what an access that no device answers comes to", async () => {
    const guest = await callable();
    setVcpu(guest, HANDLER);
    guest.load(HANDLER, "j .+0");
    guest.load(PROGRAM, "li a0, 0x4000\nli sp, 64\nld a1, 0(a0)");
    guest.machine.step(6);
    expect([word(guest, "cause"), word(guest, "value"), word(guest, "sp")]).toEqual([5n, 0x4000n, 64n]);
  });

  it("returns to where it came from, in its mode", async () => {
    const guest = await running("li sp, 0x123\necall\naddi s1, s1, 1\nj .-8");
    // Behind the ecall, with the same stack pointer.
    const handler = `li t0, ${AREA}\nld t1, 0(t0)\naddi t1, t1, 4\nsd t1, 0(t0)\nsd a6, 64(t0)\nsd a7, 72(t0)\n${calling(Call.Return)}`;
    guest.load(HANDLER, handler);
    guest.machine.step(200);
    expect(guest.hart.getRegister(9)).toBeGreaterThan(3n);
    expect(guest.machine.stats.exits.exception).toBe(0);
  });

  it("ends the machine where the guest has told of no area", async () => {
    const guest = await paravirtual("ebreak");
    guest.machine.start();
    const reason = await guest.machine.exited;
    expect(reason).toEqual({ kind: "crash", message: expect.stringContaining("no area") });
  });

  it("whose entry cannot be fetched traps there again, and the machine still stops when told", async () => {
    const guest = await callable();
    setVcpu(guest, 0x1000);
    guest.load(PROGRAM, "ebreak");
    guest.machine.step(50);
    expect([word(guest, "cause"), word(guest, "epc")]).toEqual([Cause.FetchAccessFault, 0x1000n]);
    guest.machine.start();
    await guest.machine.pause();
    await guest.machine.destroy();
  });
});

describe("floating point", () => {
  it("is on as the area's status said when it was named, and dirty in the status of traps", async () => {
    const guest = await callable();
    setWord(guest, "status", 1n << 13n);
    setVcpu(guest, HANDLER);
    guest.load(HANDLER, "j .+0");
    guest.load(PROGRAM, "fcvt.d.l fa0, zero\nebreak");
    guest.machine.step(5);
    expect([word(guest, "cause"), word(guest, "status") & Status.FS]).toEqual([Cause.Breakpoint, Status.FS]);
  });
});

describe("interrupts", () => {
  /** A guest in its kernel, which loops, with a handler that loops. */
  async function waiting(status: bigint, enabled: bigint): Promise<SupervisedGuest> {
    const guest = await callable();
    guest.load(HANDLER, "j .+0");
    setVcpu(guest, HANDLER);
    setWord(guest, "status", status);
    setWord(guest, "enabled", enabled);
    return guest;
  }
  const TIMER = 1n << 5n;
  const now = ({ hart }: SupervisedGuest): bigint => hart.getCsr("time");

  it("come at the very instruction with which the timer is due", async () => {
    const guest = await waiting(Status.SIE, TIMER);
    call(guest, Call.SetTimer, now(guest) + 3n);
    const left = 30n - (guest.hart.getCsr("instret") % 10n);
    guest.machine.step(Number(left) - 1);
    expect(guest.hart.pc).toBe(BigInt(PROGRAM));
    guest.machine.step(2);
    expect([guest.hart.pc, word(guest, "cause")]).toEqual([BigInt(HANDLER), INTERRUPT | 5n]);
    expect(word(guest, "pending")).toBe(TIMER);
  });

  it("wait while the kernel has SIE clear, and show as pending", async () => {
    const guest = await waiting(0n, TIMER);
    call(guest, Call.SetTimer, 0n);
    guest.machine.step(5);
    expect([guest.hart.pc, word(guest, "pending")]).toEqual([BigInt(PROGRAM), TIMER]);
  });

  it("are taken by the call that has them considered, once the kernel has set SIE", async () => {
    const guest = await waiting(0n, TIMER);
    call(guest, Call.SetTimer, 0n);
    guest.machine.step(5);
    setWord(guest, "status", Status.SIE);
    guest.machine.step(5);
    expect(guest.hart.pc).toBe(BigInt(PROGRAM));
    guest.load(PROGRAM, `${calling(Call.Deliver)}j .+0`);
    guest.machine.step(5);
    expect([guest.hart.pc, word(guest, "epc")]).toEqual([BigInt(HANDLER), BigInt(PROGRAM + 16)]);
  });

  it("cease to be pending when the timer is set anew", async () => {
    const guest = await waiting(0n, TIMER);
    call(guest, Call.SetTimer, 0n);
    guest.machine.step(5);
    call(guest, Call.SetTimer, now(guest) + 1000n);
    guest.machine.step(1);
    expect(word(guest, "pending")).toBe(0n);
  });

  it("of software are taken once, and need not be cleared", async () => {
    const guest = await waiting(Status.SIE, 2n);
    guest.hart.setCsr("sip", 2n);
    guest.machine.step(3);
    expect([word(guest, "cause"), word(guest, "pending")]).toEqual([INTERRUPT | 1n, 0n]);
    setWord(guest, "status", Status.SIE);
    guest.load(HANDLER, `${calling(Call.Deliver)}j .+0`);
    guest.machine.step(10);
    expect(word(guest, "epc")).toBe(BigInt(PROGRAM));
  });

  it("come in user mode whatever SIE says", async () => {
    const guest = await running("j .+0");
    setWord(guest, "enabled", TIMER);
    guest.machine.step(10);
    guest.hart.setCsr("stimecmp", 0n);
    guest.machine.step(5);
    expect([guest.hart.pc, word(guest, "epc")]).toEqual([BigInt(HANDLER), BigInt(USER)]);
  });

  it("that are pending come at the return that lets them in", async () => {
    const guest = await running("j .+0");
    call(guest, Call.SetTimer, 0n);
    setWord(guest, "enabled", TIMER);
    guest.machine.step(10);
    expect([guest.hart.pc, word(guest, "epc")]).toEqual([BigInt(HANDLER), BigInt(USER)]);
  });
});

describe("roots", () => {
  it.each(SCHEMES)("may be of $scheme", async (scheme) => {
    const guest = await callable();
    const root = pinIdentity(guest, TABLES, scheme);
    guest.load(PROGRAM, `li s0, ${DATA}\nli a0, ${root}\nli a1, 0\n${calling(Call.SetRoot)}ld s1, 0(s0)\nj .+0`);
    guest.write64(DATA, 99n);
    guest.machine.step(40);
    expect(guest.hart.getRegister(9)).toBe(99n);
  });

  it("show to the host as satp, by the mode that the hart is in", async () => {
    const guest = await running("ecall");
    const kernelRoot = guest.hart.getCsr("satp");
    guest.machine.step(4);
    expect([guest.hart.privilege, guest.hart.getCsr("satp")]).toEqual(["user", (8n << 60n) | pageOf(TABLES + 0x4000)]);
    guest.machine.step(1);
    expect([guest.hart.privilege, guest.hart.getCsr("satp")]).toEqual(["supervisor", kernelRoot]);
  });

  it("change without an exit", async () => {
    const guest = await callable();
    const root = pinIdentity(guest);
    const { hypercall } = guest.machine.stats.exits;
    expect(call(guest, Call.SetRoot, root).error).toBe(0);
    expect(call(guest, Call.SetRoot, 0, 0).error).toBe(0);
    expect(guest.machine.stats.exits.hypercall).toBe(hypercall);
    expect(guest.machine.stats.assists.hypercall).toBeGreaterThan(1);
  });

  it.each([
    ["of no scheme", 7n << 60n, -3],
    ["with an address-space number", (8n << 60n) | (1n << 44n), -3],
    ["outside RAM", (8n << 60n) | 5n, -5],
    ["that is not pinned", (8n << 60n) | pageOf(DATA), -4],
  ])("%s are refused", async (_, root, error) => {
    const guest = await callable();
    const own = pinIdentity(guest);
    expect(call(guest, Call.SetRoot, root).error).toBe(error);
    expect(call(guest, Call.SetRoot, own, root).error).toBe(error);
    expect(guest.machine.stats.paravirtual?.refusedCalls).toBe(2);
  });

  it("pinned at another level than the scheme's highest are refused", async () => {
    const guest = await callable();
    pinIdentity(guest);
    expect(call(guest, Call.SetRoot, (9n << 60n) | pageOf(TABLES)).error).toBe(-4);
    expect(call(guest, Call.SetRoot, (8n << 60n) | pageOf(TABLES + 0x1000)).error).toBe(-4);
  });

  it("for user code alone are refused", async () => {
    const guest = await callable();
    expect(call(guest, Call.SetRoot, 0, pinIdentity(guest)).error).toBe(-3);
  });
});

describe("an area", () => {
  it.each([
    ["outside RAM", 0x1000, -5],
    ["at the end of all addresses", -128, -5],
    ["at zero", 0, -5],
    ["that is not aligned", AREA + 64, -3],
  ])("%s is refused", async (_, area, error) => {
    expect(call(await callable(), Call.SetVcpu, BigInt.asUintN(64, BigInt(area)), HANDLER).error).toBe(error);
  });

  it("in a pinned table is refused", async () => {
    const guest = await callable();
    pinIdentity(guest);
    expect(setVcpu(guest, HANDLER, TABLES).error).toBe(-4);
  });

  it("with a misaligned entry is refused", async () => {
    expect(setVcpu(await callable(), HANDLER + 2).error).toBe(-3);
  });

  it("is told anew to a hart that starts", async () => {
    const guest = await callable();
    setVcpu(guest, HANDLER);
    call(guest, Call.SetRoot, pinIdentity(guest));
    guest.machine.enterSupervisor(0, { address: BigInt(PROGRAM), opaque: 0n });
    expect(call(guest, Call.Return).error).toBe(-4);
    expect(call(guest, Call.Unpin, pageOf(TABLES)).error).toBe(0);
  });
});

it("unknown functions are not supported", async () => {
  const guest = await callable();
  expect(call(guest, 10).error).toBe(-2);
  expect(call(guest, -1).error).toBe(-2);
  expect(HVP).toBe(0x08485650);
});

describe("by the host's clock", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("a timer that falls due while another interrupt is admitted waits for the kernel", async () => {
    // Whenever anybody looks, it is a tick later.
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => {
      now += 0.0001;
      return now;
    });
    for (let delay = 0n; delay < 24n; delay++) {
      const guest = await paravirtual(`${calling(Call.SetVcpu)}sd s1, 24(s5)\n${calling(Call.Deliver)}j .-20`, {
        clock: "real",
      });
      const { hart, machine } = guest;
      const never = (1n << 64n) - 1n;
      guest.load(HANDLER, `li a0, ${never}\n${calling(Call.SetTimer)}${calling(Call.Return)}`);
      hart.setRegister(9, 2n);
      hart.setRegister(21, BigInt(AREA));
      guest.write64(AREA + Area.enabled, 0x22n);
      hart.setRegister(10, BigInt(AREA));
      hart.setRegister(11, BigInt(HANDLER));
      machine.step(4);
      hart.setCsr("sip", 2n);
      hart.setCsr("stimecmp", hart.getCsr("time") + delay);
      machine.step(3000);
      expect(hart.privilege, `delay ${delay}`).toBe("supervisor");
      expect(hart.pc - BigInt(PROGRAM), `delay ${delay}`).toBeLessThan(0x3000n);
    }
  });
});
