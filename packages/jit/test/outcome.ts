/** Runs programs in assembly language that go on for ever, interpreted or translated, to compare how they end. */
import { createHash } from "node:crypto";
import { assemble } from "../../core/isa/assemble.js";
import { Machine } from "../../core/src/index.js";
import { type TranslatorOptions, translator } from "../src/index.js";

const RAM = 0x80000000;
const DATA = RAM + 0x10000;
const RAM_BYTES = 0x80000;

/**
 * Where a program is after so many instructions, how many were translated, and in how many modules; s0 is the address of data,
 * a0 is 0.
 */
export async function outcome(source: string, instructions: number, options?: TranslatorOptions) {
  await using machine = await Machine.create({
    memoryBytes: RAM_BYTES,
    clock: "virtual",
    limits: { instructions },
    ...(options && { translator: translator(options) }),
  });
  machine.memory.write(RAM, assemble(source));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  hart?.setRegister(10, 0n);
  hart?.setRegister(8, BigInt(DATA));
  machine.start();
  const reason = await machine.exited;
  const registers = Array.from({ length: 32 }, (_, n) => hart?.getRegister(n));
  const { executed = 0, modules = 0 } = machine.stats.jit ?? {};
  const memory = createHash("sha256")
    .update(machine.memory.read(RAM, RAM_BYTES) ?? "no memory")
    .digest("hex");
  return { executed, modules, end: { reason, registers, pc: hart?.pc, memory } };
}
