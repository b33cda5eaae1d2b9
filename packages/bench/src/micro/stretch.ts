/** What happened on a machine between two moments. */
import type { MachineStats } from "hartvisor";

/** Counts by kind. */
export type Counts = Readonly<Record<string, number>>;

/** What was counted up to a moment. */
export interface Moment {
  /** Of the host's clock. */
  readonly ns: number;
  readonly instructions: number;
  readonly exits: Counts;
  readonly assists: Counts;
}

/** A stretch: what came about in it, and how many operations it was. */
export interface Stretch extends Moment {
  readonly operations: number;
}

const NS_PER_MS = 1e6;

/** Now, as the beginning of a stretch: the clock is read last. */
export function begin({ instructions, exits, assists }: MachineStats): Moment {
  return { instructions, exits, assists, ns: performance.now() * NS_PER_MS };
}

/** Ends a stretch. The clock is read first: `stats` takes time, too. */
export function end(from: Moment, stats: () => MachineStats, operations: number): Stretch {
  const ns = performance.now() * NS_PER_MS - from.ns;
  const { instructions, exits, assists } = stats();
  return {
    operations,
    ns,
    instructions: instructions - from.instructions,
    exits: difference(exits, from.exits),
    assists: difference(assists, from.assists),
  };
}

function difference(after: Counts, before: Counts): Counts {
  const counts: Record<string, number> = {};
  for (const [kind, count] of Object.entries(after)) {
    const more = count - (before[kind] ?? 0);
    if (more !== 0) counts[kind] = more;
  }
  return counts;
}
