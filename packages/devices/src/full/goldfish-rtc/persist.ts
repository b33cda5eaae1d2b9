/** The saved state of a Goldfish real-time clock, and the check of one that comes back. */
import type { DeviceState } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";

/** What a GoldfishRtc saves; the host's part of the time belongs to the machine's clock. */
export interface GoldfishRtcState extends DeviceState {
  readonly version: 1;
  /** Guest time minus the clock's, in nanoseconds modulo 2^64. */
  readonly offsetNs: bigint;
  /** TIME_HIGH as the last read of TIME_LOW latched it. */
  readonly timeHigh: number;
  /** ALARM_HIGH and ALARM_LOW together. */
  readonly alarmNs: bigint;
  /** What they were when ALARM_LOW was last written: when a running alarm fires. */
  readonly firesAtNs: bigint;
  /** ALARM_STATUS. */
  readonly alarmRunning: boolean;
  readonly irqEnabled: boolean;
  /** Whether an alarm fired that CLEAR_INTERRUPT has not acknowledged. */
  readonly irqPending: boolean;
}

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no such clock can have saved it. */
export function parseGoldfishRtcState(device: string, state: DeviceState): GoldfishRtcState {
  const names = ["offsetNs", "timeHigh", "alarmNs", "firesAtNs", "alarmRunning", "irqEnabled", "irqPending"];
  const fields = new SavedFields(device, state, 1, names);
  return {
    version: 1,
    offsetNs: fields.unsigned64("offsetNs"),
    timeHigh: fields.bits("timeHigh", 0xffff_ffff),
    alarmNs: fields.unsigned64("alarmNs"),
    firesAtNs: fields.unsigned64("firesAtNs"),
    alarmRunning: fields.boolean("alarmRunning"),
    irqEnabled: fields.boolean("irqEnabled"),
    irqPending: fields.boolean("irqPending"),
  };
}
