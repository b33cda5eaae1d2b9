import { describe, expect, it } from "vitest";
import { type Machine as AnyMachine, Machine, supervisor } from "../src/index.js";
import { finisher, tinyElf } from "./tiny-elf.js";

const MEMORY = 2 ** 20;
const RAM = 0x80000000;

function create(code: readonly number[], options: { address?: number; harts?: number } = {}): Promise<AnyMachine> {
  const { address = RAM, harts = 1 } = options;
  return Machine.create({ boot: supervisor({ image: tinyElf({ code, address }) }), memory: MEMORY, harts });
}

describe("supervisor", () => {
  it("starts hart 0 in S-mode at the entry, with its number and the device tree, translation off", async () => {
    await using vm = await create([0x0000006f], { address: RAM + 0x1000, harts: 2 });
    const [hart] = vm.harts;
    expect([hart?.privilege, hart?.pc, hart?.getRegister(10), hart?.getCsr("satp")]).toEqual([
      ...["supervisor", BigInt(RAM + 0x1000), 0n, 0n],
    ]);
    const tree = vm.memory.read(Number(hart?.getRegister(11)), 4);
    expect([...(tree ?? [])]).toEqual([0xd0, 0x0d, 0xfe, 0xed]); // Devicetree Specification 0.4, 5.2
    expect(vm.step(1, 1)).toBe(false);
  });

  it("answers SBI calls", async () => {
    const call = [0x01000893, 0x00000813, 0x00000073]; // li a7, 16; li a6, 0; ecall: get_spec_version
    await using vm = await create([...call, 0x0000006f]);
    vm.step(4);
    expect(vm.harts[0]?.getRegister(11)).toBe(0x0200_0000n);
  });

  it("runs to the end that the guest wants", async () => {
    await using vm = await create(finisher(0x00073333));
    vm.start();
    expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 7 });
  });

  it("refuses a kernel that reaches into the room of the device tree", async () => {
    await expect(create([0x6f], { address: RAM + MEMORY - 4096 })).rejects.toThrow(
      /leaves no room for the device tree/,
    );
  });

  it("refuses what is no ELF file, by its name", () => {
    expect(() => supervisor({ image: new Uint8Array(99), name: "mine" })).toThrow("mine: not an ELF file");
  });
});
