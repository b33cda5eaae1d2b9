/** `hartvisor jit-dump`: what the translator would make of the code at an address of an ELF program. */
import { disassemble, elf, HartvisorError, isaOf } from "@hartvisor/core";
import { dumpRegion } from "@hartvisor/jit";
import { type Command, Option } from "commander";
import { readWhole } from "../host/node/whole-file.js";
import { type CodeRange, codeRanges } from "./code-ranges.js";

interface JitDumpFlags {
  readonly isa?: string;
  readonly misaligned: "hardware" | "trap";
  readonly block?: boolean;
}

const HELP = `
The region takes in all that can be reached by branches and direct jumps within the page of the address and those
beside it; a running machine leaves out what was never executed. Blocks are numbered in reverse postorder. In the
WebAssembly, locals have the names of guest registers, and each guest instruction stands above its code.

Example:
  hartvisor jit-dump program.elf main
  hartvisor jit-dump program.elf 0x80000040 --block`;

export function addJitDumpCommand(program: Command): void {
  program
    .command("jit-dump")
    .description("show what the translator makes of code in an ELF program")
    .argument("<file>", "an ELF64 executable for RISC-V")
    .argument("<address>", "where a region begins: an address, such as 0x80000000, or a symbol")
    .option("--isa <string>", "what the harts can do, as for run")
    .addOption(
      new Option("--misaligned <how>", "loads and stores at unaligned addresses, as for run")
        .choices(["hardware", "trap"])
        .default("hardware"),
    )
    .option("--block", "only the basic block at the address")
    .addHelpText("after", HELP)
    .action(jitDump);
}

async function jitDump(file: string, where: string, { isa, misaligned, block }: JitDumpFlags): Promise<void> {
  const harts = isaOf({ misaligned, ...(isa !== undefined && { isa }) });
  const bytes = await readWhole(file);
  const image = elf(bytes, { name: file });
  const address = addressOf(where, image.symbols(), file);
  const ranges = codeRanges(bytes, image, file);
  const read = (at: bigint) => halfword(ranges, at);
  if (read(address) === undefined) throw outside(address, ranges, file);
  const unit = harts.has("Zca") ? 2n : 4n;
  if (address % unit !== 0n) {
    throw refusal(`${hex(address)} is no multiple of ${unit}, where instructions begin; give one that is`);
  }
  const dump = dumpRegion({
    ...{ address, read, isa: harts },
    unit: block === true ? "block" : "region",
    trapsMisaligned: misaligned === "trap",
  });
  if (dump === undefined) {
    const word = (read(address) ?? 0) | ((read(address + 2n) ?? 0) << 16);
    const { text } = disassemble(word, address);
    throw refusal(`no region begins at ${hex(address)}: ${text} is left to the interpreter; give another address`);
  }
  process.stdout.write(dump.text);
}

function addressOf(where: string, symbols: ReadonlyMap<string, bigint>, file: string): bigint {
  const isNumber = /^(?:0x[0-9a-f]+|\d+)$/i.test(where);
  const address = isNumber ? BigInt(where) : symbols.get(where);
  if (address === undefined) {
    throw refusal(`${where}: neither an address nor a symbol of ${file}; give for example 0x80000000`);
  }
  return address;
}

function halfword(ranges: readonly CodeRange[], at: bigint): number | undefined {
  const range = ranges.find(({ address, bytes }) => at >= address && at + 1n < address + BigInt(bytes.length));
  if (range === undefined) return undefined;
  const index = Number(at - range.address);
  return (range.bytes[index] ?? 0) | ((range.bytes[index + 1] ?? 0) << 8);
}

function outside(address: bigint, ranges: readonly CodeRange[], file: string): HartvisorError {
  const code = ranges.map((range) => `${hex(range.address)}..${hex(range.address + BigInt(range.bytes.length))}`);
  return refusal(`${hex(address)} is no code of ${file}; give an address in ${code.join(", ")}`);
}

function refusal(message: string): HartvisorError {
  return new HartvisorError("invalid-argument", message);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
