/**
 * A port of a virtio console as Web Streams: bytes both ways. The guest waits
 * while nobody reads, and a write resolves when the guest's driver has it.
 */
import type { ConsolePortOptions, VirtioConsole } from "@hartvisor/devices";

/** The guest is held back while so much waits for the reader, in bytes. */
const UNREAD_CAP = 256 * 1024;

/**
 * A port. Its streams stay the same when the machine that it is plugged into is made anew.
 *
 * @example
 * const port = new ConsolePort({ name: "my.channel" });
 * const vm = await Machine.create({ boot, devices: [virtioConsole({ ports: [port] })] });
 * port.readable.pipeTo(sink); // what the guest writes to the port of that name
 */
export class ConsolePort {
  /** What the guest sends. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the guest receives, once it has opened the port. */
  readonly writable: WritableStream<Uint8Array>;
  /** For {@link virtioConsole}. */
  readonly options: ConsolePortOptions;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #device: VirtioConsole | undefined;
  #port = 0;
  #goOn: () => void = () => {};
  #connected: () => void = () => {};

  /**
   * @param options.name - the name in the guest's `/sys/class/virtio-ports`
   * @param options.isTerminal - whether it is a terminal, `hvc0` and so on. Default: false
   */
  constructor({ name, isTerminal = false }: { readonly name?: string; readonly isTerminal?: boolean }) {
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#goOn(),
        cancel: () => {
          this.#controller = undefined;
          this.#goOn();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: UNREAD_CAP }),
    );
    this.writable = new WritableStream<Uint8Array>({ write: (bytes) => this.#write(bytes) });
    this.options = { ...(name !== undefined && { name }), isTerminal, receive: (bytes) => this.#receive(bytes) };
  }

  /** For {@link virtioConsole}: the device that the port belongs to now. */
  connect(device: VirtioConsole, port: number): void {
    this.#device = device;
    this.#port = port;
    this.#connected();
  }

  /** Tells the guest the size of its terminals. */
  resize(columns: number, rows: number): void {
    this.#device?.resize(columns, rows);
  }

  #receive(bytes: Uint8Array): void | Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) return;
    controller.enqueue(bytes);
    if ((controller.desiredSize ?? 0) > 0) return;
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (;;) {
      if (await this.#device?.send(this.#port, bytes)) return;
      // The machine was reset before it had them; they are for the next one.
      const device = this.#device;
      if (device === undefined) {
        await new Promise<void>((resolve) => {
          this.#connected = resolve;
        });
      }
    }
  }
}
