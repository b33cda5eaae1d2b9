/**
 * SBI PMU (SBI 2.0, chapter 11): finds, sets up, starts and stops performance
 * counters for a supervisor, which may only read those of the hart. Logical
 * counters 0 and 2 are `cycle` and `instret`, 3 and those that follow the programmable
 * ones, so that a hart's counters have their own numbers (1 is none, as
 * `time` is no counter); behind them are those of firmware events.
 *
 * There are no snapshots, which are optional: where there are, the driver of Linux 6.12 starts counters that overflowed
 * under wrong numbers, and so takes one sample only.
 */
import {
  CounterEvent,
  FirmwareEvent,
  type FirmwareEventCode,
  type HypercallContext,
  type HypercallExtension,
  PROGRAMMABLE_COUNTERS,
  SbiError,
  type SbiResult,
} from "@hartvisor/core";
import { FirmwareCounter, HardwareCounter, type PmuCounter, type PmuEvent } from "./pmu-counters.js";

const FIRMWARE_COUNTERS = 16;
const FIXED_COUNTERS = [0, 2];
const FIRST_FIRMWARE_COUNTER = 3 + PROGRAMMABLE_COUNTERS.length;
const COUNTERS = FIRST_FIRMWARE_COUNTER + FIRMWARE_COUNTERS;

/** Types of events, in bits 19 to 16 of an event's index. */
const EventType = { General: 0, Raw: 2, Firmware: 15 } as const;
/** Codes of general events that are counted. */
const General: ReadonlyMap<number, number> = new Map([
  [1, CounterEvent.Cycles],
  [2, CounterEvent.Instructions],
]);
const HIGHEST_RAW_EVENT = BigInt(CounterEvent.TlbFills);
const HIGHEST_FIRMWARE_EVENT = FirmwareEvent.SfenceVmaAsidReceived;

const Configure = { SkipMatch: 1n, ClearValue: 2n, AutoStart: 4n, Known: 0xffn } as const;
const Start = { SetInitialValue: 1n, FromSnapshot: 2n, Known: 3n } as const;
const Stop = { Reset: 1n, TakeSnapshot: 2n, Known: 3n } as const;

const SUCCESS: SbiResult = { error: SbiError.Success };
const INVALID: SbiResult = { error: SbiError.InvalidParam };

/** A hart's counters by logical number; undefined where there is none. */
type Counters = readonly (PmuCounter | undefined)[];

/** Machines come and go; the module is one. */
const machines = new WeakMap<HypercallContext, Map<number, Counters>>();

/** The PMU extension. */
export const sbiPmu: HypercallExtension = {
  id: 0x504d55,
  name: "PMU",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    const [first = 0n, second = 0n, third = 0n, fourth = 0n, fifth = 0n] = args;
    const counters = countersOf(context);
    const set = { base: first, mask: second };
    switch (functionId) {
      case 0:
        return { error: SbiError.Success, value: BigInt(COUNTERS) };
      case 1: {
        const counter = counterAt(counters, first);
        return counter === undefined ? INVALID : { error: SbiError.Success, value: counter.info };
      }
      case 2:
        return configure(counters, set, third, fourth, fifth);
      case 3:
        return start(counters, set, third, fourth);
      case 4:
        return stop(counters, set, third);
      case 5:
      case 6: {
        const counter = counterAt(counters, first);
        if (!(counter instanceof FirmwareCounter)) return INVALID;
        // All 64 bits are in the first answer; the second is for harts of 32 bits.
        return { error: SbiError.Success, value: functionId === 5 ? counter.value : 0n };
      }
      default:
        return { error: SbiError.NotSupported };
    }
  },
};

function countersOf(context: HypercallContext): Counters {
  const harts = machines.get(context) ?? new Map<number, Counters>();
  machines.set(context, harts);
  const { hart } = context;
  const found = harts.get(hart);
  if (found !== undefined) return found;
  const counters: (PmuCounter | undefined)[] = new Array<undefined>(COUNTERS);
  for (const n of [...FIXED_COUNTERS, ...PROGRAMMABLE_COUNTERS]) counters[n] = new HardwareCounter(n, context);
  for (let n = FIRST_FIRMWARE_COUNTER; n < COUNTERS; n++) counters[n] = new FirmwareCounter(hart, context);
  harts.set(hart, counters);
  return counters;
}

function counterAt(counters: Counters, index: bigint): PmuCounter | undefined {
  return index < BigInt(COUNTERS) ? counters[Number(index)] : undefined;
}

/** A set of counters as calls name it. */
interface CounterSet {
  readonly base: bigint;
  readonly mask: bigint;
}

/** Each counter of a set with its number; undefined where one does not exist. */
function select(counters: Counters, { base, mask }: CounterSet) {
  const selected: { readonly index: bigint; readonly counter: PmuCounter }[] = [];
  for (let index = base, rest = mask; rest !== 0n; index++, rest >>= 1n) {
    if ((rest & 1n) === 0n) continue;
    const counter = counterAt(counters, index);
    if (counter === undefined) return undefined;
    selected.push({ index, counter });
  }
  return selected;
}

/** The event that a call names, if anything here counts it; `invalid` where the specification reserves what is asked. */
function eventOf(index: bigint, argument: bigint): PmuEvent | "invalid" | undefined {
  if (index >= 1n << 20n) return undefined;
  const [type, code] = [Number(index >> 16n), Number(index & 0xffffn)];
  if (type === EventType.Raw) {
    if (code !== 0 || argument === 0n || argument > HIGHEST_RAW_EVENT) return undefined;
    return { kind: "hardware", selector: Number(argument) };
  }
  if (type === EventType.Firmware && code <= HIGHEST_FIRMWARE_EVENT) {
    return argument === 0n ? { kind: "firmware", code: code as FirmwareEventCode } : "invalid";
  }
  const selector = type === EventType.General ? General.get(code) : undefined;
  if (selector === undefined) return undefined;
  return argument === 0n ? { kind: "hardware", selector } : "invalid";
}

function configure(counters: Counters, set: CounterSet, flags: bigint, index: bigint, argument: bigint): SbiResult {
  const selected = select(counters, set);
  const event = eventOf(index, argument);
  if (selected === undefined || (flags & ~Configure.Known) !== 0n || event === "invalid") return INVALID;
  if (event === undefined) return { error: SbiError.NotSupported };
  // Programmable counters come first: those that are fixed have no overflow interrupt.
  const preferred = [...selected].sort((one, other) => Number(isFixed(one.index)) - Number(isFixed(other.index)));
  const match =
    (flags & Configure.SkipMatch) !== 0n
      ? selected[0]
      : preferred.find(({ counter }) => !counter.isStarted && counter.canCount(event));
  if (match === undefined || !match.counter.canCount(event)) return { error: SbiError.NotSupported };
  const { counter } = match;
  counter.configure(event, inhibitionOf(flags));
  if ((flags & Configure.ClearValue) !== 0n) counter.value = 0n;
  if ((flags & Configure.AutoStart) !== 0n && !counter.isStarted) counter.start();
  return { error: SbiError.Success, value: match.index };
}

function isFixed(index: bigint): boolean {
  return FIXED_COUNTERS.includes(Number(index));
}

/** Flags 3 to 7, VUINH to MINH, are in the order of bits 58 to 62 of `mhpmevent` (Sscofpmf). */
function inhibitionOf(flags: bigint): bigint {
  return ((flags >> 3n) & 0x1fn) << 58n;
}

function start(counters: Counters, set: CounterSet, flags: bigint, initial: bigint): SbiResult {
  const selected = select(counters, set);
  if (selected === undefined || (flags & ~Start.Known) !== 0n || flags === Start.Known) return INVALID;
  if (flags === Start.FromSnapshot) return { error: SbiError.NoSharedMemory };
  let isStarted = false;
  for (const { counter } of selected) {
    if (counter.isStarted) {
      isStarted = true;
      continue;
    }
    if (flags === Start.SetInitialValue) counter.value = initial;
    counter.start();
  }
  return isStarted ? { error: SbiError.AlreadyStarted } : SUCCESS;
}

function stop(counters: Counters, set: CounterSet, flags: bigint): SbiResult {
  const selected = select(counters, set);
  if (selected === undefined || (flags & ~Stop.Known) !== 0n) return INVALID;
  if ((flags & Stop.TakeSnapshot) !== 0n) return { error: SbiError.NoSharedMemory };
  let isStopped = false;
  for (const { counter } of selected) {
    if (!counter.isStarted) isStopped = true;
    counter.stop();
    if ((flags & Stop.Reset) !== 0n) counter.reset();
  }
  return isStopped ? { error: SbiError.AlreadyStopped } : SUCCESS;
}
