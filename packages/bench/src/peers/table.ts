/** The summary as text for a terminal. */
import type { ProgramSummary, Speed, Summary } from "./summary.js";

const NAME_WIDTH = 16;
const TIME_WIDTH = 11;
const SPEED_WIDTH = 19;
/** Share of its time that a process waits for a CPU on a host with other work. */
const BUSY = 0.05;

/** Draws the table. `ours` and `peer` are the emulators' names. */
export function drawTable({ programs, groups, waited, failures }: Summary, ours: string, peer: string): string {
  const lines = [
    `Speed is ${peer}'s time over ${ours}'s: above 1, ${ours} is faster. Medians, and quartiles of the rounds.`,
    "",
    row("", `${ours} ms`, `${peer} ms`, "speed, wall", "speed, CPU", "CPU from start"),
  ];
  for (const { group, ...means } of groups) {
    lines.push("", group);
    for (const program of programs.filter((each) => each.group === group)) lines.push(programRow(program));
    lines.push(row("  geometric mean", "", "", speed(means.wall), speed(means.cpu), speed(means.wholeCpu)));
  }
  if (Math.max(waited.ours, waited.peer) > BUSY) {
    const share = (value: number) => `${Math.round(value * 100)} %`;
    const shares = `${ours} waited for a CPU ${share(waited.ours)} of its time, ${peer} ${share(waited.peer)}`;
    lines.push("", `The host was busy: ${shares}. Trust the CPU columns.`);
  }
  if (failures.length > 0) lines.push("", "failed:", ...failures.map((failure) => `  ${failure}`));
  return lines.join("\n");
}

function programRow({ name, oursMs, peerMs, wall, cpu, wholeCpu }: ProgramSummary): string {
  return row(`  ${name}`, oursMs.toFixed(1), peerMs.toFixed(1), speed(wall), speed(cpu), speed(wholeCpu));
}

function row(name: string, ours: string, peer: string, ...speeds: string[]): string {
  const columns = [
    ours.padStart(TIME_WIDTH + 2),
    peer.padStart(TIME_WIDTH),
    ...speeds.map((each) => each.padStart(SPEED_WIDTH)),
  ];
  return (name.padEnd(NAME_WIDTH) + columns.join("")).trimEnd();
}

function speed({ median, lowerQuartile, upperQuartile }: Speed): string {
  const middle = median.toFixed(2);
  // One round has no spread.
  return lowerQuartile === upperQuartile
    ? middle
    : `${middle} (${lowerQuartile.toFixed(2)}-${upperQuartile.toFixed(2)})`;
}
