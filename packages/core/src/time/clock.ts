/** Where the guest's time comes from. */
export interface Clock {
  /** Ticks of the `time` CSR per second (the device tree's `timebase-frequency`). */
  readonly frequencyHz: number;
  /** The `time` CSR now. */
  ticks(): bigint;
  /** Nanoseconds since 1970-01-01T00:00:00Z, as the guest's real-time clock should show. */
  unixTimeNs(): bigint;
}
