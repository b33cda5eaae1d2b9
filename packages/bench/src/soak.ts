/**
 * The soak: a guest that writes and rewrites its code for minutes, under the
 * translator with a low threshold, and what memory the process then takes. The
 * guest checks its results itself. Needs `node --expose-gc`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { bareMetal, Machine } from "hartvisor";

const WARM_UP_MINUTES = 2;
const LEAST_MINUTES = WARM_UP_MINUTES + 3;
const SAMPLE_MS = 5000;
const THRESHOLD = 2;
const MOST_MIB_PER_MINUTE = 1;
const MIB = 2 ** 20;

interface Sample {
  readonly minutes: number;
  readonly mib: number;
}

/** The least of each whole minute: dead modules come to some tens of MiB before the table is made anew, and the host frees them when it likes. */
function leastOfMinutes(samples: readonly Sample[]): readonly Sample[] {
  const least = new Map<number, Sample>();
  for (const sample of samples) {
    const minute = Math.floor(sample.minutes);
    if (minute >= Math.floor(minutes)) continue;
    const known = least.get(minute);
    if (known === undefined || sample.mib < known.mib) least.set(minute, sample);
  }
  return [...least.values()];
}

/** The slope of the straight line through samples by least squares. */
function growthPerMinute(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(samples.map(({ minutes }) => minutes)), mean(samples.map(({ mib }) => mib))];
  const covariance = mean(samples.map(({ minutes, mib }) => (minutes - x) * (mib - y)));
  return covariance / mean(samples.map(({ minutes }) => (minutes - x) ** 2));
}

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const minutes = Number(values.minutes);
if (!(minutes >= LEAST_MINUTES)) {
  console.error(
    `soak: --minutes ${values.minutes}: give ${LEAST_MINUTES} or more, of which ${WARM_UP_MINUTES} are the warm-up`,
  );
  process.exit(2);
}
const { gc } = globalThis;
if (gc === undefined) {
  console.error("soak: run it by node --expose-gc, or npm run soak");
  process.exit(2);
}

// glibc keeps what an arena once held, by default in one arena for each thread: a burst of modules at any minute of a run
// would count as growth. With one arena, and limits that do not move, it gives back what is free.
const ALLOCATOR = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072", MALLOC_MMAP_THRESHOLD_: "131072" };
// V8 in Node 24 lets its young generation grow to 128 MiB, over minutes, and keeps the pages when it is empty. Node 20 has it at
// these 16 MiB by default.
const YOUNG_GENERATION = "--max-semi-space-size=16";
if (process.env.MALLOC_ARENA_MAX === undefined) {
  const args = [YOUNG_GENERATION, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync(process.execPath, args, { env: { ...process.env, ...ALLOCATOR }, stdio: "inherit" });
  process.exit(status ?? 1);
}

const image = readFileSync(new URL("../guests/built/churn.elf", import.meta.url));
await using machine = await Machine.create({
  boot: bareMetal({ image }),
  memory: "16MiB",
  translator: { threshold: THRESHOLD, sampleInterval: 100, retryMs: 0 },
});
const begin = performance.now();
const samples: Sample[] = [];
const timer = setInterval(() => {
  const elapsed = (performance.now() - begin) / 60_000;
  // The host's allocator keeps what dead modules once took: while warming up, they pile up as they do without us.
  if (elapsed >= WARM_UP_MINUTES) gc();
  const mib = process.memoryUsage.rss() / MIB;
  if (elapsed >= WARM_UP_MINUTES) samples.push({ minutes: elapsed, mib });
  const { regions, installed, invalidations } = machine.stats.jit ?? {};
  console.log(
    `${elapsed.toFixed(1)} min, ${mib.toFixed(0)} MiB, ${regions} regions made, ${installed} in place, ${invalidations} given up`,
  );
  if (elapsed >= minutes) void machine.pause().then(() => end(undefined));
}, SAMPLE_MS);

function end(reason: unknown): void {
  clearInterval(timer);
  if (reason !== undefined) {
    console.error(`soak: the guest ended: ${JSON.stringify(reason)}`);
    process.exit(1);
  }
  const growth = growthPerMinute(leastOfMinutes(samples));
  console.log(`growth ${growth.toFixed(2)} MiB a minute after the warm-up, at most ${MOST_MIB_PER_MINUTE}`);
  process.exit(growth <= MOST_MIB_PER_MINUTE ? 0 : 1);
}

machine.start();
end(await machine.exited);
