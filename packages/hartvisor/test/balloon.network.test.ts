/** Debian's balloon driver: memory that it gives up, and gets back. */
import { beforeAll, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { Balloon, linux, Machine, type MachineOptions, memoryPool } from "../src/index.js";
import { describeOnline } from "./describe-where.js";
import { GuestShell } from "./guest-shell.js";

const MIB = 2 ** 20;
const cmdline = "console=ttyS0 quiet";
const limits = { wallTimeMs: 500_000 };

/** Waits until something holds, while the machine runs. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 400_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describeOnline("a balloon in Debian", () => {
  let image: DemoImage;

  beforeAll(async () => {
    image = await debianDemoImage();
  });

  /** Boots with a balloon whose driver is there, and a file of random bytes. */
  async function boot(balloon: Balloon, options: Partial<MachineOptions> = {}): Promise<GuestShell> {
    const shell = await GuestShell.boot({
      boot: linux({ ...image, cmdline }),
      memory: "256MiB",
      devices: [balloon.device],
      limits,
      ...options,
    });
    await shell.run("dd if=/dev/urandom of=/tmp/x bs=1M count=16 2>/dev/null");
    return shell;
  }

  const framesOf = ({ stats }: Machine) => stats.memory.framesInUse;

  it.each(["pci", "mmio"] as const)("gives frames back and takes them again, over %s", async (transport) => {
    const balloon = new Balloon({ reporting: false });
    const shell = await boot(balloon, { transport });
    const { machine } = shell;
    const before = framesOf(machine);
    expect(before).toBe(65536);
    const sum = await shell.run("md5sum /tmp/x");

    balloon.targetBytes = 128 * MIB;
    await until("the balloon to inflate", () => balloon.actualBytes === 128 * MIB);
    expect(before - framesOf(machine)).toBe((128 * MIB) / 4096);
    expect(await shell.run("md5sum /tmp/x")).toBe(sum);

    balloon.targetBytes = 0;
    await until("the balloon to deflate", () => balloon.actualBytes === 0);
    const deflated = framesOf(machine);
    await shell.run("dd if=/dev/urandom of=/tmp/y bs=1M count=20 2>/dev/null; cp /tmp/y /tmp/z");
    expect(await shell.run("cmp /tmp/y /tmp/z && echo same")).toBe("same\n");
    expect(framesOf(machine)).toBeGreaterThan(deflated);
    expect(await shell.run("md5sum /tmp/x")).toBe(sum);
    expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it("says how the guest uses its memory", async () => {
    const balloon = new Balloon();
    const shell = await boot(balloon);
    const statistics = await balloon.statistics();
    expect(statistics.totalBytes).toBeGreaterThan(150 * MIB);
    expect(statistics.totalBytes).toBeLessThan(256 * MIB);
    expect(statistics.freeBytes).toBeLessThan(statistics.totalBytes ?? 0);
    expect(statistics.minorFaults).toBeGreaterThan(100);
    balloon.targetBytes = 64 * MIB;
    await until("the balloon to inflate", () => balloon.actualBytes === 64 * MIB);
    const after = await balloon.statistics();
    expect((statistics.freeBytes ?? 0) - (after.freeBytes ?? 0)).toBeGreaterThan(60 * MIB);
    await shell.powerOff();
  });

  it.each([true, false])("takes memory back where a program needs it, if it may: %j", async (deflateOnOom) => {
    const balloon = new Balloon({ reporting: false, deflateOnOom });
    const shell = await boot(balloon);
    await shell.run("rm /tmp/x");
    balloon.targetBytes = 140 * MIB;
    await until("the balloon to inflate", () => balloon.actualBytes === 140 * MIB);
    const status = await shell.run("dd if=/dev/zero of=/dev/null bs=60M count=1 2>/dev/null; echo $?");
    expect(status).toBe(deflateOnOom ? "0\n" : "1\n");
    expect(balloon.actualBytes < 140 * MIB).toBe(deflateOnOom);
    await shell.powerOff();
  });

  it("reports free pages by itself, and the content of the others stays", async () => {
    const shell = await boot(new Balloon());
    const { machine } = shell;
    const sum = await shell.run("md5sum /tmp/x");
    await until("free pages to be reported", () => framesOf(machine) < (144 * MIB) / 4096);
    await shell.run("dd if=/dev/urandom of=/tmp/y bs=1M count=48 2>/dev/null");
    const full = framesOf(machine);
    await shell.run("rm /tmp/y");
    await until("the file's pages to be reported", () => full - framesOf(machine) > (40 * MIB) / 4096);
    expect(await shell.run("md5sum /tmp/x")).toBe(sum);
    await shell.powerOff();
  });

  it("refuses to load what its pool has no room for, and keeps nothing of it", async () => {
    const pool = memoryPool({ memory: "32MiB", machines: 1 });
    const created = Machine.create({ boot: linux({ ...image, cmdline }), pool, memory: "256MiB" });
    await expect(created).rejects.toMatchObject({ code: "out-of-memory" });
    expect(pool.framesInUse).toBe(0);
  });

  it("gives what one machine gives up to another, which waits for more until the first is gone", async () => {
    const pool = memoryPool({ memory: "240MiB", machines: 3 });
    const balloon = new Balloon({ reporting: false });
    const one = await boot(balloon, { pool });
    const sum = await one.run("md5sum /tmp/x");
    await one.run("dd if=/dev/zero of=/tmp/y bs=1M count=55 2>/dev/null");
    await one.run("rm /tmp/y");
    balloon.targetBytes = 135 * MIB;
    await until("the balloon to inflate", () => balloon.actualBytes === 135 * MIB);
    const other = await Machine.create({ boot: linux({ ...image, cmdline }), pool, memory: "256MiB", limits });
    void other.console.output.cancel();
    const events: string[] = [];
    for (const name of ["memory-exhausted", "memory-available"] as const) other.on(name, () => events.push(name));
    other.start();
    expect((await other.exec(["uname", "-m"])).stdoutText).toBe("riscv64\n");
    expect(await one.run("md5sum /tmp/x")).toBe(sum);
    expect(events).toEqual([]);

    const copy = other.exec([
      "sh",
      "-c",
      "dd if=/dev/urandom of=/z bs=1M count=30 && cp /z /w && cmp /z /w && echo same",
    ]);
    await until("the pool to run out", () => other.isWaitingForMemory);
    expect(other.isRunning).toBe(false);
    expect(events).toEqual(["memory-exhausted"]);
    await one.machine.destroy();
    expect((await copy).stdoutText).toBe("same\n");
    expect(events).toEqual(["memory-exhausted", "memory-available"]);
    expect(pool.framesInUse).toBe(framesOf(other));
    await other.destroy();
    expect(pool.framesInUse).toBe(0);
  });
});
