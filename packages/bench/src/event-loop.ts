/** How long a machine keeps its host's event loop from turning. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { bareMetal, Machine } from "hartvisor";

export interface EventLoopReport {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const DURATION_MS = 5000;

/** Runs a guest that never rests, and watches how late the host's timers are. */
export async function measureEventLoop(spinningProgram: Uint8Array): Promise<EventLoopReport> {
  const boot = bareMetal({ image: spinningProgram });
  await using machine = await Machine.create({ boot, memory: "16MiB", limits: { wallTimeMs: DURATION_MS } });
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  machine.start();
  histogram.enable();
  await machine.exited;
  histogram.disable();
  const ms = (ns: number) => ns / 1e6;
  return { p50Ms: ms(histogram.percentile(50)), p99Ms: ms(histogram.percentile(99)), maxMs: ms(histogram.max) };
}
