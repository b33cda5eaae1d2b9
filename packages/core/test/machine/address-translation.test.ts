import { describe, expect, it } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { type AddressTranslation, Machine, type TranslationRequest } from "../../src/index.js";

const RAM = 0x80000000n;

/** A machine in S-mode at a virtual address that only the module gives a meaning. */
async function supervisorAt(pc: bigint, program: string, translation: AddressTranslation): Promise<Machine> {
  const machine = await Machine.create({ memoryBytes: 2 ** 16, clock: "virtual", translation });
  machine.memory.write(RAM, assemble(program));
  machine.enterSupervisor(0, { address: pc, opaque: 0n });
  return machine;
}

describe("a translation module of the host's", () => {
  const shifted: AddressTranslation = {
    translate: ({ address }) => (address < 2n ** 16n ? { physical: address + RAM } : "page-fault"),
  };

  it("says where instructions and data lie", async () => {
    const machine = await supervisorAt(0n, "li a0, 0x800\nli a1, 42\nsd a1, 0(a0)\nld a2, 0(a0)", shifted);
    machine.step(4 + 1); // li of 0x800 takes two
    expect(machine.harts[0]?.getRegister(12)).toBe(42n);
    expect(machine.memory.read(RAM + 0x800n, 1)).toEqual(Uint8Array.of(42));
  });

  it("is asked once for a page, and again after a fence", async () => {
    const asked: TranslationRequest[] = [];
    const translation: AddressTranslation = {
      translate(request) {
        asked.push(request);
        return shifted.translate(request);
      },
    };
    const machine = await supervisorAt(
      0n,
      "ld a1, 0x700(zero)\nld a1, 0x708(zero)\nsfence.vma zero, zero\nld a1, 0x700(zero)",
      translation,
    );
    machine.step(4);
    const accesses = asked.map(({ access, privilege }) => `${access} ${privilege}`);
    expect(accesses).toEqual(["execute supervisor", "read supervisor", "execute supervisor", "read supervisor"]);
  });

  it("makes the guest fault where it says so", async () => {
    const machine = await supervisorAt(0n, "lui a0, 0x100\nld a1, 0(a0)", shifted);
    machine.step(2);
    expect(machine.harts[0]?.getCsr("scause")).toBe(13n);
    expect(machine.harts[0]?.getCsr("stval")).toBe(0x100000n);
  });

  it("ends the machine with its own error when it throws", async () => {
    const bug = new Error("module broke");
    const machine = await supervisorAt(0n, "nop", {
      translate() {
        throw bug;
      },
    });
    machine.start();
    await expect(machine.exited).rejects.toBe(bug);
    await machine.destroy();
  });
});
