/**
 * The reference machine: QEMU, whose RAM is a file that begins as the image and
 * is read back when the guest has ended it through semihosting.
 */

import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { DEFAULT_ISA, IsaSet } from "../isa/extensions.js";
import { COUNTERS } from "../isa/layout.js";
import { RAM_BYTES } from "./slot.js";

/** More than the image: QEMU puts its device tree at the top. */
const MEMORY_MIB = 64;
const TIMEOUT_MS = 30_000;

/** The bare core of QEMU with what our table has of an ISA, and no more. */
function cpuOption(isa: string): string {
  const ours = IsaSet.parse(isa).names.filter((name) => !QEMU_BUILT_IN.includes(name));
  return ["rv64i", ...["s", "u", ...ours].map((name) => `${name}=on`), ...MACHINE].join(",");
}
/** What is no extension: translation, protection and as many counters as ours, but no debug triggers. */
const MACHINE = ["mmu=on", "pmp=on", "sv57=on", `pmu-mask=${(1 << COUNTERS) - 8}`, "debug=off"];
/** No switches of QEMU's, or not on top of others: names for what it does anyway. */
const QEMU_BUILT_IN: readonly string[] = [
  ...["zic64b", "ziccamoa", "ziccif", "zicclsm", "ziccrse", "za128rs", "za64rs", "sv39", "sv48", "sv57", "svbare"],
  ...["ssccptr", "sscounterenw", "ssstateen", "sstvala", "sstvecd", "ssu64xl"],
];

/** RAM as the guest left it; undefined if it did not end in time, or before `giveUp`. */
export async function runReference(
  qemu: Qemu,
  image: Uint8Array,
  giveUp?: AbortSignal,
  isa = DEFAULT_ISA,
): Promise<Uint8Array | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "hartvisor-fuzz-"));
  try {
    const path = join(directory, "ram");
    await writeFile(path, image);
    await truncate(path, MEMORY_MIB * 2 ** 20);
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = giveUp === undefined ? timeout : AbortSignal.any([timeout, giveUp]);
    const memory = `memory-backend-file,id=ram,size=${MEMORY_MIB}M,mem-path=${path},share=on`;
    const result = await qemu
      .run(
        [
          ...["-machine", "virt,memory-backend=ram", "-object", memory, "-m", `${MEMORY_MIB}M`, "-cpu", cpuOption(isa)],
          ...["-bios", "none", "-nographic", "-nodefaults", "-semihosting-config", "enable=on,target=native"],
        ],
        signal,
      )
      .catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      });
    // A signal ended it: ours after too long a time, or QEMU crashed.
    if (result === undefined || result.exitCode === null) return undefined;
    if (result.exitCode !== 0) throw new Error(`QEMU ended with status ${result.exitCode}: ${result.stderr.trim()}`);
    const file = await open(path);
    const { buffer } = await file.read(new Uint8Array(RAM_BYTES), 0, RAM_BYTES, 0);
    await file.close();
    return buffer;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
