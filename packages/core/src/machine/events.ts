/** What a machine tells whoever listens. */
import type { ExitReason } from "./exit-reason.js";

/** Events of a machine and what their listeners get. */
export interface MachineEvents {
  /** The machine stopped for good. */
  exit: ExitReason;
  /** A hart is about to execute an instruction with a breakpoint; the machine is pausing. */
  breakpoint: { readonly hart: number; readonly address: bigint };
  /** The shared pool has no frame for the machine: it pauses until there is one, then goes on by itself. */
  "memory-exhausted": { readonly framesInUse: number };
  /** There are frames again. */
  "memory-available": { readonly freeFrames: number };
}

/** Those who listen. */
export class MachineListeners {
  readonly #listeners = new Map<keyof MachineEvents, Set<(event: never) => void>>();

  /** Listens to an event; call the result to stop listening. */
  add<Name extends keyof MachineEvents>(name: Name, listener: (event: MachineEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  tell<Name extends keyof MachineEvents>(name: Name, event: MachineEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) (listener as (event: MachineEvents[Name]) => void)(event);
  }
}
