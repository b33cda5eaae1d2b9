/** The saved state of a 16550A UART, and the check of one that comes back. */
import type { DeviceState } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";
import { RECEIVE_FIFO_BYTES } from "./registers.js";

/** What a Uart16550 saves. Register names are those of the data sheet. */
export interface Uart16550State extends DeviceState {
  readonly version: 1;
  readonly ier: number;
  readonly fcr: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly scr: number;
  /** DLM and DLL together. */
  readonly divisor: number;
  /** The low half of MSR: which modem inputs changed since it was last read. */
  readonly modemDeltas: number;
  /** LSR's overrun bit. */
  readonly overrun: boolean;
  /** Whether the "transmitter holding register empty" interrupt has not been acknowledged yet. */
  readonly transmitInterrupt: boolean;
  /** Received bytes that the guest has not read, oldest first. */
  readonly received: Uint8Array;
}

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no UART can have saved it. */
export function parseUart16550State(device: string, state: DeviceState): Uart16550State {
  const fields = new SavedFields(device, state, 1, [
    "ier",
    "fcr",
    "lcr",
    "mcr",
    "scr",
    "divisor",
    "modemDeltas",
    "overrun",
    "transmitInterrupt",
    "received",
  ]);
  const fcr = fields.bits("fcr", 0xc9);
  const fifoEnabled = (fcr & 1) !== 0;
  fields.require(fifoEnabled || fcr === 0, `"fcr" is ${fcr}, but without bit 0 it holds nothing`);
  return {
    version: 1,
    ier: fields.bits("ier", 0x0f),
    fcr,
    lcr: fields.bits("lcr", 0xff),
    mcr: fields.bits("mcr", 0x1f),
    scr: fields.bits("scr", 0xff),
    divisor: fields.bits("divisor", 0xffff),
    modemDeltas: fields.bits("modemDeltas", 0x0f),
    overrun: fields.boolean("overrun"),
    transmitInterrupt: fields.boolean("transmitInterrupt"),
    received: fields.bytes("received", { least: 0, most: fifoEnabled ? RECEIVE_FIFO_BYTES : 1 }),
  };
}
