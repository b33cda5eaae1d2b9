import { afterAll, beforeAll, expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import type { WorkerMachine } from "../src/index.js";
import { describeOnline } from "./describe-where.js";

// A worker's script is a file of the built package.
const built = new URL("../dist/index.js", import.meta.url).href;
const { linux, Machine } = (await import(built)) as typeof import("../src/index.js");

describeOnline("Debian in a worker", () => {
  let vm: WorkerMachine;

  beforeAll(async () => {
    const image = await debianDemoImage();
    const boot = linux({ ...image, cmdline: "console=ttyS0 quiet" });
    vm = await Machine.create({ boot, memory: "256MiB", limits: { wallTimeMs: 120_000 }, thread: "worker" });
    void vm.console.output.cancel();
    vm.start();
  }, 600_000);

  afterAll(() => vm?.destroy());

  it("runs commands, and passes their input and status", async () => {
    const result = await vm.exec(["sh", "-c", "cat; uname -m; exit 3"], { stdin: "typed " });
    expect(result).toMatchObject({ stdoutText: "typed riscv64\n", exitCode: 3 });
  });

  it("moves megabytes in and out of files", async () => {
    const content = Uint8Array.from({ length: 3_000_001 }, (_, n) => n % 251);
    await vm.writeFile("/tmp/file", content);
    expect(Buffer.compare(await vm.readFile("/tmp/file"), content)).toBe(0);
  });

  it("powers off", async () => {
    await vm.exec(["poweroff"]).catch(() => {}); // the agent may be gone before it answers
    expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 0 });
    await expect(vm.exec(["true"])).rejects.toMatchObject({ code: "exec-failed" });
  });
});
