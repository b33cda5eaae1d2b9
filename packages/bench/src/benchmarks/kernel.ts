/** What the measuring kernel's benchmarks have in common: guests/microkernel, one ELF file for all of them. */
import { type Benchmark, type BenchmarkDefinition, defineBenchmark } from "../micro/definition.js";

const elf = new URL("../guests/built/microkernel.elf", import.meta.url);

/** A benchmark of the kernel's; what the kernel is told is its name, unless `guest` says otherwise. */
export function kernelBenchmark(
  definition: Omit<BenchmarkDefinition, "guest"> & {
    readonly guest?: { name?: string; arguments?: readonly (string | number)[] };
  },
): Benchmark {
  return defineBenchmark({ ...definition, guest: { ...definition.guest, elf } });
}
