/** What the owner of a machine in a worker can ask of it. Arguments and results are cloned between the threads. */
import type { Hart } from "@hartvisor/core";
import type { AssembledMachine } from "../assemble.js";

/** What is left when a machine is destroyed: its worker goes with it. */
export interface Remains {
  readonly output: readonly Uint8Array[];
  readonly stats: AssembledMachine["core"]["stats"];
}

/** The functions by name; they throw what the machine throws. */
export type MachineCalls = ReturnType<typeof machineCalls>;

/** `release` gives back what the machine's devices hold of the host. */
export function machineCalls({ core, console }: AssembledMachine, release: () => Promise<void>) {
  const output = console.output.getReader();
  const input = console.input.getWriter();
  const hartOf = (index: number): Hart => core.harts[index] as Hart; // the owner has objects for those that there are

  return {
    start: () => core.start(),
    pause: () => core.pause(),
    step: (instructions: number, hart: number) => core.step(instructions, hart),
    addBreakpoint: (address: bigint) => core.addBreakpoint(address),
    removeBreakpoint: (address: bigint) => core.removeBreakpoint(address),
    stats: () => core.stats,
    readMemory: (address: number | bigint, length: number) => core.memory.read(address, length),
    writeMemory: (address: number | bigint, bytes: Uint8Array) => core.memory.write(address, bytes),
    pc: (hart: number) => hartOf(hart).pc,
    privilege: (hart: number) => hartOf(hart).privilege,
    executedInstructions: (hart: number) => hartOf(hart).executedInstructions,
    getRegister: (hart: number, register: number) => hartOf(hart).getRegister(register),
    setRegister: (hart: number, register: number, value: bigint) => hartOf(hart).setRegister(register, value),
    getFloatRegister: (hart: number, register: number) => hartOf(hart).getFloatRegister(register),
    setFloatRegister: (hart: number, register: number, value: bigint) => hartOf(hart).setFloatRegister(register, value),
    getCsr: (hart: number, csr: string | number) => hartOf(hart).getCsr(csr),
    setCsr: (hart: number, csr: string | number, value: bigint) => hartOf(hart).setCsr(csr, value),
    /** The next piece of output; undefined at its end. */
    readOutput: async () => (await output.read()).value,
    cancelOutput: () => output.cancel(),
    writeInput: (bytes: Uint8Array) => input.write(bytes),
    destroy: async (): Promise<Remains> => {
      await core.destroy();
      await release();
      const rest: Uint8Array[] = [];
      for (let next = await output.read(); !next.done; next = await output.read()) rest.push(next.value);
      return { output: rest, stats: core.stats };
    },
  };
}
