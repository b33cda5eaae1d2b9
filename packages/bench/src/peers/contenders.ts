/** Obtains the emulators of a run and makes the files that each of them boots. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debianDemoImage } from "hartvisor/debian";
import type { DemoImageProgress } from "../../../hartvisor/src/host/node/debian-image.js";
import { obtainQemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { obtainDebianTree } from "../../../hartvisor/src/host/node/debian-tree.js";
import { type GuestImage, hartvisorEmulator, qemuEmulator, v86Emulator } from "./emulators.js";
import { BENCH_CMDLINE, benchInitramfs, CMDLINE } from "./guest-image.js";
import { obtainI386Image } from "./i386-image.js";
import { findNode, type NodeRuntime } from "./node-runtime.js";
import type { Options } from "./options.js";
import { DEBIAN_PACKAGES, type GuestProgram, isReal } from "./programs.js";
import type { Contender } from "./rounds.js";

const GUESTS = fileURLToPath(new URL("../guests", import.meta.url));

/** The contenders: ourselves, then the peers in the order of the options. Files go into the folder `work`. */
export async function prepare(
  options: Options,
  work: string,
  progress: (event: DemoImageProgress) => void,
): Promise<[Contender, ...Contender[]]> {
  const { programs, engine } = options;
  const node = await findNode(options.node);
  const images = await riscvImages(options, work, progress);
  const peers: Contender[] = [];
  for (const peer of options.peers) {
    if (peer === "qemu") peers.push({ ...images, emulator: qemuEmulator(await obtainQemu(progress)), programs });
    else peers.push(await v86(node, programs, work, progress));
  }
  return [{ ...images, emulator: hartvisorEmulator(node, engine), programs }, ...peers];
}

async function riscvImages(
  { programs, boot }: Options,
  work: string,
  progress: (event: DemoImageProgress) => void,
): Promise<{ readonly bench: GuestImage; readonly demo: GuestImage | undefined }> {
  const image = await debianDemoImage({ progress });
  const packages = { name: "peers", suite: "trixie", architecture: "riscv64", packages: DEBIAN_PACKAGES };
  const debian = programs.some(isReal) ? await obtainDebianTree({ ...packages, progress }) : undefined;
  const folders = { programs: join(GUESTS, "built/peers"), scripts: join(GUESTS, "peers/scripts") };
  const kernel = join(work, "Image");
  const demo = join(work, "demo.cpio");
  const bench = join(work, "bench.cpio");
  await writeFile(kernel, image.kernel);
  await writeFile(demo, image.initrd);
  await writeFile(bench, await benchInitramfs({ demo: image.initrd, ...folders, debian: debian?.root }));
  return {
    bench: { kernel, initrd: bench, cmdline: BENCH_CMDLINE },
    demo: boot ? { kernel, initrd: demo, cmdline: CMDLINE } : undefined,
  };
}

/** v86 runs the same C sources; it is not compared on booting another kernel, nor on programs built by others. */
async function v86(
  node: NodeRuntime,
  programs: readonly GuestProgram[],
  work: string,
  progress: (event: DemoImageProgress) => void,
): Promise<Contender> {
  const { kernel, initrd: demo, bios } = await obtainI386Image(progress);
  const folders = { programs: join(GUESTS, "built/peers-i386"), scripts: join(GUESTS, "peers/scripts") };
  const initrd = join(work, "bench-i386.cpio");
  await writeFile(initrd, await benchInitramfs({ demo, ...folders }));
  return {
    emulator: v86Emulator(node, bios),
    bench: { kernel, initrd, cmdline: BENCH_CMDLINE },
    demo: undefined,
    programs: programs.filter((program) => !isReal(program)),
  };
}
