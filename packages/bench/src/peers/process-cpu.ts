/** The CPU time of another process, all its threads together, as Linux counts it. */
import { readFileSync } from "node:fs";

export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
}

/** USER_HZ, the unit of the file, is 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

/** Reads /proc/PID/stat (proc_pid_stat(5)): fields 14 and 15, counted behind the name in brackets, which is field 2. */
export function processCpu(pid: number): CpuTime {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

/** The times in a line of /proc/PID/stat. */
export function parseStat(line: string): CpuTime {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { userMs: Number(fields[11]) * MS_PER_TICK, systemMs: Number(fields[12]) * MS_PER_TICK };
}
