/**
 * The counters behind SBI's PMU extension: those of the hart, which are set up
 * through its machine-level CSRs as firmware would, and those that count what
 * the other SBI modules do. `pmu.ts` parses calls and uses them.
 */
import { CounterEvent, type FirmwareEventCode, type HypercallContext } from "@hartvisor/core";

/** An event that some counter here can count. */
export type PmuEvent =
  | { readonly kind: "hardware"; readonly selector: number }
  | { readonly kind: "firmware"; readonly code: FirmwareEventCode };

/** One counter of the calling hart. */
export interface PmuCounter {
  /** What `sbi_pmu_counter_get_info` says of it (SBI 2.0, 11.6). */
  readonly info: bigint;
  readonly isStarted: boolean;
  value: bigint;
  canCount(event: PmuEvent): boolean;
  /** Says what to count; `inhibit` has the modes not to count in, as in `mhpmevent`. */
  configure(event: PmuEvent, inhibit: bigint): void;
  start(): void;
  stop(): void;
  /** Forgets what to count. */
  reset(): void;
}

const MCOUNTINHIBIT = 0x320;
const MHPMEVENT = 0x320;
const MIP = 0x344;
const MCYCLECFG = 0x321;
const MINSTRETCFG = 0x322;
const MCYCLE = 0xb00;
const CYCLE = 0xc00;
const CYCLE_COUNTER = 0;
const INSTRET_COUNTER = 2;
/** Sscofpmf: overflow status in `mhpmevent`, and the pending interrupt. */
const OF = 1n << 63n;
const LCOFIP = 1n << 13n;
const WIDTH = 63n << 12n;
const FIRMWARE_TYPE = 1n << 63n;

/** `mcycle`, `minstret` or a programmable counter, by its number. */
export class HardwareCounter implements PmuCounter {
  readonly #number: number;
  readonly #context: HypercallContext;

  constructor(number: number, context: HypercallContext) {
    this.#number = number;
    this.#context = context;
  }

  get info(): bigint {
    return WIDTH | BigInt(CYCLE + this.#number);
  }

  get isStarted(): boolean {
    return (this.#context.readCsr(MCOUNTINHIBIT) & this.#bit) === 0n;
  }

  get value(): bigint {
    return this.#context.readCsr(MCYCLE + this.#number);
  }

  set value(value: bigint) {
    this.#context.writeCsr(MCYCLE + this.#number, value);
  }

  canCount(event: PmuEvent): boolean {
    if (event.kind !== "hardware") return false;
    if (this.#number === CYCLE_COUNTER) return event.selector === CounterEvent.Cycles;
    if (this.#number === INSTRET_COUNTER) return event.selector === CounterEvent.Instructions;
    return true;
  }

  configure(event: PmuEvent, inhibit: bigint): void {
    const selector = this.#isProgrammable && event.kind === "hardware" ? BigInt(event.selector) : 0n;
    this.#context.writeCsr(this.#configuration, selector | inhibit);
  }

  start(): void {
    const context = this.#context;
    // While an overflow interrupt is pending, software has yet to read which counters overflowed.
    if (this.#isProgrammable && (context.readCsr(MIP) & LCOFIP) === 0n) {
      context.writeCsr(this.#configuration, context.readCsr(this.#configuration) & ~OF);
    }
    context.writeCsr(MCOUNTINHIBIT, context.readCsr(MCOUNTINHIBIT) & ~this.#bit);
  }

  stop(): void {
    this.#context.writeCsr(MCOUNTINHIBIT, this.#context.readCsr(MCOUNTINHIBIT) | this.#bit);
  }

  reset(): void {
    this.#context.writeCsr(this.#configuration, 0n);
  }

  get #bit(): bigint {
    return 1n << BigInt(this.#number);
  }

  get #isProgrammable(): boolean {
    return this.#number > INSTRET_COUNTER;
  }

  get #configuration(): number {
    if (this.#isProgrammable) return MHPMEVENT + this.#number;
    return this.#number === CYCLE_COUNTER ? MCYCLECFG : MINSTRETCFG;
  }
}

/** A counter of firmware events. It is 64 bits wide, and never overflows. */
export class FirmwareCounter implements PmuCounter {
  readonly info = FIRMWARE_TYPE | WIDTH;
  readonly #hart: number;
  readonly #context: HypercallContext;
  #event: FirmwareEventCode | undefined;
  #value = 0n;
  /** While it is started: how often the event had happened when `#value` was right. */
  #since: bigint | undefined;

  constructor(hart: number, context: HypercallContext) {
    this.#hart = hart;
    this.#context = context;
  }

  get isStarted(): boolean {
    return this.#since !== undefined;
  }

  get value(): bigint {
    return BigInt.asUintN(64, this.#value + (this.#since === undefined ? 0n : this.#happened - this.#since));
  }

  set value(value: bigint) {
    this.#value = value;
    if (this.#since !== undefined) this.#since = this.#happened;
  }

  canCount(event: PmuEvent): boolean {
    return event.kind === "firmware";
  }

  configure(event: PmuEvent): void {
    this.#value = this.value;
    this.#event = event.kind === "firmware" ? event.code : undefined;
    if (this.#since !== undefined) this.#since = this.#happened;
  }

  start(): void {
    this.#since = this.#happened;
  }

  stop(): void {
    this.#value = this.value;
    this.#since = undefined;
  }

  reset(): void {
    this.#value = this.value;
    this.#event = undefined;
    if (this.#since !== undefined) this.#since = 0n;
  }

  get #happened(): bigint {
    return this.#event === undefined ? 0n : this.#context.eventCount(this.#event, this.#hart);
  }
}
