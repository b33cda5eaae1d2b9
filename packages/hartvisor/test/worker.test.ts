import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { WorkerMachineOptions } from "../src/index.js";

// A worker's script is a file of the built package.
const built = new URL("../dist/index.js", import.meta.url).href;
const { Balloon, bareMetal, Machine, memoryPool, NetworkSwitch, virtioRng } = (await import(
  built
)) as typeof import("../src/index.js");

const guest = async (name: string) =>
  bareMetal({ image: await readFile(new URL(`../../bench/guests/built/${name}.elf`, import.meta.url)) });

/** A machine in a worker that runs a guest of bench's. */
const inWorker = async (name: string, options: Partial<WorkerMachineOptions> = {}) =>
  Machine.create({ boot: await guest(name), memory: "16MiB", ...options, thread: "worker" });

describe("a machine in a worker", () => {
  it("prints to the console of the calling thread, and tells why it exited", async () => {
    await using vm = await inWorker("hello");
    vm.start();
    let text = "";
    for await (const bytes of vm.console.output) text += new TextDecoder().decode(bytes);
    await using reference = await Machine.create({ boot: await guest("hello"), memory: "16MiB" });
    reference.start();
    let expected = "";
    for await (const bytes of reference.console.output) expected += new TextDecoder().decode(bytes);
    expect(text).toBe(expected);
    expect(text).not.toBe("");
    expect(await vm.exited).toEqual(await reference.exited);
    expect(vm.isRunning).toBe(false);
    expect(() => vm.start()).toThrow(expect.objectContaining({ code: "invalid-state" }));
  });

  it("runs while the calling thread is busy", async () => {
    await using vm = await inWorker("spin");
    vm.start();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    expect((await vm.stats).instructions).toBeGreaterThan(1_000_000);
  });

  it("has registers and memory to read, write and step while it is paused", async () => {
    await using vm = await inWorker("spin");
    vm.start();
    await vm.pause();
    expect(vm.isRunning).toBe(false);
    const [hart] = vm.harts;
    if (hart === undefined) throw new Error("no hart");
    await hart.setRegister(20, 42n);
    expect(await hart.getRegister(20)).toBe(42n);
    await hart.setCsr("mscratch", 7n);
    expect(await hart.getCsr("mscratch")).toBe(7n);
    const end = vm.memory.base + vm.memory.size;
    expect(await vm.memory.write(end - 4, Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect(await vm.memory.read(end - 2, 2)).toEqual(Uint8Array.of(3, 4));
    expect(await vm.memory.read(end - 2, 4)).toBeUndefined();
    const before = await hart.executedInstructions;
    expect(await vm.step(5)).toBe(true);
    expect(await hart.executedInstructions).toBe(before + 5);
  });

  it("tells of breakpoints", async () => {
    await using vm = await inWorker("hello");
    const address = (await vm.harts[0]?.pc) ?? 0n;
    await vm.addBreakpoint(address + 4n);
    const hit = new Promise((resolve) => vm.on("breakpoint", resolve));
    vm.start();
    expect(await hit).toEqual({ hart: 0, address: address + 4n });
    await vm.pause();
    expect(await vm.harts[0]?.pc).toBe(address + 4n);
  });

  it("refuses to have its harts touched while it runs", async () => {
    await using vm = await inWorker("spin");
    vm.start();
    await expect(vm.harts[0]?.getRegister(1)).rejects.toMatchObject({ name: "HartvisorError", code: "invalid-state" });
  });

  it("is refused for options that no machine can have, as on the calling thread", async () => {
    await expect(inWorker("spin", { memory: 0 })).rejects.toMatchObject({
      name: "HartvisorError",
      code: "invalid-argument",
    });
  });

  it("is refused what belongs to the calling thread", async () => {
    const devices = { devices: [virtioRng()] } as unknown as Partial<WorkerMachineOptions>;
    await expect(inWorker("spin", devices)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/^devices: one that a function makes .* describe it/),
    });
    const shared = { pool: memoryPool({ memory: "16MiB", machines: 1 }) } as unknown as Partial<WorkerMachineOptions>;
    await expect(inWorker("spin", shared)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(/^pool: .* within one thread/),
    });
    await expect(inWorker("spin", { boot: { hypercalls: false, load() {} } })).rejects.toMatchObject({
      code: "unsupported",
    });
  });

  it("has a balloon whose target this thread sets, and whose guest may say nothing", async () => {
    const balloon = new Balloon();
    await using vm = await inWorker("spin", { devices: [{ kind: "balloon", balloon }] });
    vm.start();
    balloon.targetBytes = 4096;
    expect(() => {
      balloon.targetBytes = 1;
    }).toThrow(expect.objectContaining({ code: "invalid-argument" }));
    expect([balloon.targetBytes, balloon.actualBytes]).toEqual([4096, 0]);
    await expect(balloon.statistics()).rejects.toMatchObject({ code: "invalid-state", message: /no driver/ });
    await vm.destroy();
    await expect(balloon.statistics()).rejects.toMatchObject({ code: "invalid-state", message: /has exited/ });
  });

  it("refuses hooks, which are functions of the calling thread", async () => {
    await using vm = await inWorker("spin");
    expect(() => vm.interpose({ syscall: () => {} })).toThrow(/cannot go to a worker/);
  });

  it.each([
    ["a disk whose file is not there", { kind: "disk", source: "/no/such/file" }, "unreadable-file", /no such file/],
    [
      "a Blob to write to",
      { kind: "disk", source: new Blob(["x"]), mode: "writable" },
      "unsupported",
      /overlay or readonly/,
    ],
    [
      "a disk of part of a sector",
      { kind: "disk", source: new Uint8Array(100) },
      "invalid-argument",
      /multiple of 512/,
    ],
    [
      "a network with a wrong rule",
      { kind: "network", policy: { allow: ["x"] } },
      "invalid-argument",
      /no network rule/,
    ],
    ["a disk of no model", { kind: "disk", source: new Uint8Array(512), model: "ide" }, "invalid-argument", /"ide"/],
    ["a card of no model", { kind: "network", model: "ne2000" }, "invalid-argument", /"ne2000"/],
    [
      "a card on a network of this thread that wants ports forwarded",
      { kind: "network", backend: new NetworkSwitch().card(), forward: [{ host: 1, guest: 1 }] },
      "invalid-argument",
      /give them to that network/,
    ],
    ["a folder of nothing", { kind: "folder", tag: "x" }, "invalid-argument", /either a path or a tree/],
    ["a folder by no protocol", { kind: "folder", tag: "x", path: "/", protocol: "nfs" }, "invalid-argument", /"nfs"/],
    ["a tree of no kind", { kind: "folder", tag: "x", tree: { kind: "bush" } }, "invalid-argument", /"bush"/],
    [
      "a tree of an archive that is none",
      { kind: "folder", tag: "x", tree: { kind: "archive", source: new Blob(["x"]) } },
      "invalid-image",
      /neither a tar nor a cpio/,
    ],
    [
      "a tree of a server that is not there",
      { kind: "folder", tag: "x", tree: { kind: "served", url: "http://127.0.0.1:1/" } },
      "unreadable-file",
      /127\.0\.0\.1:1/,
    ],
    [
      "a union without layers",
      { kind: "folder", tag: "x", tree: { kind: "union", lower: [] } },
      "invalid-argument",
      /no layers/,
    ],
    [
      "an image that is not there",
      { kind: "folder", tag: "x", tree: { kind: "image", name: "no-such-image" } },
      "invalid-argument",
      /there is no image "no-such-image"/,
    ],
    ["a device of no kind", { kind: "toaster" }, "invalid-argument", /"toaster" is no kind of device/],
  ])("is refused %s", async (_, device, code, message) => {
    const devices = [device] as unknown as NonNullable<WorkerMachineOptions["devices"]>;
    await expect(inWorker("spin", { devices })).rejects.toMatchObject({
      name: "HartvisorError",
      code,
      message: expect.stringMatching(message),
    });
  });

  it("leaves its output and its figures when it is destroyed, and nothing else", async () => {
    const vm = await inWorker("hello");
    vm.start();
    await vm.exited;
    await vm.destroy();
    let text = "";
    for await (const bytes of vm.console.output) text += new TextDecoder().decode(bytes);
    expect(text).not.toBe("");
    expect((await vm.stats).instructions).toBeGreaterThan(0);
    await expect(vm.memory.read(vm.memory.base, 4)).rejects.toMatchObject({ code: "invalid-state" });
  });

  it("exits as destroyed when that is what ended it", async () => {
    const vm = await inWorker("spin");
    vm.start();
    await vm.destroy();
    expect(await vm.exited).toEqual({ kind: "destroyed" });
  });

  it("keeps the process alive until its output has been read, though nothing else does", async () => {
    const stdout = await outputOf(`
      const vm = await create("hello");
      vm.start();
      for await (const bytes of vm.console.output) process.stdout.write(bytes);
      console.log(await vm.exited);
    `);
    expect(stdout).toBe("hello\n{ kind: 'poweroff', exitCode: 0 }\n");
  });

  it("does not keep the process alive while it is paused", async () => {
    const stdout = await outputOf(`
      const vm = await create("spin");
      void vm.console.output.pipeTo(new WritableStream());
      vm.start();
      await vm.pause();
      console.log("paused");
    `);
    expect(stdout).toBe("paused\n");
  });
});

/** What a Node process of its own prints that runs a program with \`create(guest)\`; it has to end by itself. */
async function outputOf(program: string): Promise<string> {
  const guests = new URL("../../bench/guests/built/", import.meta.url).pathname;
  const prelude = `
    import { readFileSync } from "node:fs";
    import { bareMetal, Machine } from ${JSON.stringify(built)};
    const create = (name) => {
      const image = readFileSync(${JSON.stringify(guests)} + name + ".elf");
      return Machine.create({ boot: bareMetal({ image }), memory: "16MiB", thread: "worker" });
    };
  `;
  const args = ["--input-type=module", "--eval", prelude + program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 400_000 });
  return stdout;
}
