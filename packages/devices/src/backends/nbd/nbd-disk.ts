/**
 * A disk on an NBD server. A connection that is lost is made anew, and what was
 * under way is asked again; what the server has acknowledged and not yet been
 * asked to make durable is written again first, because a server that was
 * started anew may have forgotten it.
 */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";
import { NbdConnection, NbdError, NbdRefusal } from "./connection.js";
import { Command, type CommandNumber, TransmissionFlag } from "./protocol.js";
import type { OpenNbdStream } from "./stream.js";

const SECTOR = 512;
/** Acknowledged writes that are kept until a flush, and their bytes; with more of them the client flushes by itself. */
const MAX_UNFLUSHED = 65_536;
const MAX_UNFLUSHED_BYTES = 32 * 2 ** 20;
/** A request that so many connections did not survive may be what ends them. */
const MAX_TRIES = 5;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;
const DEFAULT_RECONNECT_MS = 30_000;

/** What an {@link nbdDisk} is made of. */
export interface NbdDiskOptions {
  /** How to reach the server. */
  readonly open: OpenNbdStream;
  /** The export's name; the empty one is the server's default. Default: the empty one. */
  readonly export?: string;
  /** What to call the server in messages. Default: `the NBD server`. */
  readonly name?: string;
  /** For so long a lost connection is tried anew before requests fail. Default: 30 seconds. */
  readonly reconnectMs?: number;
}

/** A write that the server has acknowledged; without bytes it wrote zeroes. */
interface Unflushed {
  /** Counts writes. */
  readonly number: number;
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Opens a disk on an NBD server.
 *
 * @throws HartvisorError `unreadable-file`: there is no server, or no such export, or it is no disk
 */
export async function nbdDisk(options: NbdDiskOptions): Promise<BlockBackend> {
  const client = new NbdClient(options);
  const { size, flags } = await client.first();
  const can = (flag: number) => (flags & flag) !== 0;
  return {
    size,
    isReadOnly: can(TransmissionFlag.ReadOnly),
    read: (offset, into) =>
      client.each(offset, into.length, (at, length, n) =>
        client.request(Command.Read, at, length, { into: into.subarray(n, n + length) }),
      ),
    write: (offset, bytes) =>
      client.each(offset, bytes.length, (at, length, n) => client.write(at, length, bytes.subarray(n, n + length))),
    flush: () => client.flush(),
    ...(can(TransmissionFlag.WriteZeroes) && {
      writeZeroes: (offset: number, length: number) =>
        client.each(offset, length, (at, part) => client.write(at, part, undefined)),
    }),
    ...(can(TransmissionFlag.Trim) && {
      discard: (offset: number, length: number) =>
        client.each(offset, length, (at, part) => client.request(Command.Trim, at, part)),
    }),
    close: async () => client.close(),
  };
}

class NbdClient {
  readonly #open: OpenNbdStream;
  readonly #export: string;
  readonly #name: string;
  readonly #reconnectMs: number;
  #connection: Promise<NbdConnection> | undefined;
  #size = -1;
  #flags = 0;
  #maxRequest = 0;
  #unflushed: Unflushed[] = [];
  #unflushedBytes = 0;
  #writes = 0;
  /** The flush that the client needs for itself. */
  #flushing: Promise<void> | undefined;
  #isClosed = false;

  constructor({ open, export: name = "", name: server = "the NBD server", reconnectMs }: NbdDiskOptions) {
    this.#open = open;
    this.#export = name;
    this.#name = server;
    this.#reconnectMs = reconnectMs ?? DEFAULT_RECONNECT_MS;
  }

  /** Connects once, without trying again. */
  async first(): Promise<{ readonly size: number; readonly flags: number }> {
    try {
      const connection = await this.#connectOnce();
      this.#connection = Promise.resolve(connection);
      const { size, flags, maxRequest } = connection.export;
      if (size <= 0 || size % SECTOR !== 0 || !Number.isSafeInteger(size)) {
        connection.close();
        throw new NbdRefusal(`its export has ${size} bytes, which is no multiple of ${SECTOR}`);
      }
      this.#size = size;
      this.#flags = flags;
      this.#maxRequest = Math.max(maxRequest - (maxRequest % SECTOR), SECTOR);
      return { size, flags };
    } catch (cause) {
      throw this.#failure("cannot use", cause);
    }
  }

  /** Does something in as many requests as the server wants; rejects as the first that fails, when all have ended. */
  async each(
    offset: number,
    length: number,
    act: (at: number, length: number, done: number) => Promise<void>,
  ): Promise<void> {
    if (length <= this.#maxRequest) return act(offset, length, 0);
    const parts: Promise<void>[] = [];
    for (let done = 0; done < length; done += this.#maxRequest) {
      parts.push(act(offset + done, Math.min(this.#maxRequest, length - done), done));
    }
    for (const outcome of await Promise.allSettled(parts)) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** Sends a request, over as many connections as it takes. */
  async request(
    command: CommandNumber,
    offset: number,
    length: number,
    data: { into?: Uint8Array; from?: Uint8Array } = {},
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const current = this.#connected();
      const connection = await current;
      try {
        return await connection.request(command, offset, length, data);
      } catch (error) {
        if (error instanceof NbdError || this.#isClosed || tries === MAX_TRIES) {
          throw this.#failure("a request failed at", error);
        }
        if (this.#connection === current) this.#connection = undefined;
      }
    }
  }

  /** Writes bytes, or zeroes where there are none, and remembers them until they are durable. */
  async write(offset: number, length: number, bytes: Uint8Array | undefined): Promise<void> {
    if (bytes === undefined) await this.request(Command.WriteZeroes, offset, length);
    else await this.request(Command.Write, offset, length, { from: bytes });
    if ((this.#flags & TransmissionFlag.Flush) === 0) return; // its writes are durable when they are done
    this.#unflushed.push({ number: ++this.#writes, offset, length, bytes: bytes?.slice() });
    this.#unflushedBytes += bytes?.length ?? 0;
    if (this.#unflushedBytes <= MAX_UNFLUSHED_BYTES && this.#unflushed.length <= MAX_UNFLUSHED) return;
    this.#flushing ??= this.flush().finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async flush(): Promise<void> {
    if ((this.#flags & TransmissionFlag.Flush) === 0) return;
    const last = this.#writes;
    await this.request(Command.Flush, 0, 0);
    const left = this.#unflushed.findIndex(({ number }) => number > last);
    for (const { bytes } of this.#unflushed.splice(0, left < 0 ? this.#unflushed.length : left)) {
      this.#unflushedBytes -= bytes?.length ?? 0;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection?.catch(() => undefined);
    connection?.close();
  }

  /** The connection, made anew if there is none. */
  #connected(): Promise<NbdConnection> {
    if (this.#isClosed) return Promise.reject(this.#failure("cannot use", new Error("the disk was closed")));
    this.#connection ??= this.#reconnect();
    return this.#connection;
  }

  #connectOnce(): Promise<NbdConnection> {
    return NbdConnection.open(this.#open, this.#export);
  }

  async #reconnect(): Promise<NbdConnection> {
    const end = performance.now() + this.#reconnectMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        const connection = await this.#connectOnce();
        if (connection.export.size !== this.#size) {
          connection.close();
          throw new NbdRefusal("its export has another size by now");
        }
        for (const { offset, length, bytes } of this.#unflushed) {
          await (bytes === undefined
            ? connection.request(Command.WriteZeroes, offset, length)
            : connection.request(Command.Write, offset, length, { from: bytes }));
        }
        return connection;
      } catch (cause) {
        const isHopeless = cause instanceof NbdRefusal || cause instanceof NbdError || this.#isClosed;
        if (isHopeless || performance.now() + pause > end) {
          this.#connection = undefined; // the next request tries again
          throw this.#failure("lost", cause);
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  #failure(what: string, cause: unknown): HartvisorError {
    if (cause instanceof HartvisorError) return cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new HartvisorError("unreadable-file", `${what} ${this.#name}: ${reason}`, { cause });
  }
}
