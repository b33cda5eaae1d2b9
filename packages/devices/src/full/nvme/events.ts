/**
 * Asynchronous events (NVM Express 1.4, 5.2): requests that a controller holds
 * until it has something to tell. An event of a kind is told once; then that
 * kind keeps quiet until the guest has read the log page that goes with it.
 */
import { EVENT_REQUEST_LIMIT } from "./identify.js";
import { LogPage } from "./log-pages.js";

/** Kinds of events, and what happened (figures 147 to 149). */
export const Event = {
  InvalidDoorbellRegister: 0x00_00,
  InvalidDoorbellValue: 0x01_00,
  TemperatureThreshold: 0x01_01,
} as const;

const KINDS = 2;

/** As saved. */
export interface EventsState {
  readonly held: readonly number[];
  /** The event of each kind that waits for a request; -1 for none. */
  readonly waiting: readonly number[];
  readonly masked: readonly boolean[];
}

export class AsynchronousEvents {
  #held: number[] = [];
  #waiting = new Array<number>(KINDS).fill(-1);
  #masked = new Array<boolean>(KINDS).fill(false);

  /** Keeps the request with this command identifier; false if there are as many as may be. */
  hold(command: number): boolean {
    if (this.#held.length > EVENT_REQUEST_LIMIT) return false;
    this.#held.push(command);
    return true;
  }

  /** Lets go of a request; false if it is not held. */
  release(command: number): boolean {
    const at = this.#held.indexOf(command);
    if (at >= 0) this.#held.splice(at, 1);
    return at >= 0;
  }

  /** Something happened: the low byte of the event is its kind. */
  raise(event: number): void {
    const kind = event & 0xff;
    if (this.#masked[kind] || this.#waiting[kind] !== -1) return;
    this.#waiting[kind] = event;
  }

  /** The guest has read the log page of a kind. */
  clear(kind: number): void {
    this.#masked[kind] = false;
  }

  /** An event and the request that it answers, which both are taken; undefined if either is missing. */
  take(): { readonly command: number; readonly result: number } | undefined {
    const kind = this.#waiting.findIndex((event) => event !== -1);
    const command = kind < 0 ? undefined : this.#held.shift();
    if (command === undefined) return undefined;
    const event = this.#waiting[kind] ?? 0;
    this.#waiting[kind] = -1;
    this.#masked[kind] = true;
    const page = kind === 0 ? LogPage.Error : LogPage.Health;
    return { command, result: (event & 0xff) | (event & 0xff00) | (page << 16) };
  }

  reset(): void {
    this.restore({
      held: [],
      waiting: new Array<number>(KINDS).fill(-1),
      masked: new Array<boolean>(KINDS).fill(false),
    });
  }

  save(): EventsState {
    return { held: [...this.#held], waiting: [...this.#waiting], masked: [...this.#masked] };
  }

  restore({ held, waiting, masked }: EventsState): void {
    this.#held = [...held];
    this.#waiting = [...waiting];
    this.#masked = [...masked];
  }
}
