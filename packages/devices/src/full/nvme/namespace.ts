/**
 * The one namespace of a controller and the commands of the NVM command set
 * (NVM Express 1.4, 6), over any {@link BlockBackend}. A backend that can
 * answers at once and on guest memory itself; otherwise bytes go through
 * buffers of the host. The I/O benchmark guards the hot paths.
 */
import type { BlockBackend } from "@hartvisor/core";
import { BufferPool } from "../../backends/buffer-pool.js";
import type { NvmeCommand } from "./command.js";
import { IoOpcode, Outcome } from "./registers.js";

/** The size of a logical block, as an exponent and in bytes. */
export const BLOCK_EXPONENT = 9;
const BLOCK = 2 ** BLOCK_EXPONENT;
export const NAMESPACE_ID = 1;
export const ALL_NAMESPACES = 0xffff_ffff;

/** MDTS: the largest transfer of a command, 2 MiB, as an exponent over 4 KiB. Linux asks for 1.25 MiB at most. */
export const MAX_TRANSFER_EXPONENT = 9;
export const MAX_TRANSFER_BYTES = 4096 * 2 ** MAX_TRANSFER_EXPONENT;

const FORCE_UNIT_ACCESS = 2 ** 30;
/** Attribute of a dataset: the host does not need it any more. */
const DEALLOCATE = 0x4;
const RANGE_SIZE = 16;
/** Zeroes are written in pieces of so many bytes to a backend that cannot write them otherwise. */
const ZEROES_BYTES = 2 ** 20;

/** What the guest reads of its use of the disk (5.14.1.2). */
export interface NamespaceStatistics {
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
  mediaErrors: number;
}

export class Namespace {
  /** Its size in logical blocks. */
  readonly blocks: number;
  readonly isReadOnly: boolean;
  readonly statistics: NamespaceStatistics = { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0, mediaErrors: 0 };
  /** Whether what is written may be lost until a flush: the volatile write cache feature (5.21.1.6). */
  hasWriteCache = true;
  readonly #backend: BlockBackend;
  readonly #onError: (error: unknown) => void;
  readonly #buffers = new BufferPool();
  /** Empty but while a backend is asked. */
  readonly #views: Uint8Array[] = [];

  constructor(backend: BlockBackend, onError: (error: unknown) => void) {
    this.#backend = backend;
    this.#onError = onError;
    this.blocks = backend.size / BLOCK;
    this.isReadOnly = backend.isReadOnly;
  }

  /** Makes durable what was written; gives a status, as {@link perform} does. */
  flush(): number | Promise<number> {
    try {
      const outcome = this.#backend.flush();
      return outcome === undefined ? Outcome.Success : done(outcome).catch((error: unknown) => this.#fail(error));
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** Bytes of host memory that a command may hold while it is under way. */
  bufferedBytes(command: NvmeCommand): number {
    const isTransfer = command.opcode === IoOpcode.Read || command.opcode === IoOpcode.Write;
    return isTransfer ? this.workBytes(command) : 0;
  }

  /** Bytes that a command has the host move. */
  workBytes(command: NvmeCommand): number {
    switch (command.opcode) {
      case IoOpcode.Read:
      case IoOpcode.Write:
        return Math.min(lengthOf(command), MAX_TRANSFER_BYTES);
      case IoOpcode.WriteZeroes:
        return lengthOf(command);
      default:
        return 0;
    }
  }

  /** Carries a command out; gives its status, or a promise of it where the host makes it wait. Never throws or rejects. */
  perform(command: NvmeCommand, pageSize: number): number | Promise<number> {
    try {
      const outcome = this.#begin(command, pageSize);
      return typeof outcome === "number" ? outcome : outcome.catch((error: unknown) => this.#failed(command, error));
    } catch (error) {
      return this.#failed(command, error);
    }
  }

  #begin(command: NvmeCommand, pageSize: number): number | Promise<number> {
    const isFlush = command.opcode === IoOpcode.Flush;
    const isNamed = command.namespace === NAMESPACE_ID || (isFlush && command.namespace === ALL_NAMESPACES);
    switch (command.opcode) {
      case IoOpcode.Flush:
        return isNamed ? this.flush() : Outcome.InvalidNamespace;
      case IoOpcode.Read:
      case IoOpcode.Write:
      case IoOpcode.WriteZeroes: {
        if (!isNamed) return Outcome.InvalidNamespace;
        const length = lengthOf(command);
        if (command.opcode !== IoOpcode.WriteZeroes && length > MAX_TRANSFER_BYTES) return Outcome.InvalidField;
        const start = command.dword(10) + command.dword(11) * 2 ** 32;
        if (start + length / BLOCK > this.blocks) return Outcome.LbaOutOfRange;
        if (command.opcode === IoOpcode.Read) return this.#read(command, start * BLOCK, length, pageSize);
        if (this.isReadOnly) return Outcome.WriteProtected;
        if (command.opcode === IoOpcode.Write) return this.#write(command, start * BLOCK, length, pageSize);
        return done(this.#durably(command, this.#zero(start * BLOCK, length)));
      }
      case IoOpcode.DatasetManagement:
        return isNamed ? this.#manageDataset(command, pageSize) : Outcome.InvalidNamespace;
      default:
        return Outcome.InvalidOpcode;
    }
  }

  #read(command: NvmeCommand, offset: number, length: number, pageSize: number): number | Promise<number> {
    const found = command.findData(length, pageSize);
    if (found !== Outcome.Success) return found;
    // 4.6.1: the host should retry, by which time the machine, which pauses now, has memory.
    if (!command.pages.populate()) return Outcome.CommandInterrupted;
    this.statistics.reads++;
    this.statistics.readBytes += length;
    // 6.9: what is read so is on the medium.
    const before = command.dword(12) & FORCE_UNIT_ACCESS ? this.#backend.flush() : undefined;
    return done(
      before === undefined
        ? this.#fetch(command, offset, length)
        : before.then(() => this.#fetch(command, offset, length)),
    );
  }

  #fetch(command: NvmeCommand, offset: number, length: number): void | Promise<void> {
    if (this.#backend.readNow !== undefined && !command.queue.isGone) {
      command.pages.writableViews(this.#views);
      const isDone = this.#backend.readNow(offset, this.#views);
      this.#views.length = 0;
      if (isDone) return;
    }
    // Guest memory must not be written behind the write guard's back while the machine runs: hence a buffer.
    const buffer = this.#buffers.take(length);
    const bytes = buffer.subarray(0, length);
    const copy = () => {
      if (!command.queue.isGone) command.pages.write(bytes);
      this.#buffers.give(buffer);
    };
    const outcome = this.#backend.read(offset, bytes);
    return outcome === undefined ? copy() : outcome.then(copy);
  }

  #write(command: NvmeCommand, offset: number, length: number, pageSize: number): number | Promise<number> {
    const found = command.findData(length, pageSize);
    if (found !== Outcome.Success) return found;
    this.statistics.writes++;
    this.statistics.writtenBytes += length;
    return done(this.#durably(command, this.#store(command, offset, length)));
  }

  #store(command: NvmeCommand, offset: number, length: number): void | Promise<void> {
    if (this.#backend.writeNow !== undefined) {
      command.pages.readableViews(this.#views);
      const isDone = this.#backend.writeNow(offset, this.#views);
      this.#views.length = 0;
      if (isDone) return;
    }
    const buffer = this.#buffers.take(length);
    const bytes = buffer.subarray(0, length);
    command.pages.read(bytes);
    const outcome = this.#backend.write(offset, bytes);
    if (outcome === undefined) {
      this.#buffers.give(buffer);
      return;
    }
    return outcome.then(() => this.#buffers.give(buffer));
  }

  /** What was written is durable when it is done, where the command or the lack of a write cache asks for that. */
  #durably(command: NvmeCommand, outcome: void | Promise<void>): void | Promise<void> {
    if (this.hasWriteCache && (command.dword(12) & FORCE_UNIT_ACCESS) === 0) return outcome;
    return outcome === undefined ? this.#backend.flush() : outcome.then(() => this.#backend.flush());
  }

  #zero(offset: number, length: number): void | Promise<void> {
    if (this.#backend.writeZeroes) return this.#backend.writeZeroes(offset, length);
    const zeroes = new Uint8Array(Math.min(length, ZEROES_BYTES));
    return inTurn(Math.ceil(length / zeroes.length), (n) => {
      const at = n * zeroes.length;
      return this.#backend.write(offset + at, zeroes.subarray(0, length - at));
    });
  }

  /** Up to 256 ranges of which the host says what it does with them (6.7). Only that it needs them no more means something here. */
  #manageDataset(command: NvmeCommand, pageSize: number): number | Promise<number> {
    const count = (command.dword(10) & 0xff) + 1;
    const found = command.findData(RANGE_SIZE * count, pageSize);
    if (found !== Outcome.Success) return found;
    if ((command.dword(11) & DEALLOCATE) === 0) return Outcome.Success;
    if (this.isReadOnly) return Outcome.WriteProtected;
    const bytes = new Uint8Array(RANGE_SIZE * count);
    command.pages.read(bytes);
    const view = new DataView(bytes.buffer);
    const ranges = Array.from({ length: count }, (_, n) => ({
      blocks: view.getUint32(RANGE_SIZE * n + 4, true),
      start: view.getUint32(RANGE_SIZE * n + 8, true) + view.getUint32(RANGE_SIZE * n + 12, true) * 2 ** 32,
    }));
    if (ranges.some(({ start, blocks }) => start + blocks > this.blocks)) return Outcome.LbaOutOfRange;
    return done(
      inTurn(count, (n) => {
        const { start = 0, blocks = 0 } = ranges[n] ?? {};
        return blocks > 0 ? this.#backend.discard?.(start * BLOCK, blocks * BLOCK) : undefined;
      }),
    );
  }

  #fail(error: unknown): number {
    this.#onError(error);
    this.statistics.mediaErrors++;
    return Outcome.InternalError;
  }

  #failed(command: NvmeCommand, error: unknown): number {
    const outcome = this.#fail(error);
    if (command.opcode === IoOpcode.Read) return Outcome.UnrecoveredRead;
    const isWrite = command.opcode === IoOpcode.Write || command.opcode === IoOpcode.WriteZeroes;
    return isWrite ? Outcome.WriteFault : outcome;
  }
}

function lengthOf(command: NvmeCommand): number {
  return ((command.dword(12) & 0xffff) + 1) * BLOCK;
}

function done(outcome: Promise<void>): Promise<number>;
function done(outcome: void | Promise<void>): number | Promise<number>;
function done(outcome: void | Promise<void>): number | Promise<number> {
  return outcome === undefined ? Outcome.Success : outcome.then(() => Outcome.Success);
}

/** Does steps one after the other, without waiting where nobody waits. */
function inTurn(count: number, step: (n: number) => void | Promise<void>, first = 0): void | Promise<void> {
  for (let n = first; n < count; n++) {
    const outcome = step(n);
    if (outcome !== undefined) return outcome.then(() => inTurn(count, step, n + 1));
  }
}
