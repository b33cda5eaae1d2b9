import { describe, expect, it } from "vitest";
import { describeOnLinux } from "../../../hartvisor/test/describe-where.js";
import { parseStat, processCpu } from "./process-cpu.js";

describe("parseStat", () => {
  it("reads the times behind a name with brackets and blanks", () => {
    const line = "4321 (a (b) c) S 1 4321 4321 0 -1 4194304 100 0 0 0 123 45 6 7 20 0 11 0 987654 1 2";
    expect(parseStat(line)).toEqual({ userMs: 1230, systemMs: 450 });
  });
});

describeOnLinux("processCpu", () => {
  it("agrees with what this process knows of itself, to the file's resolution", () => {
    const { user, system } = process.cpuUsage();
    const { userMs, systemMs, totalMs } = processCpu(process.pid);
    expect(Math.abs(userMs + systemMs - (user + system) / 1000)).toBeLessThan(100);
    expect(Math.abs(totalMs - (user + system) / 1000)).toBeLessThan(100);
  });
});
