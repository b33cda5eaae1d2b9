/**
 * The interpreter's WebAssembly module: embedded bytes, compiled once per
 * process, instantiated per frame pool. What it exports is typed here.
 */
import { HartvisorError } from "../error.js";
import { interpreterWasm } from "../generated/interpreter-wasm.js";
import { writeCryptoTables } from "./crypto-tables.js";

/** Exports of `assembly/index.ts`. Addresses are offsets in linear memory, read as unsigned with `>>> 0`. */
export interface InterpreterExports {
  run(hart: number, budget: number, exact: number): number;
  complete(hart: number, hasResult: number): void;
  runDeprivileged(virtual: number, budget: number, exact: number): number;
  stepWithOpenTables(virtual: number, first: number, second: number): number;
  emulate(virtual: number, word: number): number;
  walkGuest(virtual: number, address: bigint, access: number): number;
  setRoots(virtual: number, kernel: bigint, user: bigint): number;
  adoptArea(virtual: number): void;
  dataRegime(hart: number): number;
  leafPermissions(low: number, regime: number): number;
  raiseException(hart: number, cause: bigint, value: bigint): void;
  isAwake(hart: number): number;
  timeNow(hart: number): bigint;
  nextDeadline(hart: number): bigint;
  updateTimers(hart: number): void;
  readCsr(hart: number, number: number): bigint;
  writeCsr(hart: number, number: number, value: bigint): void;
  fence(hart: number, byAddress: number, address: bigint, bySpace: number, space: bigint): void;
  fenceRange(hart: number, start: bigint, size: bigint, bySpace: number, space: bigint): void;
  prepareHostWrite(vm: number, address: bigint, length: number): number;
  dropStoreEntries(vm: number, frame: number): void;
  dropReleased(vm: number): void;
  dropAllBanks(hart: number): void;
  dropAllCode(vm: number): void;
  dropCodeOf(vm: number, frame: number): void;
  forgetRegimes(hart: number): void;
  selectBanks(hart: number): void;
  updateFloatFast(hart: number): void;
  chooseCounters(hart: number, executed: bigint): void;
  changeCounterMode(hart: number, executed: bigint): void;
  guardRegion(vm: number, frame: number, offset: number, length: number): void;
  dropJumpCaches(vm: number): void;
}

/** What the module imports beside its memory. */
export interface InterpreterHost {
  /** The host's clock in ticks of the guest's time base. */
  ticks(): number;
  /** Sixteen random bits for the CSR seed; not asked with the virtual clock. */
  entropy(): number;
  /** Answers a TLB miss in place of the hart's own translation; see `hostTranslation`. */
  translate(hart: number, address: bigint, access: number, regime: number): number;
  /** Puts a frame behind a page of RAM that has none; gives its number, as a u32, or ABSENT if the pool is exhausted. */
  supplyFrame(vm: number, page: number): number;
  /** Lines of a frame that translated regions are made of were overwritten. */
  forgetRegions(vm: number, frame: number, lines: bigint): void;
}

let compiled: Promise<WebAssembly.Module> | undefined;

function compile(): Promise<WebAssembly.Module> {
  const bytes = Uint8Array.from(atob(interpreterWasm), (character) => character.charCodeAt(0));
  return WebAssembly.compile(bytes);
}

/** Throws `unsupported` where the host has no WebAssembly at all, as some do that compile nothing at run time. */
export function requireWebAssembly(): void {
  if (typeof WebAssembly === "object") return;
  throw new HartvisorError("unsupported", "this host has no WebAssembly, which machines run on");
}

/**
 * An instance of the interpreter over a memory, with the table of the functions that translated code is made of. Some hosts
 * keep every instance that ever imported a table for as long as the table lives: then both can be made anew.
 */
export class InterpreterInstance {
  /** Those of the present instance. */
  readonly exports: InterpreterExports;
  readonly #module: WebAssembly.Module;
  readonly #memory: WebAssembly.Memory;
  readonly #host: InterpreterHost;
  #table: WebAssembly.Table;

  /** Throws `unsupported` where the host forbids WebAssembly. */
  static async create(memory: WebAssembly.Memory, host: InterpreterHost): Promise<InterpreterInstance> {
    try {
      compiled ??= compile();
      const instance = new InterpreterInstance(await compiled, memory, host);
      writeCryptoTables(memory);
      return instance;
    } catch (cause) {
      compiled = undefined;
      const message = isRefusedByPolicy(cause)
        ? "this page's content security policy forbids WebAssembly: add 'wasm-unsafe-eval' to its script-src"
        : "this host does not compile WebAssembly, or not with SIMD";
      throw new HartvisorError("unsupported", message, { cause });
    }
  }

  private constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, host: InterpreterHost) {
    this.#module = module;
    this.#memory = memory;
    this.#host = host;
    this.#table = emptyTable(1);
    this.exports = { ...this.#instantiate() };
  }

  get table(): WebAssembly.Table {
    return this.#table;
  }

  /** Puts a new instance and an empty table in the place of the present ones, between slices. */
  renew(): void {
    this.#table = emptyTable(this.#table.length);
    Object.assign(this.exports, this.#instantiate());
  }

  #instantiate(): InterpreterExports {
    const env = { memory: this.#memory, table: this.#table };
    const { exports } = new WebAssembly.Instance(this.#module, { env, host: { ...this.#host } });
    return exports as unknown as InterpreterExports;
  }
}

const emptyTable = (size: number): WebAssembly.Table => new WebAssembly.Table({ element: "anyfunc", initial: size });

/** A policy refuses by a CompileError (CSP 3, "Integration with WebAssembly"); its words are the host's, but say so. */
function isRefusedByPolicy(error: unknown): boolean {
  return (
    error instanceof WebAssembly.CompileError && /content security policy|unsafe-eval|\bCSP\b/i.test(error.message)
  );
}
