/** Hooks of a guest that knows its monitor. */
import { describe, expect, it } from "vitest";
import { translator } from "../../../jit/src/index.js";
import type { Hooks, MachineOptions } from "../../src/index.js";
import { code } from "./guest.js";
import { leaf } from "./page-tables.js";
import {
  AREA,
  Area,
  BATCH,
  Call,
  call,
  callable,
  calling,
  entryFor,
  HVP,
  LEAF,
  pinIdentity,
  setVcpu,
} from "./paravirtual-guest.js";
import { DATA, HANDLER, PROGRAM, type SupervisedGuest, USER } from "./supervised.js";

const ENGINES: readonly (readonly [string, Partial<MachineOptions>])[] = [
  ["interpreted", {}],
  ["translated", { translator: translator({ threshold: 1, sampleInterval: 1 }) }],
];
const DENIED = -4;

describe.each(ENGINES)("of a paravirtual guest, %s, a hook", (_, options) => {
  /** A guest that is about to enter user code. */
  async function running(user: string, hooks: Hooks): Promise<SupervisedGuest> {
    const guest = await callable(options);
    guest.load(USER, user);
    guest.load(HANDLER, "j .+0");
    setVcpu(guest, HANDLER);
    call(guest, Call.SetRoot, pinIdentity(guest));
    guest.write64(AREA + Area.epc, BigInt(USER));
    guest.load(PROGRAM, calling(Call.Return));
    guest.hart.pc = BigInt(PROGRAM);
    guest.machine.interpose(hooks);
    guest.machine.step(200);
    return guest;
  }
  const cause = (guest: SupervisedGuest) => guest.read64(AREA + Area.cause);

  it("sees system calls on their way to the kernel", async () => {
    const seen: unknown[] = [];
    const guest = await running("li a7, 64\necall", { syscall: ({ number, pc }) => void seen.push(number, pc) });
    expect(seen).toEqual([64n, BigInt(USER + 4)]);
    expect([guest.hart.pc, cause(guest)]).toEqual([BigInt(HANDLER), 8n]);
  });

  it("answers system calls", async () => {
    const guest = await running("ecall\naddi a1, a0, 1\nj .+0", { syscall: () => ({ result: 6n }) });
    expect([guest.hart.privilege, guest.hart.getRegister(11)]).toEqual(["user", 7n]);
  });

  it("denies access to memory", async () => {
    const guest = await running(`li a0, ${DATA}\nsd a0, 8(a0)\nj .+0`, {
      memory: [{ address: DATA + 8, length: 1, on: ["write"], hook: () => "deny" }],
    });
    expect([cause(guest), guest.read64(AREA + Area.value), guest.read64(DATA + 8)]).toEqual([7n, BigInt(DATA + 8), 0n]);
  });

  it("sees hypercalls that leave to the monitor", async () => {
    const guest = await callable(options);
    const seen: unknown[] = [];
    guest.machine.interpose({ hypercall: ({ extension, functionId }) => void seen.push(extension, functionId) });
    call(guest, Call.Version);
    expect(seen).toEqual([HVP, Call.Version]);
  });

  describe("of page-table updates", () => {
    const updating = async (hooks: Hooks) => {
      const guest = await callable(options);
      pinIdentity(guest);
      const [first, second] = [entryFor(DATA), entryFor(DATA + 0x1000)];
      guest.write64(BATCH, BigInt(first), leaf(DATA + 0x3000, LEAF), BigInt(second), 0n);
      guest.machine.interpose(hooks);
      const result = call(guest, Call.Update, 2, BATCH, 0);
      return { guest, result, first, second };
    };

    it("sees each entry of a batch", async () => {
      const seen: unknown[] = [];
      const { first, second } = await updating({
        pageTableUpdate: ({ address, before, value }) => void seen.push([address, before, value]),
      });
      expect(seen).toEqual([
        [first, leaf(DATA, LEAF), leaf(DATA + 0x3000, LEAF)],
        [second, leaf(DATA + 0x1000, LEAF), 0n],
      ]);
    });

    it("changes an entry, which is validated like the guest's own", async () => {
      const { result } = await updating({ pageTableUpdate: () => ({ value: leaf(0, LEAF) }) });
      expect(result).toEqual({ error: -5, value: 0n });
    });

    it("keeps an entry as it was", async () => {
      const { guest, first, result } = await updating({ pageTableUpdate: () => "ignore" });
      expect([result, guest.read64(first)]).toEqual([{ error: 0, value: 2n }, leaf(DATA, LEAF)]);
    });

    it("denies the rest of a batch", async () => {
      const { guest, first, second, result } = await updating({
        pageTableUpdate: ({ value }) => (value === 0n ? "deny" : undefined),
      });
      expect(result).toEqual({ error: DENIED, value: 1n });
      expect([guest.read64(first), guest.read64(second)]).toEqual([
        leaf(DATA + 0x3000, LEAF),
        leaf(DATA + 0x1000, LEAF),
      ]);
    });
  });

  it("of privileged instructions is refused, as there are none", async () => {
    const { machine } = await callable(options);
    expect(() => machine.interpose({ privileged: () => {} })).toThrow(code("unsupported"));
  });
});
