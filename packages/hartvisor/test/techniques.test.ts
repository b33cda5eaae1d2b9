/** Which kernels run under which technique, and what those that do not are told. */
import { describe, expect, it } from "vitest";
import { bareMetal, linux, Machine, type MachineOptions, supervisor } from "../src/index.js";
import { tinyElf } from "./tiny-elf.js";

type Technique = NonNullable<MachineOptions["technique"]>;
const NATIVE = 1;
const PARAVIRTUAL = 2;

/** Powers off by SBI SRST, which every technique answers: a7 = "SRST", a6 = 0, a0 = 0. */
const POWER_OFF = [0x535258b7, 0x35488893, 0x00000813, 0x00000513, 0x00000593, 0x00000073, 0x0000006f];

const kernel = (styles?: number) =>
  supervisor({ image: tinyElf({ code: POWER_OFF, ...(styles && { styles }) }), name: "k.elf" });
const machine = (technique: Technique, boot: MachineOptions["boot"], options: Partial<MachineOptions> = {}) =>
  Machine.create({ technique, boot, memory: "16MiB", ...options });
const refused = (message: string) =>
  expect.objectContaining({ code: "invalid-argument", message: expect.stringContaining(message) });

describe("an ELF kernel", () => {
  it.each<[Technique, number | undefined]>([
    ["direct", undefined],
    ["direct", NATIVE],
    ["trap-and-emulate", NATIVE],
    ["binary-translation", NATIVE | PARAVIRTUAL],
    ["paravirtual", PARAVIRTUAL],
    ["paravirtual", NATIVE | PARAVIRTUAL],
  ])("runs under %s with the note %s", async (technique, styles) => {
    await using vm = await machine(technique, kernel(styles));
    await vm.start();
    expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 0 });
  });

  it.each<Technique>(["direct", "trap-and-emulate", "binary-translation"])(
    "that is paravirtual only is refused under %s",
    async (technique) => {
      await expect(machine(technique, kernel(PARAVIRTUAL))).rejects.toEqual(
        refused(`k.elf cannot run under the technique ${technique}`),
      );
    },
  );

  it.each([undefined, NATIVE])(
    "that knows of no monitor, by the note %s, is refused under paravirtual",
    async (styles) => {
      await expect(machine("paravirtual", kernel(styles))).rejects.toEqual(
        refused("k.elf cannot run under the technique paravirtual"),
      );
    },
  );
});

it("a Linux image is refused under paravirtual", async () => {
  const image = new Uint8Array(4096);
  const view = new DataView(image.buffer);
  view.setBigUint64(8, 0x200000n, true); // text_offset
  view.setBigUint64(16, 4096n, true); // image_size
  view.setUint32(48, 0x5643_5352, true); // "RISCV"
  view.setUint32(56, 0x0543_5352, true); // "RSC\x05"
  await expect(machine("paravirtual", linux({ kernel: { bytes: image, name: "Image" } }))).rejects.toEqual(
    refused("Image cannot run under the technique paravirtual"),
  );
});

it("a bare-metal program that is paravirtual only is refused", async () => {
  const image = tinyElf({ code: POWER_OFF, styles: PARAVIRTUAL });
  await expect(machine("direct", bareMetal({ image, name: "k.elf" }))).rejects.toEqual(refused("k.elf"));
  await expect(machine("paravirtual", bareMetal({ image, name: "k.elf" }))).rejects.toEqual(
    refused("bare-metal programs need direct"),
  );
});
