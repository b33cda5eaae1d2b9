/** What a driver sets and reads back by Set Features and Get Features (NVM Express 1.4, 5.21): the mandatory ones and the write cache. */
import type { NvmeCommand } from "./command.js";
import { ALL_NAMESPACES, NAMESPACE_ID, type Namespace } from "./namespace.js";
import { MAX_IO_QUEUES, type QueueSet } from "./queue-set.js";
import { Outcome } from "./registers.js";

export const Feature = {
  Arbitration: 0x01,
  PowerManagement: 0x02,
  TemperatureThreshold: 0x04,
  ErrorRecovery: 0x05,
  WriteCache: 0x06,
  NumberOfQueues: 0x07,
  InterruptCoalescing: 0x08,
  InterruptVector: 0x09,
  WriteAtomicity: 0x0a,
  AsynchronousEvents: 0x0b,
} as const;

const NUMBER_OF_QUEUES = (MAX_IO_QUEUES - 1) * 0x0001_0001;
const SAVE = 0x8000_0000;
/** Fields of the temperature threshold: the value, the sensor, and whether it is the lower limit. */
const SENSOR = 0x000f_0000;
const LIMIT = 0x0030_0000;
const LOWER_LIMIT = 0x0010_0000;

/** What each feature without effects of its own is after a reset, and which bits of it can be set. */
const STORED: ReadonlyMap<number, { readonly initial: number; readonly mask: number }> = new Map([
  [Feature.Arbitration, { initial: 7, mask: 0xffff_ff07 }],
  [Feature.PowerManagement, { initial: 0, mask: 0xe0 }],
  [Feature.ErrorRecovery, { initial: 0, mask: 0xffff }],
  [Feature.InterruptCoalescing, { initial: 0, mask: 0xffff }],
  [Feature.InterruptVector, { initial: 0, mask: 0x1_0000 }],
  [Feature.WriteAtomicity, { initial: 0, mask: 1 }],
  [Feature.AsynchronousEvents, { initial: 0, mask: 0xff }],
]);

/** Bits that may not be set, because they name something that is not there. */
const ABSENT: ReadonlyMap<number, number> = new Map([
  [Feature.PowerManagement, 0x1f], // power states but the first
  [Feature.ErrorRecovery, 0x1_0000], // errors for deallocated blocks
  [Feature.InterruptVector, 0xffff], // vectors but the first
]);

/** The features of a controller. */
export class Features {
  readonly #values = new Map<number, number>();
  readonly #namespace: Namespace;
  readonly #queues: QueueSet;
  /** In kelvins: over this, and under that, the disk is too warm or too cold. */
  readonly #limits = { upper: 0, lower: 0 };
  readonly #initialUpperLimit: number;

  constructor(namespace: Namespace, queues: QueueSet, upperLimit: number) {
    this.#namespace = namespace;
    this.#queues = queues;
    this.#initialUpperLimit = upperLimit;
    this.reset();
  }

  reset(): void {
    for (const [feature, { initial }] of STORED) this.#values.set(feature, initial);
    this.#limits.upper = this.#initialUpperLimit;
    this.#limits.lower = 0;
    this.#namespace.hasWriteCache = true;
  }

  /** What a feature is set to. */
  valueOf(feature: number): number {
    return this.#values.get(feature) ?? 0;
  }

  /** Whether a temperature is beyond a limit. */
  isBeyondLimits(kelvins: number): boolean {
    return kelvins >= this.#limits.upper || kelvins <= this.#limits.lower;
  }

  get(command: NvmeCommand): number {
    const feature = command.dword(10) & 0xff;
    // Only current values: saved and default ones cannot be asked for (ONCS).
    if ((command.dword(10) & 0x700) !== 0) return Outcome.InvalidField;
    switch (feature) {
      case Feature.TemperatureThreshold: {
        const isLower = (command.dword(11) & LIMIT) === LOWER_LIMIT;
        if (!isLower && (command.dword(11) & LIMIT) !== 0) return Outcome.InvalidField;
        if ((command.dword(11) & SENSOR) !== 0) return Outcome.InvalidField;
        command.result = isLower ? this.#limits.lower : this.#limits.upper;
        return Outcome.Success;
      }
      case Feature.WriteCache:
        command.result = this.#namespace.hasWriteCache ? 1 : 0;
        return Outcome.Success;
      case Feature.NumberOfQueues:
        command.result = NUMBER_OF_QUEUES;
        return Outcome.Success;
      case Feature.ErrorRecovery:
        if (command.namespace !== NAMESPACE_ID) return Outcome.InvalidNamespace;
        break;
      case Feature.InterruptVector:
        if ((command.dword(11) & 0xffff) !== 0) return Outcome.InvalidField;
        break;
    }
    const value = this.#values.get(feature);
    if (value === undefined) return Outcome.InvalidField;
    command.result = value;
    return Outcome.Success;
  }

  set(command: NvmeCommand): number | Promise<number> {
    const feature = command.dword(10) & 0xff;
    const value = command.dword(11);
    if (command.dword(10) & SAVE) return Outcome.FeatureNotSaveable;
    const { namespace } = command;
    const isOfNamespace = feature === Feature.ErrorRecovery;
    if (namespace === 0 ? isOfNamespace : namespace !== ALL_NAMESPACES && namespace !== NAMESPACE_ID) {
      return Outcome.InvalidNamespace;
    }
    if (namespace === NAMESPACE_ID && !isOfNamespace) return Outcome.FeatureNotOfNamespace;
    switch (feature) {
      case Feature.TemperatureThreshold:
        return this.#setLimit(value);
      case Feature.WriteCache:
        return this.#setWriteCache((value & 1) !== 0);
      case Feature.NumberOfQueues: {
        // 5.21.1.7: once, before there are any; 65,536 of either kind cannot be asked for.
        if (this.#queues.hasIoQueues) return Outcome.CommandSequenceError;
        if ((value & 0xffff) === 0xffff || value >>> 16 === 0xffff) return Outcome.InvalidField;
        command.result = NUMBER_OF_QUEUES;
        return Outcome.Success;
      }
    }
    const stored = STORED.get(feature);
    if (stored === undefined || (value & (ABSENT.get(feature) ?? 0)) !== 0) return Outcome.InvalidField;
    this.#values.set(feature, (value & stored.mask) >>> 0);
    return Outcome.Success;
  }

  save(): readonly number[] {
    const stored = [...STORED.keys()].map((feature) => this.valueOf(feature));
    return [...stored, this.#limits.upper, this.#limits.lower, this.#namespace.hasWriteCache ? 1 : 0];
  }

  /** Takes what {@link save} gave, and {@link areFeatureValues} has checked. */
  restore(values: readonly number[]): void {
    const features = [...STORED.keys()];
    for (const [n, feature] of features.entries()) this.#values.set(feature, values[n] ?? 0);
    const [upper = 0, lower = 0, cache] = values.slice(features.length);
    Object.assign(this.#limits, { upper, lower });
    this.#namespace.hasWriteCache = cache === 1;
  }

  #setLimit(value: number): number {
    const isLower = (value & LIMIT) === LOWER_LIMIT;
    if ((!isLower && (value & LIMIT) !== 0) || (value & SENSOR) !== 0) return Outcome.InvalidField;
    this.#limits[isLower ? "lower" : "upper"] = value & 0xffff;
    return Outcome.Success;
  }

  /** Without a cache, what was written before is durable, too. */
  #setWriteCache(isOn: boolean): number | Promise<number> {
    this.#namespace.hasWriteCache = isOn;
    return isOn ? Outcome.Success : this.#namespace.flush();
  }
}

/** Whether these are values that features can have, in the order in which they are saved. */
export function areFeatureValues(values: readonly number[]): boolean {
  const masks = [...[...STORED.values()].map(({ mask }) => mask), 0xffff, 0xffff, 1];
  return (
    Array.isArray(values) &&
    values.length === masks.length &&
    values.every((value, n) => Number.isInteger(value) && value >= 0 && (value & (masks[n] ?? 0)) >>> 0 === value)
  );
}
