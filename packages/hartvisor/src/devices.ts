/** Devices to plug into a machine. Each function gives a recipe, because every machine needs a device of its own. */
import { HartvisorError } from "@hartvisor/core";
import {
  type BalloonStatistics,
  E1000,
  type E1000Options,
  NvmeController,
  type NvmeOptions,
  type PciDevice,
  Virtio9p,
  type Virtio9pOptions,
  VirtioBalloon,
  type VirtioBalloonOptions,
  VirtioBlock,
  type VirtioBlockOptions,
  VirtioConsole,
  type VirtioDevice,
  VirtioFs,
  type VirtioFsOptions,
  VirtioNet,
  type VirtioNetOptions,
  VirtioRng,
  type VirtioRngOptions,
  VirtioVsock,
  type VirtioVsockOptions,
  type VsockConnection,
} from "@hartvisor/devices";
import type { ConsolePort } from "./console/port.js";
import type { RemoteBalloon } from "./thread/remote-balloon.js";

/** What can be plugged into a machine. */
export type PluggableDevice = VirtioDevice | PciDevice;

/** What a {@link virtioConsole} is made of. */
export interface ConsoleOptions {
  /** 1 to 16 ports. */
  readonly ports: readonly ConsolePort[];
  /** Unique on its machine. Default: `console`. */
  readonly name?: string;
}

/**
 * A disk.
 *
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioBlock({ backend: memoryDisk(new Uint8Array(2 ** 26)) })] });
 */
export function virtioBlock(options: VirtioBlockOptions): () => VirtioDevice {
  return () => new VirtioBlock(options);
}

/**
 * A disk as real boards have it: an NVMe controller with one namespace, on PCI whatever the `transport` is.
 *
 * @example
 * const vm = await Machine.create({ boot, devices: [nvme({ backend: memoryDisk(new Uint8Array(2 ** 26)) })] });
 */
export function nvme(options: NvmeOptions): () => PciDevice {
  return () => ({ name: options.name ?? "nvme", plug: (board) => new NvmeController(options, board) });
}

/**
 * A network card as real boards have it: Intel's 82540EM, on PCI whatever the `transport` is.
 *
 * @example
 * import { nat } from "hartvisor/node";
 * const vm = await Machine.create({ boot, devices: [e1000({ backend: await nat() })] });
 */
export function e1000(options: E1000Options): () => PciDevice {
  return () => ({ name: options.name ?? "net", plug: (board) => new E1000(options, board) });
}

/** A console: byte streams between host and guest. */
export function virtioConsole(options: ConsoleOptions): () => VirtioDevice {
  return () => {
    const { ports, ...rest } = options;
    const device: VirtioConsole = new VirtioConsole({ ...rest, ports: ports.map((port) => port.options) });
    for (const [n, port] of ports.entries()) port.connect(device, n);
    return device;
  };
}

/**
 * A folder that the guest mounts: `mount -t virtiofs TAG DIRECTORY`.
 *
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioFs({ tree: new MemoryTree(), tag: "share" })] });
 */
export function virtioFs(options: VirtioFsOptions): () => VirtioDevice {
  new VirtioFs(options); // refuses what no device can be
  return () => new VirtioFs(options);
}

/**
 * The same by 9p: `mount -t 9p -o trans=virtio,version=9p2000.L TAG DIRECTORY`. For guests without virtio-fs, which is
 * faster and caches more.
 */
export function virtio9p(options: Virtio9pOptions): () => VirtioDevice {
  new Virtio9p(options); // refuses what no device can be
  return () => new Virtio9p(options);
}

/**
 * A network card.
 *
 * @example
 * import { nat } from "hartvisor/node";
 * const vm = await Machine.create({ boot, devices: [virtioNet({ backend: await nat({ forward: [{ host: 8080, guest: 80 }] }) })] });
 */
export function virtioNet(options: VirtioNetOptions): () => VirtioDevice {
  return () => new VirtioNet(options);
}

/** A source of entropy. */
export function virtioRng(options?: VirtioRngOptions): () => VirtioDevice {
  return () => new VirtioRng(options);
}

/** What a {@link Balloon} is made of. */
export type BalloonOptions = Omit<VirtioBalloonOptions, "onResize">;

/**
 * A memory balloon: what the guest gives up goes back to the pool that the machine's frames come from.
 *
 * @example
 * const balloon = new Balloon();
 * const vm = await Machine.create({ boot, devices: [balloon.device] });
 * balloon.targetBytes = 128 * 2 ** 20;
 */
export class Balloon {
  readonly #options: BalloonOptions;
  /** Where the target is kept; the device itself, unless that is in a worker. */
  #device: VirtioBalloon;
  #remote: RemoteBalloon | undefined;

  /** Throws `invalid-argument` for a target that is no multiple of 4,096. */
  constructor(options: BalloonOptions = {}) {
    this.#options = options;
    this.#device = new VirtioBalloon(options);
  }

  /** The recipe of the device, to plug into a machine. A machine made anew has the target that was set last. */
  readonly device = (): VirtioDevice => {
    this.#remote = undefined;
    this.#device = new VirtioBalloon({ ...this.#options, targetBytes: this.targetBytes });
    return this.#device;
  };

  /** For machines in workers: the device is at the other end from now on. Gives what it is made of. */
  moveTo(remote: RemoteBalloon): BalloonOptions {
    this.#remote = remote;
    return { ...this.#options, targetBytes: this.targetBytes };
  }

  /** Bytes that the guest is asked to give up; it takes its time. */
  get targetBytes(): number {
    return this.#device.targetBytes;
  }

  set targetBytes(bytes: number) {
    this.#device.targetBytes = bytes;
    this.#remote?.setTarget(bytes);
  }

  /** Bytes that the guest has given up, as it says. */
  get actualBytes(): number {
    return (this.#remote ?? this.#device).actualBytes;
  }

  /** Asks the guest how it uses its memory. Rejects with `invalid-state` if it has no driver that says so. */
  statistics(): Promise<BalloonStatistics> {
    return (this.#remote ?? this.#device).statistics();
  }
}

/**
 * Streams between programs in the guest (AF_VSOCK) and this process. Listeners stay when the machine is made anew.
 *
 * @example
 * const sockets = new Vsock();
 * sockets.listen(1024, ({ readable, writable }) => readable.pipeTo(writable));
 * const vm = await Machine.create({ boot, devices: [sockets.device] });
 */
export class Vsock {
  readonly #options: VirtioVsockOptions;
  readonly #listeners = new Map<number, (connection: VsockConnection) => void>();
  #device: VirtioVsock | undefined;

  constructor(options: VirtioVsockOptions = {}) {
    this.#options = options;
    new VirtioVsock(options); // refuses what no device can be
  }

  /** The recipe of the device, to plug into a machine. */
  readonly device = (): VirtioDevice => {
    this.#device = new VirtioVsock(this.#options);
    for (const [port, accept] of this.#listeners) this.#device.listen(port, accept);
    return this.#device;
  };

  /** Accepts connections of the guest's to a port of this process; call the result to stop. */
  listen(port: number, accept: (connection: VsockConnection) => void): () => void {
    if (this.#listeners.has(port)) throw new HartvisorError("invalid-argument", `somebody listens at port ${port}`);
    this.#listeners.set(port, accept);
    this.#device?.listen(port, accept);
    return () => {
      this.#listeners.delete(port);
      this.#device?.unlisten(port);
    };
  }

  /** Connects to a port of the guest's. Rejects with `invalid-state` if nobody listens there, or there is no driver yet. */
  async connect(port: number): Promise<VsockConnection> {
    if (this.#device === undefined) throw new HartvisorError("invalid-state", "this device is in no machine yet");
    return this.#device.connect(port);
  }
}
