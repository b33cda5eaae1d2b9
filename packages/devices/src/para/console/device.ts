/**
 * A virtio console with several named ports (virtio 1.2, 5.3). A port is a
 * byte stream both ways: a terminal that Linux shows as `hvc0`, or a channel
 * that programs find by its name in `/sys/class/virtio-ports`. What a guest
 * sends waits in its queue while the host's reader is busy, and what the host
 * sends waits for the guest's buffers.
 */
import { type DeviceState, HartvisorError } from "@hartvisor/core";
import { SavedFields } from "../../full/saved-fields.js";
import { featureBits, type VirtioContext, type VirtioDevice } from "../virtio/device.js";
import { ControlEvent, controlMessage, parseControl } from "./control-message.js";

/** Feature bits (5.3.3). */
const Feature = { Size: 0, MultiPort: 1 } as const;

const QUEUE_SIZE = 128;
const MAX_PORTS = 16;
/** The control queues stand behind those of port 0 (5.3.2). */
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
/** What the guest sends is handed on in parts of so many bytes. */
const MAX_CHUNK = 64 * 1024;
/**
 * Bytes that a guest may send in one chain. Linux sends at most a pipe's content, 1 MiB; a chain can name 4 GiB, by
 * naming the same page over and over, and the host's reader would have to keep it.
 */
const MAX_TRANSMIT = 4 * 2 ** 20;
/**
 * Messages to the driver that wait for its buffers. Each answers one of its own or a call of the host's; a driver that
 * asks without ever taking answers loses the oldest.
 */
const MAX_CONTROL_WAITING = 256;

/** A port, as its host sees it. */
export interface ConsolePortOptions {
  /** The name in `/sys/class/virtio-ports`. A terminal needs none. */
  readonly name?: string;
  /** Whether it is a terminal, `hvc0` and so on. Default: false. */
  readonly isTerminal?: boolean;
  /** Takes what the guest sends, a copy; a promise holds the guest back until it resolves. */
  readonly receive: (bytes: Uint8Array) => void | Promise<void>;
  /** The guest opened or closed its end. Default: nobody hears of it. */
  readonly onOpen?: (isOpen: boolean) => void;
}

/** What a {@link VirtioConsole} is made of. */
export interface VirtioConsoleOptions {
  /** 1 to 16 ports. */
  readonly ports: readonly ConsolePortOptions[];
  /** Of the terminals. Default: 80 by 25. */
  readonly columns?: number;
  readonly rows?: number;
  /** Unique on its machine. Default: `console`. */
  readonly name?: string;
}

interface Outgoing {
  bytes: Uint8Array;
  readonly sent: (delivered: boolean) => void;
}

/** A port, and what is on its way. */
class Port {
  readonly options: ConsolePortOptions;
  readonly outgoing: Outgoing[] = [];
  isOpen = false;
  /** The host's reader has not yet taken what it was given. */
  isBusy = false;

  constructor(options: ConsolePortOptions) {
    this.options = options;
  }
}

/** A console. */
export class VirtioConsole implements VirtioDevice {
  readonly name: string;
  readonly type = 3;
  readonly features = featureBits(Feature.Size, Feature.MultiPort);
  readonly queueSizes: readonly number[];
  readonly configuration = new Uint8Array(12);
  readonly #ports: readonly Port[];
  #context: VirtioContext | undefined;
  #control: Uint8Array[] = [];
  #isPaused = false;
  #deliveries = 0;
  #drained: (() => void)[] = [];

  /** Throws `invalid-argument` for a number of ports that there cannot be. */
  constructor({ ports, columns = 80, rows = 25, name = "console" }: VirtioConsoleOptions) {
    if (ports.length < 1 || ports.length > MAX_PORTS) {
      throw new HartvisorError("invalid-argument", `a console has 1 to ${MAX_PORTS} ports, not ${ports.length}`);
    }
    this.name = name;
    this.#ports = ports.map((options) => new Port(options));
    this.queueSizes = new Array<number>(2 * ports.length + 2).fill(QUEUE_SIZE);
    const view = new DataView(this.configuration.buffer);
    view.setUint16(0, columns, true);
    view.setUint16(2, rows, true);
    view.setUint32(4, ports.length, true);
  }

  /** Whether the guest has a port open. */
  isOpen(port: number): boolean {
    return this.#port(port).isOpen;
  }

  /**
   * Sends bytes to the guest. Resolves with true when the guest's driver has them all, with false when the device was
   * reset before.
   */
  send(port: number, bytes: Uint8Array): Promise<boolean> {
    const { outgoing } = this.#port(port);
    return new Promise((sent) => {
      outgoing.push({ bytes: bytes.slice(), sent });
      this.#feed(port);
    });
  }

  /** Tells the guest the size of its terminals. */
  resize(columns: number, rows: number): void {
    const view = new DataView(this.configuration.buffer);
    view.setUint16(0, columns, true);
    view.setUint16(2, rows, true);
    this.#context?.configurationChanged();
    for (const [n, { options }] of this.#ports.entries()) {
      if (options.isTerminal) this.#sendControl(n, ControlEvent.Resize, 0, this.configuration.slice(0, 4));
    }
  }

  activate(context: VirtioContext): void {
    this.#context = context;
    // Without several ports there are no control messages: the one port is open.
    if (!this.#hasControl) this.#setOpen(this.#port(0), true);
  }

  notify(queue: number): void {
    if (this.#isPaused) return;
    if (queue === CONTROL_TRANSMIT) this.#takeControl();
    else if (queue === CONTROL_RECEIVE) this.#feedControl();
    else if (queue % 2 === 0) this.#feed(portOf(queue));
    else this.#drain(portOf(queue));
  }

  reset(): void {
    this.#context = undefined;
    this.#control = [];
    for (const port of this.#ports) {
      this.#setOpen(port, false);
      for (const { sent } of port.outgoing.splice(0)) sent(false);
    }
  }

  /** Waits until the host's readers have what was taken from the guest; the guest's queues keep the rest. */
  quiesce(): Promise<void> {
    this.#isPaused = true;
    if (this.#deliveries === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  resume(): void {
    this.#isPaused = false;
    for (const queue of this.#context?.queues.keys() ?? []) this.notify(queue);
  }

  save(): DeviceState & { readonly open: readonly boolean[]; readonly columns: number; readonly rows: number } {
    const view = new DataView(this.configuration.buffer);
    return {
      version: 1,
      open: this.#ports.map(({ isOpen }) => isOpen),
      columns: view.getUint16(0, true),
      rows: view.getUint16(2, true),
    };
  }

  restore(state: DeviceState): void {
    const fields = new SavedFields(this.name, state, 1, ["open", "columns", "rows"]);
    const { open } = state as ReturnType<VirtioConsole["save"]>;
    fields.require(Array.isArray(open) && open.length === this.#ports.length, `"open" is not of its ports`);
    const view = new DataView(this.configuration.buffer);
    view.setUint16(0, fields.bits("columns", 0xffff), true);
    view.setUint16(2, fields.bits("rows", 0xffff), true);
    for (const [n, port] of this.#ports.entries()) this.#setOpen(port, open[n] === true);
  }

  get #hasControl(): boolean {
    return ((this.#context?.features ?? 0n) & featureBits(Feature.MultiPort)) !== 0n;
  }

  #port(index: number): Port {
    const port = this.#ports[index];
    if (port === undefined) throw new HartvisorError("invalid-argument", `${this.name} has no port ${index}`);
    return port;
  }

  /** Fills the guest's buffers with what waits for it. A closed port keeps it waiting, because its driver would drop it. */
  #feed(index: number): void {
    const port = this.#port(index);
    const queue = this.#context?.queues[receiveQueue(index)];
    if (queue === undefined || this.#isPaused || !port.isOpen) return;
    for (let item = port.outgoing[0]; item !== undefined; item = port.outgoing[0]) {
      if (item.bytes.length > 0) {
        const chain = queue.pop();
        if (chain === undefined) break;
        const written = chain.write(0, item.bytes);
        queue.complete(chain, written);
        item.bytes = item.bytes.subarray(written);
      }
      if (item.bytes.length > 0) continue;
      port.outgoing.shift();
      item.sent(true);
    }
    if (port.outgoing.length > 0) queue.askForNotification();
    queue.publish();
  }

  /** Hands on what the guest sent, as fast as the host's reader takes it. */
  #drain(index: number): void {
    const port = this.#port(index);
    const queue = this.#context?.queues[receiveQueue(index) + 1];
    if (queue === undefined) return;
    while (!port.isBusy && !this.#isPaused) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const length = chain.readableBytes;
      if (length > MAX_TRANSMIT) {
        this.#context?.fail(`${length} bytes sent to a port at once, which takes ${MAX_TRANSMIT}`);
        return;
      }
      let busy: Promise<void> | undefined;
      for (let at = 0; at < length; at += MAX_CHUNK) {
        const bytes = new Uint8Array(Math.min(MAX_CHUNK, length - at));
        chain.read(at, bytes);
        busy = port.options.receive(bytes) ?? busy;
      }
      queue.complete(chain, 0);
      if (busy !== undefined) this.#await(index, port, busy);
    }
    queue.askForNotification();
    queue.publish();
  }

  #await(index: number, port: Port, busy: Promise<void>): void {
    port.isBusy = true;
    this.#deliveries++;
    const goOn = () => {
      port.isBusy = false;
      if (--this.#deliveries === 0) for (const resolve of this.#drained.splice(0)) resolve();
      this.#drain(index);
    };
    busy.then(goOn, goOn);
  }

  /** Answers the driver's control messages (5.3.6.2). */
  #takeControl(): void {
    const queue = this.#context?.queues[CONTROL_TRANSMIT];
    if (queue === undefined) return;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const message = parseControl(chain);
      queue.complete(chain, 0);
      if (message === undefined) continue;
      const { event, value } = message;
      if (event === ControlEvent.DeviceReady && value === 1) {
        for (const n of this.#ports.keys()) this.#sendControl(n, ControlEvent.PortAdd, 1);
      }
      const port = this.#ports[message.port];
      if (port === undefined) continue;
      if (event === ControlEvent.PortReady && value === 1) this.#introduce(message.port, port);
      if (event === ControlEvent.PortOpen) {
        this.#setOpen(port, value === 1);
        this.#feed(message.port);
      }
    }
    queue.askForNotification();
    queue.publish();
  }

  /** Tells the driver what a port is that it has made ready. */
  #introduce(index: number, { options }: Port): void {
    if (options.isTerminal) {
      this.#sendControl(index, ControlEvent.ConsolePort, 1);
      this.#sendControl(index, ControlEvent.Resize, 0, this.configuration.slice(0, 4));
    }
    if (options.name !== undefined) {
      this.#sendControl(index, ControlEvent.PortName, 1, new TextEncoder().encode(options.name));
    }
    this.#sendControl(index, ControlEvent.PortOpen, 1);
  }

  #setOpen(port: Port, isOpen: boolean): void {
    if (port.isOpen === isOpen) return;
    port.isOpen = isOpen;
    port.options.onOpen?.(isOpen);
  }

  #sendControl(port: number, event: number, value: number, rest?: Uint8Array): void {
    if (!this.#hasControl) return;
    this.#control.push(controlMessage({ port, event, value }, rest));
    if (this.#control.length > MAX_CONTROL_WAITING) this.#control.shift();
    this.#feedControl();
  }

  #feedControl(): void {
    const queue = this.#context?.queues[CONTROL_RECEIVE];
    if (queue === undefined) return;
    while (this.#control.length > 0) {
      const chain = queue.pop();
      if (chain === undefined) break;
      queue.complete(chain, chain.write(0, this.#control.shift() as Uint8Array));
    }
    if (this.#control.length > 0) queue.askForNotification();
    queue.publish();
  }
}

/** Queues: port 0 has 0 and 1, the control messages 2 and 3, port 1 has 4 and 5, and so on (5.3.2). */
function receiveQueue(port: number): number {
  return port === 0 ? 0 : 2 * port + 2;
}

function portOf(queue: number): number {
  return queue < 2 ? 0 : Math.floor(queue / 2) - 1;
}
