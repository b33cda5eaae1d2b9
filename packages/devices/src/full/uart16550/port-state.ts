/**
 * The registers behind a 16550A's port and what follows from them, without any
 * effect: which interrupt is pending, what the modem inputs show. The device
 * beside it gives them an address and acts.
 */
import {
  FifoControl,
  InterruptEnable,
  InterruptIdentification,
  LineControl,
  ModemControl,
  ModemStatus,
  RECEIVE_FIFO_BYTES,
} from "./registers.js";

/** Received bytes that raise the interrupt, by FCR's two high bits (data sheet, FIFO Control Register). */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** The divisor that QEMU's board starts with: 9600 baud from 1.8432 MHz. */
const RESET_DIVISOR = 0x0c;

/** The modem inputs of a cable that is plugged in: a peer is there and ready. */
const CONNECTED = ModemStatus.CarrierDetect | ModemStatus.DataSetReady | ModemStatus.ClearToSend;

/** Named as in the saved state, which explains them. */
export interface PortState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  scr: number;
  divisor: number;
  modemDeltas: number;
  overrun: boolean;
  transmitInterrupt: boolean;
  received: number[];
}

export function powerOnState(): PortState {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: ModemControl.Out2,
    scr: 0,
    divisor: RESET_DIVISOR,
    modemDeltas: 0,
    overrun: false,
    transmitInterrupt: false,
    received: [],
  };
}

/** Whether registers 0 and 1 are the divisor latch. */
export function divisorLatch({ lcr }: PortState): boolean {
  return (lcr & LineControl.DivisorLatch) !== 0;
}

export function fifosEnabled({ fcr }: PortState): boolean {
  return (fcr & FifoControl.Enable) !== 0;
}

export function loopback({ mcr }: PortState): boolean {
  return (mcr & ModemControl.Loopback) !== 0;
}

/** How many bytes the receiver holds. */
export function receiveCapacity(state: PortState): number {
  return fifosEnabled(state) ? RECEIVE_FIFO_BYTES : 1;
}

/** The high half of MSR. In loopback the four modem outputs are the modem inputs (data sheet, Modem Control Register). */
export function modemInputs(state: PortState): number {
  if (!loopback(state)) return CONNECTED;
  return (
    (state.mcr & ModemControl.RequestToSend ? ModemStatus.ClearToSend : 0) |
    (state.mcr & ModemControl.DataTerminalReady ? ModemStatus.DataSetReady : 0) |
    (state.mcr & ModemControl.Out1 ? ModemStatus.RingIndicator : 0) |
    (state.mcr & ModemControl.Out2 ? ModemStatus.CarrierDetect : 0)
  );
}

/** The pending interrupt of the highest priority, as IIR's low half (data sheet, table IV). */
export function identifyInterrupt(state: PortState): number {
  const { ier, received } = state;
  if (ier & InterruptEnable.LineStatus && state.overrun) return InterruptIdentification.LineStatus;
  if (ier & InterruptEnable.ReceivedData && received.length > 0) {
    const trigger = fifosEnabled(state) ? (TRIGGER_LEVELS[state.fcr >> 6] ?? 1) : 1;
    // Characters take no time here, so that the four character times of the FIFO's timeout have always passed.
    return received.length >= trigger ? InterruptIdentification.ReceivedData : InterruptIdentification.CharacterTimeout;
  }
  if (ier & InterruptEnable.TransmitterEmpty && state.transmitInterrupt)
    return InterruptIdentification.TransmitterEmpty;
  if (ier & InterruptEnable.ModemStatus && state.modemDeltas !== 0) return InterruptIdentification.ModemStatus;
  return InterruptIdentification.None;
}
