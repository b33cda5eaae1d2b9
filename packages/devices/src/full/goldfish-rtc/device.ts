/**
 * The Goldfish real-time clock of QEMU's `virt` board (goldfish virtual
 * hardware, "RTC"): wall-clock time in nanoseconds, and one alarm. It has no
 * timer of its own: it says when it wants to be called.
 */
import type {
  AccessWidth,
  Clock,
  Device,
  DeviceState,
  DeviceTreeContext,
  DeviceTreeNode,
  InterruptLine,
} from "@hartvisor/core";
import { type GoldfishRtcState, parseGoldfishRtcState } from "./persist.js";

const Register = {
  TimeLow: 0x00,
  TimeHigh: 0x04,
  AlarmLow: 0x08,
  AlarmHigh: 0x0c,
  IrqEnabled: 0x10,
  ClearAlarm: 0x14,
  AlarmStatus: 0x18,
  ClearInterrupt: 0x1c,
} as const;

const LOW = 0xffff_ffffn;

/** What a {@link GoldfishRtc} is made of. */
export interface GoldfishRtcOptions {
  /** The guest's time is its `unixTimeNs()`, shifted by what the guest has set. */
  readonly clock: Clock;
  /** The wire to the interrupt controller. */
  readonly interrupt: InterruptLine;
  /**
   * Asks for a call of {@link GoldfishRtc.tick} once `clock.unixTimeNs()` has reached this deadline, in place of the
   * one asked for before; undefined takes it back. Default: nothing, for a machine that calls `tick` anyway.
   */
  readonly schedule?: (deadlineNs: bigint | undefined) => void;
  /** The interrupt's number on the PLIC, for the device tree. Default: 11. */
  readonly interruptSource?: number;
  /** Guest-physical address. Default: 0x101000. */
  readonly base?: number;
}

/** Real-time clock with an alarm. Registers are 32-bit words; TIME_LOW and ALARM_HIGH are accessed before their other halves. */
export class GoldfishRtc implements Device {
  readonly name = "rtc";
  readonly base: number;
  readonly size = 0x1000;
  readonly #clock: Clock;
  readonly #interrupt: InterruptLine;
  readonly #schedule: (deadlineNs: bigint | undefined) => void;
  readonly #interruptSource: number;

  #offsetNs = 0n;
  #timeHigh = 0;
  #alarmNs = 0n;
  #firesAtNs = 0n;
  #alarmRunning = false;
  #irqEnabled = false;
  #irqPending = false;

  constructor(options: GoldfishRtcOptions) {
    this.#clock = options.clock;
    this.#interrupt = options.interrupt;
    this.#schedule = options.schedule ?? (() => {});
    this.#interruptSource = options.interruptSource ?? 11;
    this.base = options.base ?? 0x10_1000;
  }

  /** Fires the alarm if its time has come; otherwise, at whatever time it is called, does nothing. */
  tick(): void {
    if (!this.#alarmRunning || this.#now() < this.#firesAtNs) return;
    this.#alarmRunning = false;
    this.#irqPending = true;
    this.#update();
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4) return 0;
    switch (offset) {
      case Register.TimeLow: {
        const now = this.#now();
        this.#timeHigh = Number(now >> 32n);
        return Number(now & LOW);
      }
      case Register.TimeHigh:
        return this.#timeHigh;
      case Register.AlarmLow:
        return Number(this.#alarmNs & LOW);
      case Register.AlarmHigh:
        return Number(this.#alarmNs >> 32n);
      case Register.IrqEnabled:
        return Number(this.#irqEnabled);
      case Register.AlarmStatus:
        return Number(this.#alarmRunning);
      default:
        return 0;
    }
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4) return;
    switch (offset) {
      case Register.TimeLow:
        this.#setTime(withLow(this.#now(), value));
        break;
      case Register.TimeHigh:
        this.#setTime(withHigh(this.#now(), value));
        break;
      case Register.AlarmLow:
        // Writing the low half starts the alarm, which fires at once if its time is past.
        this.#alarmNs = withLow(this.#alarmNs, value);
        this.#firesAtNs = this.#alarmNs;
        this.#alarmRunning = true;
        this.#scheduleAlarm();
        break;
      case Register.AlarmHigh:
        // A running alarm keeps its time until the low half is written: half a new time is none.
        this.#alarmNs = withHigh(this.#alarmNs, value);
        break;
      case Register.IrqEnabled:
        this.#irqEnabled = (value & 1) !== 0;
        this.#update();
        break;
      case Register.ClearAlarm:
        this.#alarmRunning = false;
        this.#scheduleAlarm();
        break;
      case Register.ClearInterrupt:
        this.#irqPending = false;
        this.#update();
        break;
      default:
        break;
    }
  }

  /** Forgets the alarm and what the guest set the time to. */
  reset(): void {
    this.#offsetNs = 0n;
    this.#timeHigh = 0;
    this.#alarmNs = 0n;
    this.#firesAtNs = 0n;
    this.#alarmRunning = false;
    this.#irqEnabled = false;
    this.#irqPending = false;
    this.#scheduleAlarm();
    this.#update();
  }

  save(): GoldfishRtcState {
    return {
      version: 1,
      offsetNs: this.#offsetNs,
      timeHigh: this.#timeHigh,
      alarmNs: this.#alarmNs,
      firesAtNs: this.#firesAtNs,
      alarmRunning: this.#alarmRunning,
      irqEnabled: this.#irqEnabled,
      irqPending: this.#irqPending,
    };
  }

  /** Takes back a saved state; an alarm whose time passed meanwhile fires. */
  restore(state: DeviceState): void {
    const saved = parseGoldfishRtcState(this.name, state);
    this.#offsetNs = saved.offsetNs;
    this.#timeHigh = saved.timeHigh;
    this.#alarmNs = saved.alarmNs;
    this.#firesAtNs = saved.firesAtNs;
    this.#alarmRunning = saved.alarmRunning;
    this.#irqEnabled = saved.irqEnabled;
    this.#irqPending = saved.irqPending;
    this.#update();
    this.#scheduleAlarm();
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    return [
      {
        name: `rtc@${this.base.toString(16)}`,
        properties: {
          compatible: "google,goldfish-rtc",
          reg: [BigInt(this.base), BigInt(this.size)],
          "interrupt-parent": context.phandle("plic"),
          interrupts: this.#interruptSource,
        },
      },
    ];
  }

  /** The guest's time. */
  #now(): bigint {
    return BigInt.asUintN(64, this.#clock.unixTimeNs() + this.#offsetNs);
  }

  #setTime(time: bigint): void {
    this.#offsetNs = BigInt.asUintN(64, time - this.#clock.unixTimeNs());
    if (this.#alarmRunning) this.#scheduleAlarm();
  }

  /** Fires the alarm or asks for the call that will; takes the request back if no alarm runs. */
  #scheduleAlarm(): void {
    this.tick();
    this.#schedule(this.#alarmRunning ? this.#clock.unixTimeNs() + (this.#firesAtNs - this.#now()) : undefined);
  }

  #update(): void {
    this.#interrupt.set(this.#irqPending && this.#irqEnabled);
  }
}

function withLow(value: bigint, low: number): bigint {
  return (value & ~LOW) | BigInt(low);
}

function withHigh(value: bigint, high: number): bigint {
  return (BigInt(high) << 32n) | (value & LOW);
}
