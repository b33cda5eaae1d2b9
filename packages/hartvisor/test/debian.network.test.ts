import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_ISA, TECHNIQUES } from "@hartvisor/core";
import { beforeAll, expect, it } from "vitest";
import { Apt, debianMirror } from "../src/host/node/apt.js";
import { run } from "../src/host/node/child-process.js";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { linux, Machine, type MachineOptions } from "../src/index.js";
import { describeOnline } from "./describe-where.js";
import { GuestShell } from "./guest-shell.js";

const cmdline = "console=ttyS0 quiet";
/** Beside direct, the techniques whose guests need know nothing. */
const DEPRIVILEGED = TECHNIQUES.filter((technique) => technique !== "direct" && technique !== "paravirtual");
/** Far beyond what a boot takes; it turns a hang into a failure with the console's text. */
const limits = { wallTimeMs: 500_000 };

describeOnline("unmodified Debian", () => {
  let image: DemoImage;

  beforeAll(async () => {
    image = await debianDemoImage();
  });

  it("reaches a shell that runs commands, and powers off", async () => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), limits });
    expect(await shell.run("uname -a")).toContain(`Linux hartvisor ${image.kernelVersion} `);
    const cpu = await shell.run("cat /proc/cpuinfo");
    expect(cpu).toMatch(/isa\s*: rv64imafdc/);
    expect(cpu).toMatch(/mmu\s*: sv57/);
    expect((await shell.run("ls /")).split(/\s+/)).toEqual(expect.arrayContaining(["bin", "dev", "proc", "sys"]));
    expect(await shell.run("echo $((6 * 7)) | sed s/42/works/")).toBe("works\n");
    // Clocks of user code read the time CSR through the vDSO.
    const begin = performance.now();
    const [, minutes, seconds] = /^real\s+(\d+)m (\d+\.\d\d)s/.exec(await shell.run("time true")) ?? [];
    expect(Number(minutes) * 60 + Number(seconds)).toBeLessThan((performance.now() - begin) / 1000);
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it.each<[string, Partial<MachineOptions>]>([
    ["interpreted", { engine: "interpreter" }],
    ["translated block by block", { translator: { unit: "block" } }],
    ["translated at the first sight", { translator: { threshold: 1 } }],
  ])("works when %s", async (_, engine) => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), ...engine, limits });
    expect(await shell.run("seq 1000 | awk '{ s += $1 } END { print s }'")).toBe("500500\n");
    expect(await shell.run("gzip -c /init | gunzip | cmp - /init && echo same")).toBe("same\n");
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("boots with every extension on, and finds those that it knows", async () => {
    const isa = `${DEFAULT_ISA}_svade_zkt`;
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), isa, limits });
    const [, found = ""] = /isa\s*: (\S+)/.exec(await shell.run("cat /proc/cpuinfo")) ?? [];
    const known = "zicbom zicboz zicond zihintntl zimop zacas zawrs zfa zfh zcb zcmop zba zbb zbc zbkb zbkc zbkx zbs";
    const crypto = "zknd zkne zknh zkr zkt zksed zksh";
    const privileged = "smstateen sscofpmf sstc svinval svnapot svpbmt";
    const expected = [known, crypto, privileged].flatMap((names) => names.split(" "));
    expect(found.split("_")).toEqual(expect.arrayContaining(expected));
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("brings up four harts", async () => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), harts: 4, limits });
    expect(await shell.run("grep -c ^processor /proc/cpuinfo")).toBe("4\n");
    // One busy process a hart, and what they add up to.
    expect(
      await shell.run(
        "for n in 1 2 3 4; do sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i' & done; wait",
      ),
    ).toMatch(/(2000\n.*){4}/s);
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("finds that the machine can suspend", async () => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), limits });
    expect(await shell.run("dmesg | grep 'SUSP extension'; cat /sys/power/mem_sleep")).toMatch(/detected[\s\S]*deep/u);
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it.each(DEPRIVILEGED)("runs deprivileged, by %s", async (technique) => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), technique, limits });
    expect(await shell.run("uname -m; sh -c 'echo $((6 * 7))' | sed s/42/works/")).toBe("riscv64\nworks\n");
    expect(await shell.run("sleep 1 && echo slept")).toBe("slept\n");
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it.each(DEPRIVILEGED)("runs deprivileged, by %s, on two harts of the baseline RV64GC", async (technique) => {
    const isa = "rv64gc";
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), technique, harts: 2, isa, limits });
    expect(await shell.run("grep -c ^processor /proc/cpuinfo")).toBe("2\n");
    expect(
      await shell.run("for n in 1 2; do sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo $i' & done; wait"),
    ).toMatch(/(2000\n.*){2}/s);
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("makes do with the baseline RV64GC: no Sstc, no Svadu", async () => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), isa: "rv64gc", limits });
    expect(await shell.run("cat /proc/cpuinfo")).not.toMatch(/sstc|svadu|zba/);
    expect(await shell.run("sleep 1 && echo slept")).toBe("slept\n");
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("asks for a restart with reboot", async () => {
    const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline }), limits });
    await shell.type("reboot");
    expect(await shell.machine.exited).toEqual({ kind: "reboot" });
  });

  it("leaves the same memory and registers twice with the virtual clock", async () => {
    const state = async () => {
      const options = { boot: linux({ ...image, cmdline }), memory: "256MiB", harts: 2, clock: "virtual" } as const;
      const machine = await Machine.create({ ...options, limits: { instructions: 150_000_000 } });
      machine.start();
      expect(await machine.exited).toEqual({ kind: "limit", limit: "instructions" });
      const hash = createHash("sha256");
      const { memory, harts } = machine;
      for (let at = 0; at < memory.size; at += 2 ** 24) {
        hash.update(memory.read(memory.base + at, 2 ** 24) ?? "outside RAM");
      }
      const registers = harts.map((hart) => [hart.pc, ...Array.from({ length: 32 }, (_, n) => hart.getRegister(n))]);
      return { memory: hash.digest("hex"), registers, exits: machine.stats.exits };
    };
    expect(await state()).toEqual(await state());
  });

  it("boots through Debian's OpenSBI", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hartvisor-opensbi-"));
    try {
      const firmware = await debianOpenSbi(folder);
      const shell = await GuestShell.boot({ boot: linux({ ...image, cmdline, firmware }), harts: 2, limits });
      expect(await shell.run("dmesg | grep 'SBI implementation'")).toContain("SBI implementation ID=0x1 ");
      expect(await shell.run("grep -c ^processor /proc/cpuinfo")).toBe("2\n");
      expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** `fw_dynamic` of Debian's opensbi package, downloaded and verified by apt. */
async function debianOpenSbi(folder: string): Promise<Uint8Array> {
  const apt = await Apt.create({
    directory: join(folder, "apt"),
    mirror: await debianMirror(),
    suite: "trixie",
    architecture: "riscv64",
  });
  await apt.update();
  const [archive = ""] = await apt.download([await apt.show("opensbi")]);
  await run("dpkg-deb", ["--extract", archive, join(folder, "files")]);
  return readFile(join(folder, "files/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"));
}
