import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI, CliProcess, guest, hartvisor } from "./cli-process.js";
import { describeOnLinux } from "./describe-where.js";
import { FLOOD, tinyElf } from "./tiny-elf.js";

let folder: string;
let flood: string;
/** No network, and nothing in the cache. */
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-terminal-"));
  flood = join(folder, "flood.elf");
  await writeFile(flood, tinyElf({ code: FLOOD }));
  env = { XDG_CACHE_HOME: folder, HARTVISOR_OFFLINE: "1" };
});
afterAll(async () => {
  CliProcess.killAll();
  await rm(folder, { recursive: true });
});

describeOnLinux("on a terminal", () => {
  /** Prints the terminal's settings before and after, and the status. */
  const observed = (command: string) => `stty -g; ${command}; echo "status $?"; stty -g`;
  const start = (args: string) => CliProcess.onTerminal(observed(`"${process.execPath}" "${CLI}" ${args}`), { env });

  async function expectRestored(process: CliProcess, status: number): Promise<void> {
    const { stdout } = await process.ended;
    const lines = stdout.trim().split(/\r?\n/);
    expect(stdout).toContain(`status ${status}\r\n`);
    expect(lines.at(-1)).toMatch(/^[0-9a-f:]{20,}$/);
    expect(lines.at(-1)).toBe(lines[0]);
  }

  it("quits at Ctrl-A x, with status 0, whatever the guest does", async () => {
    const process = start(`elf ${guest("spin")}`);
    await process.until(/Ctrl-A x quits/);
    process.type("\x03\x01x");
    await expectRestored(process, 0);
  });

  it("shows help at Ctrl-A h, and goes on", async () => {
    const process = start("demo");
    await process.until(/hartvisor> /);
    process.type("\x01h");
    await process.until(/Ctrl-A x +quit/);
    process.type("echo still here\r");
    await process.until(/\nstill here/);
    process.type("poweroff\r");
    await expectRestored(process, 0);
  });

  it("gives Ctrl-C to the guest", async () => {
    const process = start("demo");
    await process.until(/hartvisor> /);
    process.type("loop 1000000000000\r");
    await process.until(/loop 1000000000000\s/);
    process.type("\x03");
    await process.until(/\^C\s+\d+ rounds/);
    process.type("poweroff\r");
    await expectRestored(process, 0);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ])("is restored after %s", async (signal, status) => {
    const isRaw = `stty -a </dev/tty | grep -q "[-]icanon"`;
    const kill = `sh -c 'until ${isRaw}; do sleep 0.1; done; kill -${signal.slice(3)} $PPID' & exec "${process.execPath}" "${CLI}"`;
    const child = CliProcess.onTerminal(observed(`sh -c "${kill.replaceAll(/["$]/g, "\\$&")} elf ${guest("spin")}"`));
    await expectRestored(child, status);
  });

  it("is restored after an error that nobody expected", async () => {
    const bomb = join(folder, "bomb.mjs");
    const whenRaw = `if (process.stdin.isRaw) { clearInterval(timer); throw new Error("bomb"); }`;
    await writeFile(bomb, `const timer = setInterval(() => { ${whenRaw} }, 100);\n`);
    const command = `"${process.execPath}" --import ${bomb} "${CLI}" elf ${guest("spin")}`;
    const child = CliProcess.onTerminal(observed(command));
    await child.until(/hartvisor: unexpected error: bomb \(/);
    await expectRestored(child, 70);
  });

  it("is restored when nobody reads the output any more", async () => {
    await expectRestored(start(`elf ${flood} | head -c 5`), 0);
  });
});

describe.concurrent("with pipes", () => {
  it("passes input on to the guest as it is, Ctrl-A too, and outlives its end", async () => {
    const { status, stdout, stderr } = await hartvisor(["demo"], { env, input: "echo a\x01xb\rpoweroff\r" });
    expect(stdout).toContain("hartvisor> ");
    expect(stderr).not.toContain("Ctrl-A");
    expect(status).toBe(0);
  });

  it("leaves a machine running when input ends", async () => {
    const args = ["elf", guest("spin"), "--max-instructions", "50000000"];
    expect((await hartvisor(args, { input: "" })).status).toBe(124);
  });

  it("ends when the guest does, though input is open", async () => {
    expect((await CliProcess.start(["elf", guest("exit42")]).ended).status).toBe(42);
  });

  it("loses nothing of what a guest floods the console with", async () => {
    const child = CliProcess.start(["elf", flood, "--max-instructions", "400002"], { input: "" });
    child.child.stdout.pause();
    setTimeout(() => child.child.stdout.resume(), 1000);
    const { status, stdout } = await child.ended;
    expect(stdout).toBe("A".repeat(200_000));
    expect(status).toBe(124);
  });

  it("ends quietly when nobody reads its output any more", async () => {
    const child = CliProcess.start(["elf", flood], { input: "" });
    await child.until(/A/);
    child.child.stdout.destroy();
    const { status, stderr } = await child.ended;
    expect(stderr).toBe("");
    expect(status).toBe(141);
  });

  it("writes the figures of a run that a signal ends", async () => {
    const file = join(folder, "stats.json");
    const child = CliProcess.start(["elf", flood, "--stats", file]);
    await child.until(/A/);
    child.child.kill("SIGTERM");
    expect((await child.ended).status).toBe(143);
    expect(JSON.parse(await readFile(file, "utf8")).instructions).toBeGreaterThan(0);
  });
});

describeOnLinux("on a full disk", () => {
  it.each(["--help", "bench --list"])("says that the output of %s cannot be written", async (command) => {
    const shell = `exec "$0" "$1" ${command} >/dev/full`;
    const { status, stderr } = await new CliProcess("sh", ["-c", shell, process.execPath, CLI]).ended;
    expect(stderr).toMatch(/^hartvisor: cannot write to standard output: ENOSPC.*\n$/);
    expect(status).toBe(2);
  });
});

describe("hartvisor demo without Debian", () => {
  it("says why and how to get Linux, and runs the built-in guest", async () => {
    const child = CliProcess.start(["demo", "--memory", "64MiB"], { env });
    await child.until(/hartvisor> /);
    child.type("regs\r");
    await child.until(/mepc +[0-9a-f]{16}/);
    child.type("map\r");
    await child.until(/0000000080000000-0000000083ffffff +memory@80000000/);
    child.type("reboot\r");
    await child.until(/Type help for the commands/);
    child.type("poweroff\r");
    const { status, stderr } = await child.ended;
    expect(stderr).toMatch(
      /^hartvisor: offline, [^\n]+; running a built-in guest [^\n]+--kernel FILE --initrd FILE\)\n$/,
    );
    expect(status).toBe(0);
  });

  it("does so where apt is missing", async () => {
    const child = CliProcess.start(["demo"], { env: { ...env, HARTVISOR_OFFLINE: undefined, PATH: folder } });
    await child.until(/hartvisor> /);
    child.type("poweroff\r");
    const { status, stderr } = await child.ended;
    expect(stderr).toMatch(/; running a built-in guest instead/);
    expect(status).toBe(0);
  });
});
