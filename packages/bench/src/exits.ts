/** The cost of leaving WebAssembly for the monitor and of going on behind the exit. */
import { Machine } from "@hartvisor/core";
import Benchmark from "benchmark";
import { nothingAt } from "./nothing-device.js";

export interface ExitCost {
  readonly name: string;
  readonly ns: number;
}

const RAM = 0x80000000;
const DEVICE = 0x10000000;

/** Measures single steps of an instruction that stays inside, and of one that reads a device. */
export async function measureExits(): Promise<ExitCost[]> {
  await using machine = await Machine.create({ memoryBytes: 2 ** 20 });
  machine.attach(nothingAt(DEVICE));
  machine.memory.write(RAM, new Uint8Array(Uint32Array.of(0x0000006f).buffer)); // j .
  machine.memory.write(RAM + 16, new Uint8Array(Uint32Array.of(0x00052583, 0xffdff06f).buffer)); // lw a1, (a0); j .-4
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const hart = machine.harts[0];
  if (hart === undefined) throw new Error("the machine has no hart");
  hart.setRegister(10, BigInt(DEVICE));

  const costs: ExitCost[] = [];
  const measure = (name: string, pc: number) => {
    const suite = new Benchmark(name, () => {
      hart.pc = BigInt(pc);
      machine.step();
    });
    suite.run();
    costs.push({ name, ns: suite.stats.mean * 1e9 });
  };
  measure("step an instruction", RAM);
  measure("step a device read", RAM + 16);
  return costs;
}
