/**
 * A job of the guest's agent: a program, or a file that is read or written. Its
 * streams have windows both ways, so that neither side keeps more than a
 * window for a reader who is slow.
 */
import { HartvisorError } from "@hartvisor/core";
import { Ending, encodeFrame, Frame, INPUT_WINDOW, MAX_PAYLOAD, type ReceivedFrame, word } from "./protocol.js";

/** Bytes of each output stream that are on their way or wait for the reader. */
const OUTPUT_WINDOW = 128 * 1024;
/** The reader's progress is told in steps of so many bytes. */
const CREDIT_STEP = 32 * 1024;

/** How a program ended. */
export interface ExitStatus {
  /** Its exit status; 128 and the signal's number if a signal ended it, as shells have it. */
  readonly exitCode: number;
  /** The number of the signal that ended it. */
  readonly signal?: number;
}

/** One of a job's two output streams. */
class OutputStream {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #grant: (bytes: number) => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #waiting: Uint8Array[] = [];
  #outstanding = OUTPUT_WINDOW;
  #ungranted = 0;
  #wanted = false;
  #ended = false;

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
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
          this.#deliver();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** The first window. */
  open(): void {
    this.#grant(OUTPUT_WINDOW);
  }

  /** Takes what the guest sent; false if that is more than it was allowed to. */
  push(bytes: Uint8Array): boolean {
    this.#outstanding -= bytes.length;
    if (this.#outstanding < 0 || this.#ended) return false;
    this.#waiting.push(bytes.slice());
    this.#deliver();
    return true;
  }

  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  fail(error: unknown): void {
    this.#waiting = [];
    this.#controller?.error(error);
    this.#controller = undefined;
  }

  #deliver(): void {
    // Nobody reads any more: the program goes on as if somebody did.
    if (this.#controller === undefined) {
      for (const bytes of this.#waiting.splice(0)) this.#consumed(bytes.length);
      return;
    }
    const bytes = this.#wanted ? this.#waiting.shift() : undefined;
    if (bytes !== undefined) {
      this.#wanted = false;
      this.#consumed(bytes.length);
      this.#controller.enqueue(bytes);
    } else if (this.#ended && this.#waiting.length === 0) {
      this.#controller.close();
      this.#controller = undefined;
    }
  }

  #consumed(bytes: number): void {
    if (this.#ended) return;
    this.#ungranted += bytes;
    if (this.#ungranted < CREDIT_STEP) return;
    this.#outstanding += this.#ungranted;
    this.#grant(this.#ungranted);
    this.#ungranted = 0;
  }
}

/** A program or a file of the guest, from its beginning to its end. */
export class Job {
  readonly id: number;
  readonly stdin: WritableStream<Uint8Array>;
  /** Rejects where the agent could not begin, or went away. */
  readonly exited: Promise<ExitStatus>;
  readonly #what: string;
  readonly #send: (frame: Uint8Array) => void;
  readonly #outputs: readonly [OutputStream, OutputStream];
  #inputCredit = INPUT_WINDOW;
  #inputMoved: () => void = () => {};
  #isOver = false;
  #resolve: (status: ExitStatus) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** @param what - what messages call the job, such as "run true" */
  constructor(id: number, what: string, send: (frame: Uint8Array) => void) {
    this.id = id;
    this.#what = what;
    this.#send = send;
    const grant = (stream: number) => (bytes: number) => {
      if (!this.#isOver) this.#send(encodeFrame(Frame.OutputCredit, id, word(bytes), stream));
    };
    this.#outputs = [new OutputStream(grant(1)), new OutputStream(grant(2))];
    this.stdin = new WritableStream<Uint8Array>({
      write: (bytes) => this.#write(bytes),
      close: () => this.#endInput(),
      abort: () => this.#endInput(),
    });
    this.exited = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.exited.catch(() => {}); // who does not ask need not hear of it
  }

  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#outputs[0].readable;
  }

  get stderr(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#outputs[1].readable;
  }

  /** Sends the frame that begins the job. */
  begin(frame: Uint8Array): void {
    this.#send(frame);
    for (const output of this.#outputs) output.open();
  }

  kill(signal: number): void {
    if (!this.#isOver) this.#send(encodeFrame(Frame.Kill, this.id, word(signal)));
  }

  /** Takes a frame of the agent's; false if the agent breaks the protocol. */
  receive({ type, stream, payload }: ReceivedFrame): boolean {
    const output = this.#outputs[stream - 1];
    const first = payload.length >= 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0, true) : 0;
    switch (type) {
      case Frame.Output:
        return output?.push(payload) ?? false;
      case Frame.OutputEnd:
        output?.end();
        return output !== undefined;
      case Frame.InputCredit:
        this.#inputCredit += first;
        this.#inputMoved();
        return this.#inputCredit <= INPUT_WINDOW;
      case Frame.Exit:
        if (payload.length < 8) return false;
        this.#end(first, new DataView(payload.buffer, payload.byteOffset).getUint32(4, true));
        return true;
      default:
        return false;
    }
  }

  /** The agent is gone, or the job is given up. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const output of this.#outputs) output.fail(error);
    this.#inputMoved();
    this.#reject(error);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  #end(ending: number, status: number): void {
    if (ending === Ending.Failed) {
      this.fail(new HartvisorError("exec-failed", `the guest cannot ${this.#what}: ${errorText(status)}`));
      return;
    }
    this.#isOver = true;
    for (const output of this.#outputs) output.end();
    this.#inputMoved();
    this.#resolve(ending === Ending.Signalled ? { exitCode: 128 + status, signal: status } : { exitCode: status });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isOver; ) {
      const count = Math.min(bytes.length - at, this.#inputCredit, MAX_PAYLOAD);
      if (count === 0) {
        await new Promise<void>((resolve) => {
          this.#inputMoved = resolve;
        });
        continue;
      }
      this.#inputCredit -= count;
      this.#send(encodeFrame(Frame.Input, this.id, bytes.subarray(at, at + count)));
      at += count;
    }
  }

  #endInput(): void {
    if (!this.#isOver) this.#send(encodeFrame(Frame.InputEnd, this.id));
  }
}

/** What Linux's error numbers mean that a command may end with (asm-generic/errno-base.h). */
const ERRORS: ReadonlyMap<number, string> = new Map([
  [1, "not permitted"],
  [2, "no such file or directory"],
  [4, "interrupted"],
  [5, "input/output error"],
  [7, "too many arguments"],
  [8, "not a program that it can run"],
  [11, "too many at once"],
  [12, "out of memory"],
  [13, "permission denied"],
  [20, "not a directory"],
  [21, "it is a directory"],
  [22, "invalid argument"],
  [26, "the file is being run"],
  [27, "the file is too large"],
  [28, "no space left"],
  [30, "the file system is read-only"],
  [36, "the name is too long"],
  [40, "too many symbolic links"],
]);

function errorText(number: number): string {
  return ERRORS.get(number) ?? `error ${number}`;
}
