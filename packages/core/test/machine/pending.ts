/** Bits of mip and mie, and how tests make interrupts pending and wait for what comes of them. */
import { Interrupt } from "../../src/index.js";
import type { Guest } from "./guest.js";

export const SSI = 1n << 1n;
export const MSI = 1n << 3n;
export const STI = 1n << 5n;
export const MTI = 1n << 7n;
export const SEI = 1n << 9n;
export const MEI = 1n << 11n;
export const LCOFI = 1n << 13n;
export const STCE = 1n << 63n;
export const SUPERVISOR = SSI | STI | SEI;
/** With the virtual clock. */
export const INSTRUCTIONS_PER_TICK = 10n;

/** Raises wires, and the bits that only software or timers can. */
export function raise(guest: Guest, pending: bigint): void {
  for (const number of Object.values(Interrupt)) {
    if (((pending >> BigInt(number)) & 1n) === 0n) continue;
    if (number === Interrupt.MachineTimer) guest.machine.setMachineTimer(0, 0n);
    else if (number === Interrupt.SupervisorTimer) guest.setBits("mip", STI);
    else guest.machine.interruptLine(0, number).set(true);
  }
}

/** Runs on until the hart is about to execute an instruction. */
export async function runTo(guest: Guest, address: number): Promise<void> {
  const { machine } = guest;
  machine.addBreakpoint(BigInt(address));
  const hit = new Promise((resolve) => machine.on("breakpoint", resolve));
  machine.start();
  await hit;
  await machine.pause();
  machine.removeBreakpoint(BigInt(address));
}
