/**
 * The registers and bits of the 16550A UART (National Semiconductor PC16550D
 * data sheet, table II). Only this folder uses them.
 */

/** Register offsets; the first two are the divisor latch while {@link LineControl.DivisorLatch} is set. */
export const Register = {
  /** RBR when read, THR when written, or DLL. */
  Data: 0,
  /** IER, or DLM. */
  InterruptEnable: 1,
  /** IIR when read, FCR when written. */
  InterruptIdentification: 2,
  LineControl: 3,
  ModemControl: 4,
  LineStatus: 5,
  ModemStatus: 6,
  Scratch: 7,
} as const;

/** Bits of IER. */
export const InterruptEnable = {
  ReceivedData: 0x01,
  TransmitterEmpty: 0x02,
  LineStatus: 0x04,
  ModemStatus: 0x08,
} as const;

/** Values of IIR's low half, highest priority first, and the two bits that tell a 16550A with its FIFOs on. */
export const InterruptIdentification = {
  LineStatus: 0x06,
  ReceivedData: 0x04,
  CharacterTimeout: 0x0c,
  TransmitterEmpty: 0x02,
  ModemStatus: 0x00,
  None: 0x01,
  FifosEnabled: 0xc0,
} as const;

/** Bits of FCR; `Kept` are those that a read back of the state would show, the others act once. */
export const FifoControl = { Enable: 0x01, ClearReceiver: 0x02, Kept: 0xc9 } as const;

/** Bits of LCR that this device heeds. */
export const LineControl = { DivisorLatch: 0x80 } as const;

/** Bits of MCR. */
export const ModemControl = {
  DataTerminalReady: 0x01,
  RequestToSend: 0x02,
  Out1: 0x04,
  Out2: 0x08,
  Loopback: 0x10,
} as const;

/** Bits of LSR. */
export const LineStatus = { DataReady: 0x01, Overrun: 0x02, HoldingEmpty: 0x20, TransmitterEmpty: 0x40 } as const;

/** Bits of MSR: the inputs in the high half, what changed of them in the low half. */
export const ModemStatus = {
  ClearToSend: 0x10,
  DataSetReady: 0x20,
  RingIndicator: 0x40,
  CarrierDetect: 0x80,
  DeltaMask: 0x0b,
  TrailingEdgeRing: 0x04,
} as const;

/** Size of the receive FIFO (data sheet, FIFO Control Register). */
export const RECEIVE_FIFO_BYTES = 16;
