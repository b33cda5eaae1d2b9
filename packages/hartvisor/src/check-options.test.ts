import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { guest } from "../test/cli-process.js";
import { bareMetal, linux, Machine, type MachineOptions, supervisor } from "./index.js";

const boot = bareMetal({ image: await readFile(guest("hello")) });

/** As JavaScript may call it. */
const create = (options: unknown) => Machine.create(options as MachineOptions);

describe("Machine.create", () => {
  it.each<[string, unknown, RegExp]>([
    ["no options", undefined, /^Machine.create needs options, of which boot is one/],
    ["nothing to boot", {}, /^option "boot" says what to boot: give what linux/],
    ["bytes to boot", { boot: new Uint8Array(4) }, /^option "boot" says what to boot/],
    [
      "an option that is misspelt",
      { boot, memroy: "1GiB" },
      /^there is no option "memroy"; there are thread, boot, memory/,
    ],
    [
      "an engine that there is not",
      { boot, engine: "fast" },
      /^option "engine" is one of auto, interpreter, jit, not "fast"$/,
    ],
    ["a clock that there is not", { boot, clock: 5 }, /^option "clock" is one of real, virtual, not 5$/],
    ["null for a transport", { boot, transport: null }, /^option "transport" is one of pci, mmio, not null$/],
    ["a thread that there is not", { boot, thread: "main" }, /^option "thread" is one of caller, worker/],
    ["one device instead of a list", { boot, devices: {} }, /^option "devices": give an array$/],
    ["a device that is none", { boot, devices: [{}] }, /^devices\[0\] is no device/],
    ["an extension that is none", { boot, hypercalls: [{}] }, /^hypercalls\[0\] is none/],
    ["a limit that is misspelt", { boot, limits: { instrs: 5 } }, /^there is no limit "instrs"/],
    ["a limit as text", { boot, limits: { instructions: "5" } }, /^limit instructions: give a number$/],
    ["a seed as text", { boot, seed: "abc" }, /^option "seed": give an object$/],
    ["a callback that is none", { boot, onDeviceFailure: 5 }, /^option "onDeviceFailure": give a function$/],
  ])("refuses %s in one line", async (_, options, message) => {
    await expect(create(options)).rejects.toMatchObject({ name: "HartvisorError", code: "invalid-argument" });
    await expect(create(options)).rejects.toThrow(message);
  });

  it("takes undefined for what is left out", async () => {
    const options = {
      boot,
      memory: "16MiB",
      harts: undefined,
      engine: undefined,
      devices: undefined,
      limits: undefined,
    };
    await (await create(options)).destroy();
  });
});

describe.each<[string, (options: never) => unknown, string]>([
  ["linux", linux, "kernel"],
  ["supervisor", supervisor, "image"],
  ["bareMetal", bareMetal, "image"],
])("%s", (name, loader, option) => {
  it.each([undefined, {}, { [option]: null }, { [option]: "file" }, { [option]: new ArrayBuffer(64) }])(
    "refuses %o for the bytes of a file",
    (options) => {
      expect(() => loader(options as never)).toThrow(`${name}: "${option}": give the bytes of a file as a Uint8Array`);
    },
  );
});
