/** The machines that are compared, each with a folder of the host's that its guest has mounted. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debianDemoImage } from "hartvisor/debian";
import { obtainQemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { EmulatorProcess } from "../peers/emulator-process.js";
import { findNode } from "../peers/node-runtime.js";
import type { CpuTime } from "../peers/process-cpu.js";
import { CMDLINE, guestArchive, READY, STATUS, TAG } from "./guest.js";
import type { Options, PeerName } from "./options.js";
import { obtainVirtiofsd } from "./virtiofsd.js";

const TIMEOUT_MS = 900_000;
const CLI = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");

/** A machine that takes commands. */
export class Contender {
  readonly name: string;
  readonly #emulator: EmulatorProcess;
  /** The emulator, and who serves files to it. */
  readonly #processes: readonly EmulatorProcess[];

  constructor(name: string, emulator: EmulatorProcess, server?: EmulatorProcess) {
    this.name = name;
    this.#emulator = emulator;
    this.#processes = server === undefined ? [emulator] : [emulator, server];
  }

  /** Waits until the guest takes commands. */
  async isUp(): Promise<void> {
    await this.#emulator.expect(READY, TIMEOUT_MS);
  }

  /** Runs a command, which has to succeed. */
  async run(command: string): Promise<void> {
    this.#emulator.send(command);
    const [, status] = await this.#emulator.expect(STATUS, TIMEOUT_MS);
    if (status !== "0") throw new Error(`"${command}" ended with status ${status} in the guest of ${this.name}`);
  }

  /** CPU time of its processes since they began. */
  cpu(): CpuTime {
    const times = this.#processes.map((each) => each.cpu());
    const sum = (of: (time: CpuTime) => number) => times.reduce((total, time) => total + of(time), 0);
    return {
      userMs: sum(({ userMs }) => userMs),
      systemMs: sum(({ systemMs }) => systemMs),
      totalMs: sum(({ totalMs }) => totalMs),
      waitMs: sum(({ waitMs }) => waitMs),
    };
  }

  async kill(): Promise<void> {
    for (const each of this.#processes) await each.kill();
  }
}

/** What can be started here, and what each is. */
export interface Contenders {
  readonly description: string;
  readonly start: readonly (() => Promise<Contender>)[];
}

/** Makes ready what the machines need, in a folder for this run; says of a peer that cannot be had why, and leaves it out. */
export async function prepare(work: string, options: Options): Promise<Contenders> {
  const image = await debianDemoImage();
  const [kernel, initrd] = [join(work, "Image"), join(work, "initrd")];
  await writeFile(kernel, image.kernel);
  await writeFile(initrd, Buffer.concat([image.initrd, guestArchive(options.directories)]));
  const boot = ["--kernel", kernel, "--initrd", initrd, "--append", CMDLINE];
  const folderOf = async (name: string) => {
    const folder = join(work, name);
    await mkdir(folder);
    return folder;
  };
  const node = await findNode(options.node);
  const ours = (name: string, protocol: string) => async () => {
    const share = ["--share", `${await folderOf(name)}:${TAG}`, "--share-protocol", protocol];
    const args = [CLI, "run", "--engine", options.engine, ...boot, ...share];
    return new Contender(name, new EmulatorProcess(node.path, args));
  };
  const qemu = await obtainQemu(() => {});
  const [program, ...words] = qemu.command;
  const startQemu = (machine: string, device: readonly string[]) =>
    new EmulatorProcess(program, [
      ...[...words, "-machine", machine, "-m", "512M", "-no-reboot", "-nodefaults"],
      ...["-display", "none", "-monitor", "none", "-serial", "stdio"],
      ...[...boot.map((word) => word.replace(/^--/, "-")), ...device],
    ]);

  const parts = [`hartvisor --engine ${options.engine}, Node ${node.version}`, `QEMU ${qemu.version}`];
  const start = [ours("virtio-fs", "virtiofs")];
  const peers: Readonly<Record<PeerName, () => Promise<void>>> = {
    "ours-9p": async () => void start.push(ours("9p", "9p")),
    "qemu-9p": async () => {
      start.push(async () => {
        const local = `local,id=share,path=${await folderOf("QEMU-9p")},security_model=none`;
        const device = `virtio-9p-pci,fsdev=share,mount_tag=${TAG},disable-legacy=on`;
        return new Contender("QEMU 9p", startQemu("virt", ["-fsdev", local, "-device", device]));
      });
    },
    virtiofsd: async () => {
      const virtiofsd = await obtainVirtiofsd();
      parts.push(`virtiofsd ${virtiofsd.version}`);
      const socket = join(work, "virtiofsd.socket");
      // It may be there and yet not run: what it needs of the kernel is not everywhere.
      const server = await virtiofsd.serve(await folderOf("virtiofsd"), socket);
      start.push(async () => {
        const memory = ["-object", "memory-backend-memfd,id=memory,size=512M,share=on"];
        const device = `vhost-user-fs-pci,chardev=files,tag=${TAG},queue-size=1024`;
        const files = ["-chardev", `socket,id=files,path=${socket}`, "-device", device];
        return new Contender("virtiofsd", startQemu("virt,memory-backend=memory", [...memory, ...files]), server);
      });
    },
  };
  for (const peer of options.peers) {
    try {
      await peers[peer]();
    } catch (error) {
      console.log(`without ${peer}: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
    }
  }
  return { description: parts.join("; "), start };
}
