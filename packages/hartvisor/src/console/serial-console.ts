/**
 * The machine's serial console as Web Streams: bytes both ways. Input waits
 * until the guest takes it. Output that nobody reads is kept up to a cap, then
 * the oldest goes: a chatty guest cannot grow the host.
 */
import type { DebugConsole } from "@hartvisor/core";

/** Unread output kept, in bytes. */
const OUTPUT_CAP = 1 << 20;
/** What is printed a little at a time goes out in chunks of so many bytes at most. */
const CHUNK = 4096;

/** What takes input: `receive` says how many bytes it had room for. */
export interface InputSink {
  receive(bytes: Uint8Array): number;
}

export class SerialConsole implements DebugConsole {
  /** What the guest prints. */
  readonly output: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the guest reads; a write resolves when the guest's UART has taken it all. An exited machine drops it. */
  readonly input: WritableStream<Uint8Array>;

  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  /** What is no chunk yet. */
  readonly #fresh = new Uint8Array(CHUNK);
  #freshBytes = 0;
  #flushing = false;
  #wanted = false;
  #ended = false;
  #sink: InputSink | undefined;
  #pending = new Uint8Array(0);
  #accepted: (() => void) | undefined;

  constructor() {
    this.output = new ReadableStream<Uint8Array<ArrayBuffer>>(
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
    if (this.#freshBytes === CHUNK) this.#gather();
    this.#fresh[this.#freshBytes++] = byte;
    this.#flushSoon();
  }

  /** Hands waiting input on as far as there is room. */
  pump(): void {
    const taken = this.#pending.length > 0 ? (this.#sink?.receive(this.#pending) ?? 0) : 0;
    this.#take(taken);
  }

  write(bytes: Uint8Array): void {
    if (this.#freshBytes + bytes.length > CHUNK) this.#gather();
    if (bytes.length > CHUNK) this.#keep(bytes.slice());
    else {
      this.#fresh.set(bytes, this.#freshBytes);
      this.#freshBytes += bytes.length;
    }
    this.#flushSoon();
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

  /** Bytes that are printed before the machine next yields go out together. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    this.#gather();
    this.#deliver();
  }

  /** Makes a chunk of what is none yet. */
  #gather(): void {
    if (this.#freshBytes === 0) return;
    this.#keep(this.#fresh.slice(0, this.#freshBytes));
    this.#freshBytes = 0;
  }

  #keep(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    while (this.#unreadBytes > OUTPUT_CAP && this.#unread.length > 1) {
      this.#unreadBytes -= this.#unread.shift()?.length ?? 0;
    }
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
