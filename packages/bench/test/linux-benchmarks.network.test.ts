/** Benchmarks whose guest is Debian's Linux. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, hartvisor } from "../../hartvisor/test/cli-process.js";
import { describeOnline } from "../../hartvisor/test/describe-where.js";

const FILE = `
const common = { group: "Mine", explanation: "Mine.", operations: 4, exactly: true, techniques: ["direct"], engines: ["auto"] };
export default [
  { ...common, name: "boot", title: "Boot", guest: { boot: "debian" }, mostRepetitions: 1 },
  { ...common, name: "dd", title: "dd", guest: { command: async (n) => "dd if=/dev/zero of=/dev/null bs=1 count=" + n } },
  { ...common, name: "wrong", title: "Wrong", guest: { command: () => "echo no such thing >&2; exit 3" } },
];`;

describeOnline("a benchmark under Linux", () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hartvisor-linux-bench-"));
    file = join(folder, "mine.mjs");
    await writeFile(file, FILE);
  });
  afterAll(async () => {
    CliProcess.killAll();
    await rm(folder, { recursive: true });
  });

  it("boots, runs commands, and fails with what a command that fails has said", async () => {
    const { status, stdout } = await hartvisor(["bench", file, "--repetitions", "2", "--timeout", "300"]);
    expect(stdout).toMatch(/^boot: Boot\n.*\n {2}direct +auto +[\d.]+ m?s .*mmio-write/m);
    expect(stdout).toMatch(/^dd: dd\n.*\n {2}direct +auto +[\d.]+ [num]s /m);
    expect(stdout).toMatch(/^ {2}direct +auto +FAILED: "echo .*" ended with status 3: no such thing$/m);
    expect(status).toBe(1);
  });

  it("is not run with the virtual clock, and says why", async () => {
    const { status, stdout } = await hartvisor(["bench", file, "--clock", "virtual", "--filter", "dd"]);
    expect(stdout).toMatch(/^ {2}direct +auto +not run: Linux gets its orders when the host has them/m);
    expect(status).toBe(0);
  });
});
