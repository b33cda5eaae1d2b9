/**
 * The host's side of the guest's agent: jobs by number over one console port. A
 * port that speaks something else than the protocol is broken for good, and
 * every job on it fails; the machine goes on.
 */
import { HartvisorError } from "@hartvisor/core";
import { type ExitStatus, Job } from "./job.js";
import {
  encodeFrame,
  Frame,
  FrameReader,
  MAX_PAYLOAD,
  PROTOCOL_VERSION,
  type ReceivedFrame,
  word,
} from "./protocol.js";

/** The name of the port, by which the agent finds it. */
export const AGENT_PORT = "hartvisor.exec";
/** Jobs that the agent runs at once; more wait here for their turn. */
const MAX_JOBS = 200;
/** Bytes of output that `exec` collects unless told otherwise. */
const DEFAULT_MAX_OUTPUT = 64 * 2 ** 20;
const SIGKILL = 9;
const SIGTERM = 15;

/** Variables of a program whose caller names none. */
const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  HOME: "/root",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  TERM: "dumb",
};

/** How to run a program in the guest. */
export interface SpawnOptions {
  /** Variables, beside PATH, HOME and TERM; undefined takes one of these away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the folder of the agent, usually `/`. */
  readonly cwd?: string;
  /** Kills the program and everything in its session. */
  readonly signal?: AbortSignal;
}

/** How to run a program in the guest to its end. */
export interface ExecOptions extends SpawnOptions {
  /** Its standard input. Default: empty. */
  readonly stdin?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** Kill it after so long. Default: never. */
  readonly timeoutMs?: number;
  /** Kill it when it has printed more, on both streams together. Default: 64 MiB. */
  readonly maxOutputBytes?: number;
}

/** A program that runs in the guest. */
export interface GuestProcess {
  readonly stdin: WritableStream<Uint8Array>;
  /** A stream that nobody reads holds the program up; cancel what is not wanted. */
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Resolves when the program has ended. */
  readonly exited: Promise<ExitStatus>;
  /** Sends a signal, by its number, to the program and its session. Default: 15, SIGTERM. */
  kill(signal?: number): void;
}

/** How a program ended, and all that it printed. */
export interface ExecResult extends ExitStatus {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** The same as text. */
  readonly stdoutText: string;
  readonly stderrText: string;
}

/** The agent of one machine's guest. */
export class GuestAgent {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #jobs = new Map<number, Job>();
  /** Those who wait for a job to end before theirs begins. */
  readonly #turns = new Set<() => void>();
  #reader = new FrameReader();
  #nextJob = 1;
  #begun = 0;
  #failure: HartvisorError | undefined;
  /** The machine has exited: no agent will come any more. */
  #isOver = false;
  #isReady = false;
  #becameReady: (() => void)[] = [];

  /** @param send - sends bytes to the port, in order */
  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** The guest opened or closed the port. */
  opened(isOpen: boolean): void {
    if (!isOpen && this.#isReady) this.#fail("it has closed its port");
    if (!isOpen) return;
    this.#reader = new FrameReader();
    this.#failure = undefined;
    this.#send(encodeFrame(Frame.Greet, 0));
  }

  /** Takes what the guest sent. */
  receive(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    const frames = this.#reader.push(bytes);
    const isBroken = frames === undefined || frames.some((frame) => !this.#take(frame));
    if (isBroken) this.#fail("what it says makes no sense");
  }

  /** The machine has exited. */
  end(reason: string): void {
    this.#isOver = true;
    this.#fail(reason);
    for (const resolve of this.#becameReady.splice(0)) resolve();
  }

  /** Starts a program. Waits for the agent, and for its turn among many. */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<GuestProcess> {
    const job = await this.#begin(`run ${argv[0]}`, Frame.Spawn, spawnPayload(argv, options), options.signal);
    const { stdin, stdout, stderr, exited } = job;
    return { stdin, stdout, stderr, exited, kill: (signal = SIGTERM) => job.kill(signal) };
  }

  /** Runs a program to its end, and collects what it prints. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { stdin, timeoutMs, maxOutputBytes = DEFAULT_MAX_OUTPUT } = options;
    const abort = new AbortController();
    const giveUp = () => abort.abort(options.signal?.reason);
    if (options.signal?.aborted) giveUp();
    options.signal?.addEventListener("abort", giveUp);
    const late = new HartvisorError("timeout", `${argv[0]} has not ended in ${timeoutMs} ms`);
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => abort.abort(late), timeoutMs);
    let printed = 0;
    const count = (bytes: number) => {
      printed += bytes;
      if (printed <= maxOutputBytes) return;
      const error = new HartvisorError("exec-failed", `${argv[0]} has printed more than ${maxOutputBytes} bytes`);
      abort.abort(error);
      throw error;
    };
    try {
      const job = await this.spawn(argv, { ...options, signal: abort.signal });
      void feed(job.stdin, stdin).catch(() => {}); // a program need not read all of its input
      const [stdout, stderr, status] = await Promise.all([
        collect(job.stdout, count),
        collect(job.stderr, count),
        job.exited,
      ]);
      return {
        ...status,
        stdout,
        stderr,
        get stdoutText() {
          return new TextDecoder().decode(stdout);
        },
        get stderrText() {
          return new TextDecoder().decode(stderr);
        },
      };
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Reads a file of the guest's. */
  async readFile(path: string, maxBytes: number): Promise<Uint8Array> {
    const abort = new AbortController();
    let read = 0;
    const job = await this.#begin(`read ${path}`, Frame.ReadFile, filePayload(path, 0), abort.signal);
    const [bytes] = await Promise.all([
      collect(job.stdout, (count) => {
        read += count;
        if (read <= maxBytes) return;
        const error = new HartvisorError("exec-failed", `${path} has more than ${maxBytes} bytes`);
        abort.abort(error);
        throw error;
      }),
      job.exited,
    ]);
    return bytes;
  }

  /** Writes a file of the guest's, in place of what was there. */
  async writeFile(
    path: string,
    content: string | Uint8Array | ReadableStream<Uint8Array>,
    mode: number,
  ): Promise<void> {
    const job = await this.#begin(`write ${path}`, Frame.WriteFile, filePayload(path, mode));
    await Promise.all([feed(job.stdin, content), job.exited]);
  }

  /** Writes the guest's caches to its disks. */
  async sync(): Promise<void> {
    await (await this.#begin("sync", Frame.Sync, new Uint8Array(0))).exited;
  }

  async #begin(what: string, type: number, payload: Uint8Array, signal?: AbortSignal): Promise<Job> {
    signal?.throwIfAborted();
    await raceAbort(this.#ready(), signal);
    while (this.#begun >= MAX_JOBS) await this.#turn(signal);
    if (this.#failure !== undefined) throw this.#failure;
    const job = new Job(this.#nextJob, what, this.#send);
    this.#nextJob = (this.#nextJob + 1) >>> 0 || 1;
    this.#jobs.set(job.id, job);
    this.#begun++;
    job.begin(encodeFrame(type, job.id, payload));
    const kill = () => {
      job.kill(SIGKILL);
      job.fail(signal?.reason);
    };
    signal?.addEventListener("abort", kill);
    void job.exited
      .catch(() => {})
      .finally(() => {
        signal?.removeEventListener("abort", kill);
      });
    return job;
  }

  /** Resolves when the agent is there, or never will be. */
  #ready(): Promise<void> {
    if (this.#isReady || this.#isOver) return Promise.resolve();
    return new Promise((resolve) => this.#becameReady.push(resolve));
  }

  /** Resolves when a job has ended. Who gives up leaves the line, and hands on a turn that has come already. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    let begin = () => {};
    const turn = new Promise<void>((resolve) => {
      begin = resolve;
    });
    this.#turns.add(begin);
    try {
      await raceAbort(turn, signal);
      signal?.throwIfAborted();
    } catch (error) {
      if (!this.#turns.delete(begin)) this.#giveTurn();
      throw error;
    }
  }

  #giveTurn(): void {
    const [next] = this.#turns;
    if (next === undefined) return;
    this.#turns.delete(next);
    next();
  }

  /** Takes a frame; false if it breaks the protocol. */
  #take(frame: ReceivedFrame): boolean {
    if (frame.type === Frame.Hello) {
      const version = frame.payload.length === 4 ? new DataView(frame.payload.slice().buffer).getUint32(0, true) : 0;
      if (version !== PROTOCOL_VERSION) return false;
      this.#isReady = true;
      for (const resolve of this.#becameReady.splice(0)) resolve();
      return true;
    }
    const job = this.#jobs.get(frame.job);
    // A job that was given up here is still over there for a moment.
    if (job === undefined) return true;
    const isFine = job.isOver || job.receive(frame);
    if (isFine && frame.type === Frame.Exit) {
      this.#jobs.delete(frame.job);
      this.#begun--;
      this.#giveTurn();
    }
    return isFine;
  }

  #fail(reason: string): void {
    this.#isReady = false;
    this.#failure = new HartvisorError("exec-failed", `the guest's agent is gone: ${reason}`);
    for (const job of this.#jobs.values()) job.fail(this.#failure);
    this.#jobs.clear();
    this.#begun = 0;
    for (const begin of this.#turns) begin();
    this.#turns.clear();
  }
}

/** Counts, folder, arguments and variables, each string ended by a NUL. Throws `invalid-argument`. */
function spawnPayload(argv: readonly string[], { env = {}, cwd = "" }: SpawnOptions): Uint8Array {
  if (argv.length === 0) throw new HartvisorError("invalid-argument", "a command without a program: give its name");
  const variables = Object.entries({ ...DEFAULT_ENVIRONMENT, ...env }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const strings = [cwd, ...argv, ...variables];
  const bad = strings.find((text) => text.includes("\0"));
  if (bad !== undefined) throw new HartvisorError("invalid-argument", `"${bad}" holds a NUL character`);
  const text = new TextEncoder().encode(strings.map((each) => `${each}\0`).join(""));
  const payload = new Uint8Array(8 + text.length);
  payload.set(word(argv.length));
  payload.set(word(variables.length), 4);
  payload.set(text, 8);
  return checked(payload, "a command and its variables");
}

function filePayload(path: string, mode: number): Uint8Array {
  if (path === "" || path.includes("\0")) throw new HartvisorError("invalid-argument", `"${path}" is no path`);
  return checked(Uint8Array.of(...word(mode), ...new TextEncoder().encode(`${path}\0`)), "a path");
}

function checked(payload: Uint8Array, what: string): Uint8Array {
  if (payload.length <= MAX_PAYLOAD) return payload;
  throw new HartvisorError("invalid-argument", `${what} of ${payload.length} bytes: at most ${MAX_PAYLOAD} fit`);
}

async function feed(
  stdin: WritableStream<Uint8Array>,
  content: string | Uint8Array | ReadableStream<Uint8Array> | undefined,
): Promise<void> {
  if (content instanceof ReadableStream) return content.pipeTo(stdin);
  const writer = stdin.getWriter();
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  if (bytes !== undefined && bytes.length > 0) await writer.write(bytes);
  await writer.close();
}

async function collect(stream: ReadableStream<Uint8Array>, count: (bytes: number) => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = stream.getReader();
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    length += next.value.length;
    count(next.value.length);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Waits for a promise unless the signal aborts first. */
async function raceAbort(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
