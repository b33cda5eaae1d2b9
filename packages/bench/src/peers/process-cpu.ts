/** The CPU time of another process, all its threads together, as Linux counts it. */
import { readdirSync, readFileSync } from "node:fs";

export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
  /** Both together, in the resolution of nanoseconds where the kernel has it. */
  readonly totalMs: number;
  /** How long the thread that works most waited for a CPU, because others had them all. */
  readonly waitMs: number;
}

/** USER_HZ, the unit of the file, is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/**
 * Reads /proc/PID/stat, whose unit is 10 ms, and the threads' schedstat, whose unit is a nanosecond. A thread that
 * has ended is in the first alone; those of Node and QEMU that work stay.
 */
export function processCpu(pid: number): CpuTime {
  const { userMs, systemMs } = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  const { runMs, waitMs } = threadTimes(pid);
  return { userMs, systemMs, totalMs: runMs || userMs + systemMs, waitMs };
}

/** Fields 14 and 15 of proc_pid_stat(5), counted behind the name in brackets, which is field 2. */
export function parseStat(line: string): Pick<CpuTime, "userMs" | "systemMs"> {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { userMs: Number(fields[11]) * MS_PER_TICK, systemMs: Number(fields[12]) * MS_PER_TICK };
}

/** What of the time from one reading to a later one belongs to the stretch between them. */
export function cpuBetween(from: CpuTime, to: CpuTime): CpuTime {
  return {
    userMs: to.userMs - from.userMs,
    systemMs: to.systemMs - from.systemMs,
    totalMs: to.totalMs - from.totalMs,
    waitMs: to.waitMs - from.waitMs,
  };
}

/**
 * The first two fields of schedstat, "time spent on the cpu" and "time spent waiting on a runqueue"
 * (Documentation/scheduler/sched-stats.rst): the sum of all threads' first, and the busiest one's second; 0 where there are none.
 */
function threadTimes(pid: number): { readonly runMs: number; readonly waitMs: number } {
  let runNs = 0;
  let busiest = { runNs: 0, waitNs: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const fields = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ");
      const times = { runNs: Number(fields[0]), waitNs: Number(fields[1]) };
      runNs += times.runNs;
      if (times.runNs > busiest.runNs) busiest = times;
    } catch {
      // It ended meanwhile, or the kernel was built without these figures.
    }
  }
  return { runMs: runNs / 1e6, waitMs: busiest.waitNs / 1e6 };
}
