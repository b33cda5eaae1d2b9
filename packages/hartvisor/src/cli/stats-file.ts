/**
 * What `--stats` writes. Counts are sums over the machines of a run, which are several where the guest reboots;
 * memory is that of the last one. MIPS are counted instructions over CPU time, user and system, of all threads.
 */
import type { JitStats, MachineStats } from "@hartvisor/core";

/** The content of the file. Times are counted from the first start of the machine. */
export interface RunStats extends MachineStats {
  readonly wallMs: number;
  readonly userCpuMs: number;
  readonly systemCpuMs: number;
  /** Million instructions per second of CPU time. */
  readonly mips: number;
}

const MICROSECONDS_PER_MS = 1000;

/** Measures a run, from its construction on. */
export class RunMeter {
  readonly #wallStart = performance.now();
  readonly #cpuStart = process.cpuUsage();
  #sum: MachineStats | undefined;

  /** Adds the figures of a machine that has exited. */
  add(stats: MachineStats): void {
    const sum = this.#sum;
    this.#sum =
      sum === undefined
        ? stats
        : {
            instructions: sum.instructions + stats.instructions,
            exits: addCounts(sum.exits, stats.exits),
            assists: addCounts(sum.assists, stats.assists),
            ...addJit(sum.jit, stats.jit),
            memory: stats.memory,
          };
  }

  get instructions(): number {
    return this.#sum?.instructions ?? 0;
  }

  /** The figures up to now. */
  report(): RunStats {
    const { user, system } = process.cpuUsage(this.#cpuStart);
    const {
      instructions,
      exits = {},
      assists = {},
      jit,
      memory = NO_MEMORY,
    } = { ...this.#sum, instructions: this.instructions };
    return {
      instructions,
      wallMs: performance.now() - this.#wallStart,
      userCpuMs: user / MICROSECONDS_PER_MS,
      systemCpuMs: system / MICROSECONDS_PER_MS,
      mips: instructions / Math.max(user + system, 1),
      exits,
      assists,
      ...(jit !== undefined && { jit }),
      memory,
    };
  }
}

const NO_MEMORY: MachineStats["memory"] = { guestBytes: 0, framesInUse: 0, reservedBytes: 0 };

/** What is in place belongs to the last machine alone. */
function addJit(a: JitStats | undefined, b: JitStats | undefined): { readonly jit?: JitStats } {
  if (a === undefined || b === undefined) return {};
  return { jit: { ...(addCounts({ ...a }, { ...b }) as unknown as JitStats), installed: b.installed } };
}

function addCounts(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
