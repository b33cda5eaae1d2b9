import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { describeOnlineOnAmd64 } from "../../hartvisor/test/describe-where.js";

const BENCH = fileURLToPath(new URL("../dist/peers.js", import.meta.url));

describeOnlineOnAmd64("bench:peers", () => {
  const folder = mkdtempSync(join(tmpdir(), "hartvisor-peers-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("runs a kernel and a program of Debian's in both, and writes table and samples", () => {
    const json = join(folder, "peers.json");
    const args = ["--engine", "interpreter", "--rounds", "1", "--filter", "getppid,lua", "--json", json];
    const { status, stdout } = spawnSync(process.execPath, [BENCH, ...args], { encoding: "utf8" });
    expect(stdout).toMatch(/^ {2}getppid( +[\d.]+){5}$/m);
    expect(stdout).toMatch(/^ {2}lua +[\d.]+ /m);
    expect(status).toBe(0);
    const { samples, summaries } = JSON.parse(readFileSync(json, "utf8"));
    expect(samples.lua.map(({ emulator }: { emulator: string }) => emulator)).toEqual(["hartvisor", "QEMU"]);
    expect(summaries[0].groups.map(({ group }: { group: string }) => group)).toEqual([
      ...["real programs", "system", "all programs"],
    ]);
  });
});
