import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { defaultCacheDirectory } from "../src/host/node/debian-image.js";
import { CLI, CliProcess } from "./cli-process.js";
import { describeOnlineOnLinux } from "./describe-where.js";

const PROMPT = /hartvisor:\S*# /;

/** Downloads Debian's kernel unless it is in the cache, and so needs the network. */
describeOnlineOnLinux("hartvisor with Debian", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hartvisor-debian-"));
  });
  afterAll(async () => {
    CliProcess.killAll();
    await rm(folder, { recursive: true });
  });

  it("boots to a shell on a terminal, reboots, and powers off", async () => {
    const shell = CliProcess.onTerminal(`"${process.execPath}" "${CLI}" demo`);
    await shell.until(PROMPT);
    shell.type("uname -a\r");
    await shell.until(/Linux hartvisor \S+-riscv64 .* riscv64 GNU\/Linux/);
    shell.type("reboot\r");
    await shell.until(/Restarting system/);
    await shell.until(PROMPT);
    shell.type("poweroff\r");
    await shell.until(/Power down/);
    expect((await shell.ended).status).toBe(0);
  });

  it("adds to the kernel's command line, and writes the figures of the run", async () => {
    const file = join(folder, "stats.json");
    const shell = CliProcess.start(["demo", "--append", "hart.visor=1", "--harts", "2", "--stats", file]);
    await shell.until(PROMPT);
    shell.type("cat /proc/cmdline; grep -c ^processor /proc/cpuinfo\n");
    await shell.until(/console=ttyS0 quiet hart\.visor=1\s+2\s/);
    shell.type("poweroff\n");
    expect((await shell.ended).status).toBe(0);
    const { instructions, exits, assists } = JSON.parse(await readFile(file, "utf8"));
    expect(instructions).toBeGreaterThan(100_000_000);
    expect(exits.hypercall).toBeGreaterThan(0);
    expect(assists["tlb-fill"]).toBeGreaterThan(0);
  });

  it("runs the same kernel from its file, which panics without an initrd", async () => {
    const kernel = join(defaultCacheDirectory(), "debian/current/Image");
    const child = CliProcess.start([
      "run",
      "--kernel",
      kernel,
      "--append",
      "console=ttyS0 panic=-1",
      "--memory",
      "256M",
    ]);
    await child.until(/Kernel command line: console=ttyS0 panic=-1/);
    await child.until(/Unable to mount root fs/);
    // panic=-1 restarts at once: the machine is a fresh one.
    await child.until(/Linux version/);
    child.child.kill("SIGTERM");
    expect((await child.ended).status).toBe(143);
  });
});
