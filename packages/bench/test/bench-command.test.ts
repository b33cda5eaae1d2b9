/** `hartvisor bench` as a user runs it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliProcess, hartvisor } from "../../hartvisor/test/cli-process.js";
import { finisher, tinyElf } from "../../hartvisor/test/tiny-elf.js";

const EXAMPLE = fileURLToPath(new URL("../examples/first.mjs", import.meta.url));
const FAST = ["--clock", "virtual", "--repetitions", "1"];

let folder: string;
const path = (name: string) => join(folder, name);

/** Writes a file of benchmarks that are `definition` with these changes. */
async function benchmarks(name: string, ...changes: readonly object[]): Promise<string> {
  const definition = { name: "mine", group: "Mine", title: "Mine", explanation: "Mine.", operations: 10 };
  await writeFile(
    path(name),
    `export default ${JSON.stringify(changes.map((change) => ({ ...definition, ...change })))};`,
  );
  return path(name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-bench-"));
});
afterAll(async () => {
  CliProcess.killAll();
  await rm(folder, { recursive: true });
});

describe.concurrent("hartvisor bench", () => {
  it("runs a file of the user's, and shows every technique and what was expected", async () => {
    const { status, stdout } = await hartvisor(["bench", EXAMPLE, "--repetitions", "1"]);
    expect(stdout).toMatch(/^sbi-call: An SBI call that does nothing$/m);
    for (const technique of ["direct", "trap-and-emulate", "binary-translation"]) {
      // On a busy host a slice ends now and then in between; the virtual clock, below, knows no such host.
      const line = `^ {2}${technique} +interpreter +[\\d.]+ [num]s .* 8 +1(\\.0\\d*)?  hypercall 1(, budget [\\d.e-]+)?$`;
      expect(stdout).toMatch(new RegExp(line, "m"));
    }
    expect(stdout).toContain("as expected (auto): It is one exit under every technique.");
    expect(status).toBe(0);
  });

  it("says the same to the last bit in every run with the virtual clock", async () => {
    const run = async (name: string) => {
      const { status, stdout } = await hartvisor(["bench", EXAMPLE, "--clock", "virtual", "--json", path(name)]);
      expect(status).toBe(0);
      return [stdout, await readFile(path(name), "utf8")];
    };
    const [first, second] = [await run("first.json"), await run("second.json")];
    expect(second).toEqual(first);
    expect(first?.[0]).not.toMatch(/\dns|x direct/);
    for (const technique of ["direct", "trap-and-emulate", "binary-translation"])
      expect(first?.[0]).toMatch(new RegExp(`^ {2}${technique} +interpreter +8\\.01 +1  hypercall 1$`, "m"));
  });

  it("names what a filter takes, without running it", async () => {
    const { stdout } = await hartvisor(["bench", EXAMPLE, "--list", "--filter", "sbi"]);
    expect(stdout).toBe(`${"sbi-call".padEnd(28)}${"Examples".padEnd(20)}An SBI call that does nothing\n`);
  });

  it("runs but the technique and the engine that are asked for", async () => {
    const args = ["bench", EXAMPLE, ...FAST, "--filter", "loop", "--technique", "direct", "--engine", "interpreter"];
    const { stdout } = await hartvisor([...args, "--json", path("one.json")]);
    expect(stdout).not.toContain("trap-and-emulate ");
    const { benchmarks, seed, versions } = JSON.parse(await readFile(path("one.json"), "utf8"));
    expect(seed).toBe(1);
    expect(versions.node).toBe(process.versions.node);
    expect(benchmarks).toMatchObject([{ name: "loop", cells: [{ technique: "direct", engine: "interpreter" }] }]);
    expect(benchmarks[0].cells[0].figures).toMatchObject({ operations: 100_000 });
    expect(benchmarks[0].cells[0].figures.instructions.median).toBeCloseTo(2, 3);
    expect(benchmarks[0].cells).toHaveLength(1);
  });
});

describe.concurrent("hartvisor bench, told wrongly", () => {
  it.each([
    ["an unknown technique", ["--technique", "magic"], /technique magic: give one of direct, trap-and-emulate,/],
    [
      "a technique that is not there yet",
      ["--technique", "direct,hardware-assisted"],
      /technique hardware-assisted: it needs harts with the hypervisor extension/,
    ],
    ["an unknown engine", ["--engine", "steam"], /"steam" is none of interpreter, jit, auto/],
    ["an unknown option", ["--fly"], /unknown option '--fly'/],
    ["an unknown clock", ["--clock", "sun"], /Allowed choices are real, virtual/],
    ["no repetitions", ["--repetitions", "0"], /whole number from 1 on/],
    ["a filter that takes nothing", ["--filter", "nothing-like-it"], /no benchmark of that name or group/],
    ["a file that is not there", ["nothing.mjs"], /nothing.mjs: no such file/],
    ["an output that cannot be written", ["--json", "/nowhere/x.json"], /cannot be written: there is no such folder/],
    ["an output that is a folder", ["--json", "/tmp"], /\/tmp: cannot be written: it is a folder/],
  ])("refuses %s in one line", async (_, args, message) => {
    const { status, stdout, stderr } = await hartvisor(["bench", EXAMPLE, ...args]);
    expect(stderr).toMatch(/^hartvisor: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect([status, stdout]).toEqual([2, ""]);
  });

  it.each([
    ["nothing.mjs", "export const x = 1;", /no benchmarks: its default export must be/],
    ["empty.mjs", "export default [];", /no benchmarks/],
    ["wrong.mjs", "export default { name: 'x' };", /wrong.mjs: benchmark x: it has no group/],
    ["syntax.mjs", "export default {", /syntax.mjs: cannot be loaded/],
    ["throws.mjs", "throw new Error('no\\nway');", /throws.mjs: cannot be loaded: no way/],
  ])("refuses the file %s in one line", async (name, text, message) => {
    await writeFile(path(name), text);
    const { status, stderr } = await hartvisor(["bench", path(name)]);
    expect(stderr).toMatch(/^hartvisor: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it("refuses two benchmarks of one name", async () => {
    const file = await benchmarks("twice.mjs", { guest: { elf: "x" } }, { guest: { elf: "y" } });
    expect((await hartvisor(["bench", file])).stderr).toBe("hartvisor: there are two benchmarks mine\n");
  });

  it("refuses a guest that is not there, before it measures", async () => {
    const file = await benchmarks("absent.mjs", { guest: { elf: path("absent.elf") } });
    const { status, stderr } = await hartvisor(["bench", file]);
    expect(stderr).toBe(`hartvisor: benchmark mine: its guest ${path("absent.elf")}: no such file\n`);
    expect(status).toBe(2);
  });
});

describe.concurrent("a guest that", () => {
  /** li a7, HVB; li a6, function; li a0, argument; ecall. */
  const call = (id: number, argument = 0) => [
    ...[0x084858b7, 0x64288893, 0x00000813 | (id << 20), 0x00000513 | (argument << 20), 0x00000073],
  ];
  /** As call 3, with 256 bytes of room at the second page: auipc a0, 1; li a1, 256. */
  const next = [0x084858b7, 0x64288893, 0x00300813, 0x00001517, 0x10000593, 0x00000073];
  const loop = (code: readonly number[]) => {
    const offset = -4 * code.length;
    const bits =
      (((offset >> 20) & 1) << 31) |
      (((offset >> 1) & 0x3ff) << 21) |
      (((offset >> 11) & 1) << 20) |
      (((offset >> 12) & 0xff) << 12);
    return [...code, (bits | 0x6f) >>> 0];
  };

  it.each([
    ["never asks", [0x0000006f], "did not come back within 1 s before it asked what to run"],
    ["powers off", finisher(0x00073333), "the guest powered off with code 7 before it asked what to run"],
    ["resets", finisher(0x7777), "the guest rebooted before it asked what to run"],
    ["asks and goes astray", [...next, 0x0000006f], 'did not come back within 1 s in "empty 1"'],
    ["asks for more without work", loop(next), 'came back from "empty 1" without having measured or skipped it'],
    ["stops what it has not begun", loop([...next, ...call(2, 1)]), "without having measured or skipped it"],
    ["gives too little room", loop([...next.with(4, 0x00100593)]), "did not come back within 1 s before it asked"],
  ])("%s is a failure that says so", async (name, code, message) => {
    const elf = path(`${name}.elf`);
    await writeFile(elf, tinyElf({ code }));
    const file = await benchmarks(`${name}.mjs`, { guest: { elf } });
    const args = ["bench", file, ...FAST, "--timeout", "1", "--technique", "direct", "--engine", "interpreter"];
    const { status, stdout } = await hartvisor(args);
    expect(stdout).toMatch(/^ {2}direct +interpreter +FAILED: .*$/m);
    expect(stdout).toContain(message);
    expect(status).toBe(1);
  });

  it("skips is named as not run, with the reason", async () => {
    const elf = path("skips.elf");
    await writeFile(elf, tinyElf({ code: loop([...next, ...call(4, 2)]) }));
    const file = await benchmarks("skips.mjs", { guest: { elf } });
    const { status, stdout } = await hartvisor(["bench", file, ...FAST, "--technique", "direct"]);
    expect(stdout).toMatch(/^ {2}direct +interpreter +not run: a device is absent$/m);
    expect(status).toBe(0);
  });

  it("is no ELF file is a failure that says so", async () => {
    await writeFile(path("text.elf"), "hello");
    const file = await benchmarks("text.mjs", { guest: { elf: path("text.elf") } });
    const { status, stdout } = await hartvisor(["bench", file, ...FAST, "--technique", "direct"]);
    expect(stdout).toContain("FAILED: text.elf: not an ELF file");
    expect(status).toBe(1);
  });
});
