import { describe, expect, it } from "vitest";
import type { Sample } from "./guest-session.js";
import type { GuestProgram } from "./programs.js";
import type { Attempt, Measurements } from "./rounds.js";
import { summarise } from "./summary.js";

const PROGRAMS: readonly GuestProgram[] = [
  { name: "sort", group: "integer", command: "./sort" },
  { name: "hash", group: "integer", command: "./hash" },
];

function sample(wallMs: number, result = "0"): Sample {
  const cpu = { userMs: 2 * wallMs, systemMs: wallMs, totalMs: 3 * wallMs, waitMs: wallMs / 4 };
  return { wallMs, hostMs: wallMs, cpu, whole: { wallMs: 2 * wallMs, cpu }, result };
}

function attempts(emulator: string, ...times: (number | string)[]): Attempt<Sample>[] {
  return times.map((time, round) => ({
    ...{ emulator, round },
    outcome: typeof time === "string" ? { error: time } : sample(time),
  }));
}

function measured(sort: Attempt<Sample>[], hash: Attempt<Sample>[] = []): Measurements {
  return { boots: [], programs: new Map(Object.entries({ sort, hash })) };
}

describe("summarise", () => {
  it("divides the peer's time by ours in each round, and takes median and quartiles", () => {
    const all = [...attempts("ours", 10, 20, 40), ...attempts("peer", 40, 40, 40)];
    const { programs } = summarise(measured(all), PROGRAMS, "ours", "peer");
    expect(programs).toHaveLength(1);
    expect(programs[0]).toMatchObject({ name: "sort", oursMs: 20, peerMs: 40 });
    expect(programs[0]?.wall).toEqual({ median: 2, lowerQuartile: 1.5, upperQuartile: 3 });
  });

  it("takes the geometric mean of a group", () => {
    const sort = [...attempts("ours", 10), ...attempts("peer", 20)];
    const hash = [...attempts("ours", 10), ...attempts("peer", 80)];
    const { groups } = summarise(measured(sort, hash), PROGRAMS, "ours", "peer");
    expect(groups.map(({ group }) => group)).toEqual(["integer", "all programs"]);
    expect(groups[0]?.wall.median).toBeCloseTo(4);
    expect(groups[0]?.cpu.median).toBeCloseTo(4);
  });

  it("tells of real programs' results that differ", () => {
    const all = [
      { emulator: "ours", round: 0, outcome: sample(10, "cafe") },
      { emulator: "peer", round: 0, outcome: sample(10, "beef") },
    ];
    const programs: GuestProgram[] = [{ name: "gzip", group: "real programs", command: "gzip" }];
    const { failures } = summarise({ boots: [], programs: new Map([["gzip", all]]) }, programs, "ours", "peer");
    expect(failures).toEqual(["gzip: results differ: cafe, beef"]);
  });

  it("says how much of the time an emulator waited for a CPU", () => {
    const all = [...attempts("ours", 10, 30), ...attempts("peer", 20, "crash")];
    expect(summarise(measured(all), PROGRAMS, "ours", "peer").waited).toEqual({ ours: 0.25, peer: 0.25 });
  });

  it("leaves other peers out", () => {
    const all = [...attempts("ours", 10), ...attempts("peer", 20), ...attempts("other", "no @ready")];
    expect(summarise(measured(all), PROGRAMS, "ours", "peer").failures).toEqual([]);
  });

  it("leaves out a round in which one of the two failed, and says so", () => {
    const all = [...attempts("ours", 10, "no @ready", 10), ...attempts("peer", 20, 90, 20)];
    const { programs, failures } = summarise(measured(all), PROGRAMS, "ours", "peer");
    expect(programs[0]?.wall.median).toBe(2);
    expect(failures).toEqual(["sort in ours, round 2: no @ready"]);
  });
});
