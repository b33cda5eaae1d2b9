import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI, CliProcess, guest, hartvisor } from "./cli-process.js";
import { FLOOD, finisher, tinyElf } from "./tiny-elf.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-cli-"));
});
afterAll(async () => {
  CliProcess.killAll();
  await rm(folder, { recursive: true });
});

async function program(name: string, code: readonly number[]): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, tinyElf({ code }));
  return file;
}

describe.concurrent("hartvisor elf", () => {
  it.each([
    { name: "hello", status: 0, stdout: "hello\n" },
    { name: "exit42", status: 42, stdout: "" },
    { name: "htif-write", status: 0, stdout: "hello\n" },
    { name: "tohost-split", status: 0, stdout: "ok\n" },
    { name: "signature", status: 0, stdout: "" },
    { name: "smp", status: 0, stdout: "smp: 1 harts, amoadd 10000, lr/sc 10000 of 10000\n" },
    { name: "selfmod", status: 31, stdout: "" },
    { name: "paging", status: 0, stdout: "" },
    { name: "timer", status: 0, stdout: "timer: 3 interrupts\n" },
  ])("ends as $name does, with status $status", async ({ name, ...expected }) => {
    expect(await hartvisor(["elf", guest(name)])).toEqual({ ...expected, stderr: "" });
  });

  it.each([
    ["bytecode", 656_132_933],
    ["copy", 505_786_070],
    ["hash", 675_665_987],
    ["nbody", 513_000_492],
    ["recursion", 549_277_127],
    ["sort", 677_566_525],
  ])("runs the kernel %s, %d instructions", async (name, instructions) => {
    const { status, stdout } = await hartvisor(["elf", guest(name)]);
    expect(stdout).toMatch(new RegExp(`^${name}: ok result=[0-9a-f]{16} instructions=${instructions}\n$`));
    expect(status).toBe(0);
  });

  it.each(["fault-loop", "wild-jump"])("says that %s crashed, with status 1", async (name) => {
    const { status, stderr } = await hartvisor(["elf", guest(name)]);
    expect(stderr).toMatch(/^hartvisor: the guest crashed: hart 0 cannot fetch its trap vector at 0x[0-9a-f]+\n$/);
    expect(status).toBe(1);
  });

  it("boots a kernel that knows its monitor, on eight harts", async () => {
    const args = ["run", "--kernel", guest("paravirtual"), "--technique", "paravirtual", "--harts", "8"];
    expect(await hartvisor([...args, "--memory", "16MiB"])).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  it("lets four harts count together", async () => {
    const { stdout } = await hartvisor(["elf", guest("smp"), "--harts", "4"]);
    expect(stdout).toBe("smp: 4 harts, amoadd 40000, lr/sc 40000 of 40000\n");
  });

  it.each([
    ["0x00005555", 0],
    ["0x00073333", 7],
    ["0x00003333", 1],
    ["0x12343333", 255],
  ])("ends after %s in the test finisher with status %d", async (value, status) => {
    const file = await program(`finisher-${value}.elf`, finisher(Number(value)));
    expect((await hartvisor(["elf", file])).status).toBe(status);
  });

  it("starts a fresh machine when the guest resets, up to the instruction limit of all of them", async () => {
    const file = await program("reset.elf", finisher(0x7777));
    const { status } = await hartvisor(["elf", file, "--max-instructions", "30"]);
    expect(status).toBe(124);
  });

  it("reads the program from a pipe", async () => {
    const command = `cat "$0" | "$1" "$2" elf /dev/stdin`;
    const args = ["-c", command, guest("exit42"), process.execPath, CLI];
    expect((await new CliProcess("sh", args).ended).status).toBe(42);
  });

  it.each(["rv64gc", "RV64GC_Zba_Zbb", "rv64i2p1_m2p0_a2p1_f2p2_d2p2_c2p0", "rv64imafdc_zicsr_zifencei_zmmul"])(
    "accepts the ISA %s, of which the machine has all",
    async (isa) => {
      expect((await hartvisor(["elf", guest("hello"), "--isa", isa])).status).toBe(0);
    },
  );
});

describe.concurrent("--max-instructions", () => {
  it("stops a guest that spins, with status 124", async () => {
    const { status, stderr } = await hartvisor(["elf", guest("spin"), "--max-instructions", "1000000"]);
    expect(stderr).toBe("hartvisor: stopped: the limit of instructions is reached\n");
    expect(status).toBe(124);
  });
});

describe.concurrent("--stats", () => {
  it("writes the figures of the run as JSON", async () => {
    const file = join(folder, "stats.json");
    await hartvisor(["elf", guest("spin"), "--max-instructions", "20000000", "--stats", file]);
    const stats = JSON.parse(await readFile(file, "utf8"));
    expect(stats).toMatchObject({
      instructions: 20_000_000,
      wallMs: expect.any(Number),
      userCpuMs: expect.any(Number),
      systemCpuMs: expect.any(Number),
      mips: expect.any(Number),
      exits: { budget: expect.any(Number) },
      assists: { "decode-page": expect.any(Number) },
      memory: { guestBytes: 512 * 2 ** 20, framesInUse: expect.any(Number) },
    });
    expect(stats.mips).toBeCloseTo(stats.instructions / (stats.userCpuMs + stats.systemCpuMs) / 1000, 1);
  });

  it("writes them also where the guest fails", async () => {
    const file = join(folder, "failed.json");
    expect((await hartvisor(["elf", guest("exit42"), "--stats", file])).status).toBe(42);
    expect(JSON.parse(await readFile(file, "utf8")).instructions).toBeGreaterThan(0);
  });
});

describe.concurrent("--jit-trace", () => {
  it("writes a line for each module and region that the translator makes", async () => {
    const [trace, stats] = [join(folder, "trace.jsonl"), join(folder, "traced.json")];
    const limit = ["--max-instructions", "3000000"];
    await hartvisor(["elf", guest("spin"), ...limit, "--jit-trace", trace, "--stats", stats]);
    const events = (await readFile(trace, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.slice(0, 2)).toMatchObject([
      { kind: "module", module: 0, regions: 1, compileMs: expect.any(Number), ms: expect.any(Number) },
      { kind: "region", module: 0, pc: expect.stringMatching(/^0x8000[0-9a-f]{4}$/), instructions: expect.any(Number) },
    ]);
    const { jit, instructions } = JSON.parse(await readFile(stats, "utf8"));
    expect(jit.regions).toBe(events.filter(({ kind }) => kind === "region").length);
    expect(jit.executed / instructions).toBeGreaterThan(0.5);
  });

  it("ends with status 2 if the disk is full", async () => {
    const limit = ["--max-instructions", "3000000"];
    expect(await hartvisor(["elf", guest("spin"), ...limit, "--jit-trace", "/dev/full"])).toMatchObject({
      status: 2,
      stderr: "hartvisor: /dev/full: the disk is full\n",
    });
  });
});

describe.concurrent("--signature", () => {
  /** Word i of the guest's signature. */
  const word = (index: number) => (((index + 1) * 0x9e3779b9) >>> 0).toString(16).padStart(8, "0");

  it.each([
    [4, (line: number) => word(line)],
    [8, (line: number) => word(2 * line + 1) + word(2 * line)],
    [16, (line: number) => [3, 2, 1, 0].map((each) => word(4 * line + each)).join("")],
  ])("writes lines of %d bytes, the most significant digit first", async (granularity, line) => {
    const file = join(folder, `signature-${granularity}`);
    const args = ["elf", guest("signature"), "--signature", file, "--signature-granularity", String(granularity)];
    expect((await hartvisor(args)).status).toBe(0);
    const lines = Array.from({ length: 64 / granularity }, (_, index) => `${line(index)}\n`);
    expect(await readFile(file, "utf8")).toBe(lines.join(""));
  });

  it("is written also where the instruction limit ends the program", async () => {
    const file = join(folder, "signature-limit");
    const args = ["elf", guest("signature"), "--signature", file, "--max-instructions", "1"];
    expect((await hartvisor(args)).status).toBe(124);
    expect(await readFile(file, "utf8")).toMatch(/^([0-9a-f]{8}\n){16}$/);
  });

  it("is refused for a program without the symbols, before anything is written", async () => {
    const file = join(folder, "signature-none");
    const { status, stderr } = await hartvisor(["elf", guest("hello"), "--signature", file]);
    expect(stderr).toBe(`hartvisor: ${guest("hello")}: it has no symbol begin_signature, which --signature needs\n`);
    expect(status).toBe(2);
    expect(existsSync(file)).toBe(false);
  });
});

describe.concurrent("hartvisor disasm", () => {
  it("writes instructions with their addresses, and symbols as labels", async () => {
    const { status, stdout } = await hartvisor(["disasm", guest("exit42")]);
    expect(stdout).toMatch(/^\nsection \.text:\n\n0000000080000000 <_start>:\n {4}80000000: {2}[0-9a-f]{8} {2}auipc /);
    expect(stdout).toMatch(/ jal ra,0x[0-9a-f]+ <\w+(\+0x[0-9a-f]+)?>\n/);
    expect(status).toBe(0);
  });

  it("takes the executable segments of a file without sections", async () => {
    const file = await program("disasm.elf", finisher(0x5555));
    expect((await hartvisor(["disasm", file])).stdout).toBe(
      [
        "",
        "segment:",
        "    80000000:  001002b7  lui t0,0x100",
        "    80000004:  00005337  lui t1,0x5",
        "    80000008:  55530313  addi t1,t1,1365",
        "    8000000c:  0062a023  sw t1,0(t0)",
        "    80000010:  0000006f  jal zero,0x80000010",
        "",
      ].join("\n"),
    );
  });
});

describe.concurrent("hartvisor jit-dump", () => {
  it("shows the region at an address", async () => {
    const file = await program("dump.elf", FLOOD);
    const { status, stdout, stderr } = await hartvisor(["jit-dump", file, "0x80000008"]);
    expect(stdout).toMatch(/^# Region at 0x80000008\n\n1 block, 2 instructions, reducible\n/);
    expect(stdout).toContain("B0: entry, loop header\n  0x80000008  sb a0,0(t0)\n  0x8000000c  jal zero,0x80000008\n");
    expect(stdout).toContain("local.get $machine local.get $a0 i64.store8\n");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("takes symbols", async () => {
    expect((await hartvisor(["jit-dump", guest("sort"), "_start"])).stdout).toMatch(/^# Region at 0x80000000\n/);
  });
});
