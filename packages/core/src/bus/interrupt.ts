/** A wire from a device to an interrupt controller or from there to a hart. */
export interface InterruptLine {
  /** Drives the line; driving it to the level it already has does nothing. */
  set(level: boolean): void;
}

/** Bit numbers in `mip`/`mie` (Privileged ISA 1.13, 3.1.9). */
export const Interrupt = {
  SupervisorSoftware: 1,
  MachineSoftware: 3,
  SupervisorTimer: 5,
  MachineTimer: 7,
  SupervisorExternal: 9,
  MachineExternal: 11,
} as const;

export type InterruptNumber = (typeof Interrupt)[keyof typeof Interrupt];

/** Interrupts that wires drive; the timers' pending bits are the hart's own. */
export type WiredInterrupt = Exclude<InterruptNumber, typeof Interrupt.SupervisorTimer | typeof Interrupt.MachineTimer>;
