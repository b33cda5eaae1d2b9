/**
 * HTIF, the host-target interface of Spike and the RISC-V test suites: the
 * guest writes a 64-bit word called `tohost` in its own memory, and the host
 * answers. It is no bus device: its owner calls {@link Htif.written} after a
 * store to the word.
 */

const DEVICE_CONSOLE = 1;
const COMMAND_PUT_CHARACTER = 1;
const SYSCALL_WRITE = 64n;
const SYSCALL_EXIT = 93n;
const EFAULT = -14n;
const ENOSYS = -38n;
/** One write call prints at most this much: a guest cannot make the host copy gigabytes. */
const MAX_WRITE = 1 << 20;
/** After this many instructions without the upper half, a lower half alone was all there is. */
const LONE_HALF_PATIENCE = 10_000;

/** Guest memory as HTIF uses it. */
export interface HtifMemory {
  read(address: number | bigint, length: number): Uint8Array | undefined;
  write(address: number | bigint, bytes: Uint8Array): boolean;
}

export interface HtifOptions {
  readonly memory: HtifMemory;
  /** Guest-physical address of `tohost`. */
  readonly tohost: number;
  /** Guest-physical address of `fromhost`; without it nothing is answered there. */
  readonly fromhost?: number | undefined;
  /** Takes what the guest prints. */
  readonly output: (bytes: Uint8Array) => void;
  /** The guest ends with this code. */
  readonly exit: (code: number) => void;
  /** Instructions executed so far; tells when a lone half-word store is all that comes. */
  readonly instructions: () => number;
}

export class Htif {
  readonly #options: HtifOptions;
  #halfSince: number | undefined;

  constructor(options: HtifOptions) {
    this.#options = options;
  }

  /** After a store of `width` bytes at a guest-physical address that touches `tohost`. */
  written(address: number, width: number): void {
    const lowHalfOnly = address === this.#options.tohost && width < 8;
    if (lowHalfOnly && this.#halfSince === undefined) {
      this.#halfSince = this.#options.instructions();
      return;
    }
    this.#answer();
  }

  /** Whether a lower half still waits for its upper half; answers it once that is overdue. */
  poll(): boolean {
    if (this.#halfSince === undefined) return false;
    if (this.#options.instructions() - this.#halfSince < LONE_HALF_PATIENCE) return true;
    this.#answer();
    return false;
  }

  #answer(): void {
    this.#halfSince = undefined;
    const { tohost, exit } = this.#options;
    const value = this.#readWord(tohost);
    if (value === undefined || value === 0n) return;
    const device = Number(value >> 56n);
    const command = Number((value >> 48n) & 0xffn);
    if (device === DEVICE_CONSOLE) {
      if (command === COMMAND_PUT_CHARACTER) this.#options.output(Uint8Array.of(Number(value & 0xffn)));
      this.#writeWord(tohost, 0n);
    } else if (device === 0) {
      if (value & 1n) exit(exitCode(value >> 1n));
      else this.#systemCall(value);
    } else {
      this.#writeWord(tohost, 0n);
    }
  }

  #systemCall(block: bigint): void {
    const { memory, tohost, fromhost, exit } = this.#options;
    const words = memory.read(block, 32);
    if (words !== undefined) {
      const view = new DataView(words.buffer);
      const [which, argument0, argument1, argument2] = [0, 8, 16, 24].map((at) => view.getBigUint64(at, true)) as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      if (which === SYSCALL_EXIT) {
        exit(exitCode(argument0));
        return;
      }
      this.#writeWord(block, which === SYSCALL_WRITE ? this.#write(argument1, argument2) : ENOSYS);
    }
    this.#writeWord(tohost, 0n);
    if (fromhost !== undefined) this.#writeWord(fromhost, 1n);
  }

  #write(buffer: bigint, length: bigint): bigint {
    const count = length > BigInt(MAX_WRITE) ? MAX_WRITE : Number(length);
    const bytes = this.#options.memory.read(buffer, count);
    if (bytes === undefined) return EFAULT;
    this.#options.output(bytes);
    return BigInt(count);
  }

  #readWord(address: number): bigint | undefined {
    const bytes = this.#options.memory.read(address, 8);
    return bytes && new DataView(bytes.buffer).getBigUint64(0, true);
  }

  #writeWord(address: number | bigint, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    this.#options.memory.write(address, bytes);
  }
}

/** A code as a number; one too large for a status stays a failure. */
const exitCode = (value: bigint): number => (value > 0x7fff_ffffn ? 0x7fff_ffff : Number(value));
