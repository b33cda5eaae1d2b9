/**
 * The machine's serial console as Web Streams: bytes both ways. Input waits
 * until the guest takes it. Output that nobody reads is kept up to a cap, then
 * the oldest goes: a chatty guest cannot grow the host.
 */
import type { DebugConsole } from "@hartvisor/core";

/** Unread output kept, in bytes. */
const OUTPUT_CAP = 1 << 20;

/** What takes input: `receive` says how many bytes it had room for. */
export interface InputSink {
  receive(bytes: Uint8Array): number;
}

export class SerialConsole implements DebugConsole {
  /** What the guest prints. */
  readonly output: ReadableStream<Uint8Array>;
  /** What the guest reads; a write resolves when the guest's UART has taken it all. An exited machine drops it. */
  readonly input: WritableStream<Uint8Array>;

  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #fresh: number[] = [];
  #flushing = false;
  #wanted = false;
  #ended = false;
  #sink: InputSink | undefined;
  #pending = new Uint8Array(0);
  #accepted: (() => void) | undefined;

  constructor() {
    this.output = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#wanted = true;
          this.#deliver();
        },
        cancel: () => {
          this.#controller = undefined;
        },
      },
      { highWaterMark: 0 },
    );
    this.input = new WritableStream<Uint8Array>({
      write: (bytes) =>
        new Promise((resolve) => {
          this.#pending = bytes.slice();
          this.#accepted = resolve;
          if (this.#ended) this.#take(bytes.length);
          else this.pump();
        }),
    });
  }

  /** Tells where input goes. */
  connect(sink: InputSink): void {
    this.#sink = sink;
  }

  /** Takes a byte that the guest printed. */
  put(byte: number): void {
    this.#fresh.push(byte);
    if (this.#flushing) return;
    this.#flushing = true;
    // One chunk for all that is printed before the machine next yields.
    queueMicrotask(() => this.#flush());
  }

  /** Hands waiting input on as far as there is room. */
  pump(): void {
    const taken = this.#pending.length > 0 ? (this.#sink?.receive(this.#pending) ?? 0) : 0;
    this.#take(taken);
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.put(byte);
  }

  read(length: number): Uint8Array {
    const bytes = this.#pending.slice(0, length);
    this.#take(bytes.length);
    return bytes;
  }

  /** No more output will come, and nobody will read what waits. */
  end(): void {
    this.#flush();
    this.#ended = true;
    this.#take(this.#pending.length);
    this.#deliver();
  }

  #take(count: number): void {
    this.#pending = this.#pending.subarray(count);
    if (this.#pending.length > 0) return;
    const accepted = this.#accepted;
    this.#accepted = undefined;
    accepted?.();
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#fresh.length === 0) return;
    const chunk = Uint8Array.from(this.#fresh);
    this.#fresh = [];
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    while (this.#unreadBytes > OUTPUT_CAP && this.#unread.length > 1) {
      this.#unreadBytes -= this.#unread.shift()?.length ?? 0;
    }
    this.#deliver();
  }

  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) {
      this.#unread = [];
      this.#unreadBytes = 0;
      return;
    }
    const chunk = this.#wanted ? this.#unread.shift() : undefined;
    if (chunk !== undefined) {
      this.#unreadBytes -= chunk.length;
      this.#wanted = false;
      controller.enqueue(chunk);
    } else if (this.#ended && this.#unread.length === 0) {
      this.#controller = undefined;
      controller.close();
    }
  }
}
