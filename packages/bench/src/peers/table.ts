/** The summary as text for a terminal. */
import type { ProgramSummary, Speed, Summary } from "./summary.js";

const NAME_WIDTH = 16;
const TIME_WIDTH = 11;
const SPEED_WIDTH = 19;

/** Draws the table. `ours` and `peer` are the emulators' names. */
export function drawTable({ programs, groups, failures }: Summary, ours: string, peer: string): string {
  const lines = [
    `Speed is ${peer}'s time over ${ours}'s: above 1, ${ours} is faster. Medians; quartiles of the rounds in brackets.`,
    "",
    row("", `${ours} ms`, `${peer} ms`, "speed, wall", "speed, CPU", "CPU from start"),
  ];
  for (const { group, ...means } of groups) {
    lines.push("", group);
    for (const program of programs.filter((each) => each.group === group)) lines.push(programRow(program));
    lines.push(row("  geometric mean", "", "", speed(means.wall), speed(means.cpu), speed(means.wholeCpu)));
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
  return `${median.toFixed(2)} (${lowerQuartile.toFixed(2)}-${upperQuartile.toFixed(2)})`;
}
