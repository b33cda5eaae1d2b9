/** Functions of the host's: what the other figures are made of, and what a machine costs before it runs. */
import { readFile } from "node:fs/promises";
import { elf, Machine, SbiError } from "@hartvisor/core";
import { type Benchmark, defineBenchmark, type HostWork } from "../micro/definition.js";
import { nothingAt } from "../nothing-device.js";

const group = "Host";
const RAM = 0x8000_0000;
const DEVICE = 0x1000_0000;
const MIB = 2 ** 20;
const KERNEL = new URL("../guests/built/microkernel.elf", import.meta.url);

/** Steps one instruction of S-mode, always the same; its registers are given by number. */
async function stepping(instruction: number, registers: Readonly<Record<number, bigint>> = {}): Promise<HostWork> {
  const nothing = { id: 1, name: "NOTHING", call: () => ({ error: SbiError.Success }) };
  const machine = await Machine.create({ memoryBytes: MIB, hypercalls: [nothing] });
  machine.attach(nothingAt(DEVICE));
  machine.memory.write(RAM, new Uint8Array(Uint32Array.of(instruction).buffer));
  machine.enterSupervisor(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  if (hart === undefined) throw new Error("the machine has no hart");
  for (const [number, value] of Object.entries(registers)) hart.setRegister(Number(number), value);
  return {
    call: () => {
      hart.pc = BigInt(RAM);
      machine.step();
    },
    close: () => machine.destroy(),
  };
}

const hostBenchmark = (name: string, title: string, explanation: string, host: () => Promise<HostWork>): Benchmark =>
  defineBenchmark({ ...{ name, group, title, explanation }, guest: { host }, operations: 1 });

export const HOST_FUNCTIONS: readonly Benchmark[] = [
  hostBenchmark(
    "host-step",
    "Stepping an instruction",
    "From TypeScript into WebAssembly for a single instruction, and back: what is common to the steps below.",
    () => stepping(0x0000006f), // j .
  ),
  hostBenchmark(
    "host-device-read",
    "Stepping a read of a device's register",
    "As above, with an exit: the bus finds the device, which has nothing to do, and the instruction is completed.",
    () => stepping(0x00052583, { 10: BigInt(DEVICE) }), // lw a1, (a0)
  ),
  hostBenchmark(
    "host-hypercall",
    "Stepping a hypercall",
    "As above, with a hypercall to a module that answers at once; its arguments go over as 64-bit integers.",
    () => stepping(0x00000073, { 17: 1n }), // ecall
  ),
  hostBenchmark(
    "host-load-elf",
    "Reading an ELF file",
    "The measuring kernel's file is parsed and checked: headers, segments, symbols.",
    async () => {
      const image = await readFile(KERNEL);
      return { call: () => elf(image, { name: "microkernel.elf" }).symbols() };
    },
  ),
  hostBenchmark(
    "host-create-machine",
    "Making a machine, and ending it",
    "A machine of a MiB, without devices or code: a memory, its tables, and an instance of the interpreter, whose code V8 keeps.",
    async () => ({
      isAsync: true,
      call: async () => {
        const machine = await Machine.create({ memoryBytes: MIB });
        await machine.destroy();
      },
    }),
  ),
];
