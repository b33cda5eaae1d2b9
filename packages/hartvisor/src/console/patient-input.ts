/**
 * Gives a serial port input only while the guest listens to it. What comes
 * earlier waits: drivers probe the interrupt enables and empty the receiver
 * while they set a port up, and would lose it.
 */
import type { Uart16550 } from "@hartvisor/devices";
import type { InputSink } from "./serial-console.js";

export class PatientInput implements InputSink {
  readonly #uart: Pick<Uart16550, "isListening" | "receive">;
  /** Calls back a moment later in guest time. */
  readonly #later: (callback: () => void) => void;
  readonly #pump: () => void;
  #settled = false;

  constructor(
    uart: Pick<Uart16550, "isListening" | "receive">,
    later: (callback: () => void) => void,
    pump: () => void,
  ) {
    this.#uart = uart;
    this.#later = later;
    this.#pump = pump;
  }

  receive(bytes: Uint8Array): number {
    if (!this.#uart.isListening) this.#settled = false;
    if (this.#settled) return this.#uart.receive(bytes);
    this.becameReady();
    return 0;
  }

  /** The port has room, or its guest began to listen: a probe does not listen for long. */
  becameReady(): void {
    if (this.#settled) this.#pump();
    else if (this.#uart.isListening) this.#later(() => this.#settle());
  }

  #settle(): void {
    this.#settled = this.#uart.isListening;
    if (this.#settled) this.#pump();
  }
}
