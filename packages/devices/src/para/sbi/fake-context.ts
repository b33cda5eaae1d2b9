/**
 * A machine for the tests of the hypercall modules beside this file: it has
 * states and RAM, writes down what it is asked to do, and runs nothing.
 */
import {
  HartState,
  type HartStateNumber,
  type HypercallContext,
  type HypercallExtension,
  type ShutdownRequest,
} from "@hartvisor/core";

/** Where the fake machine's RAM lies. */
export const RAM_BASE = 0x8000_0000n;
export const RAM_BYTES = 0x1_0000;

export interface FakeMachine {
  readonly context: HypercallContext;
  /** What the module asked for, in order: the method's name and its arguments. */
  readonly asked: unknown[][];
  readonly ram: Uint8Array;
  readonly states: HartStateNumber[];
  /** Input that waits on the debug console. */
  input: number[];
  /** The calling hart's CSRs by number: they keep what is written. */
  readonly csrs: Map<number, bigint>;
  /** How often a firmware event was counted. */
  eventCount(event: number, hart: number): bigint;
  /** Sets the harts' steal time. */
  steal(ns: bigint): void;
  /** A hart resumes: calls back whoever asked for it. */
  resume(): void;
}

/** A machine with a hart per state, of which hart 0 calls. */
export function fakeMachine(
  states: HartStateNumber[] = [HartState.Started],
  extensions: readonly HypercallExtension[] = [],
): FakeMachine {
  const asked: unknown[][] = [];
  const ram = new Uint8Array(RAM_BYTES);
  const inRam = (address: bigint, length: number) =>
    address >= RAM_BASE && address + BigInt(length) <= RAM_BASE + BigInt(RAM_BYTES);
  const note =
    (name: string) =>
    (...args: unknown[]): void => {
      asked.push([name, ...args]);
    };
  const csrs = new Map<number, bigint>();
  const events = new Map<string, bigint>();
  let stealNs = 0n;
  let onResume: (() => void) | undefined;
  const machine: FakeMachine = {
    steal: (ns) => {
      stealNs = ns;
    },
    resume: () => onResume?.(),
    csrs,
    eventCount: (event, hart) => events.get(`${event} of ${hart}`) ?? 0n,
    asked,
    ram,
    states,
    input: [],
    context: {
      hart: 0,
      hartCount: states.length,
      identity: { vendor: 0x489n, architecture: 7n, implementation: 0x1_0000_0001n },
      extensions: new Map(extensions.map((extension) => [extension.id, extension])),
      memory: {
        read: (address, length) =>
          inRam(address, length) ? ram.slice(Number(address - RAM_BASE)).subarray(0, length) : undefined,
        write: (address, bytes) => {
          if (!inRam(address, bytes.length)) return false;
          ram.set(bytes, Number(address - RAM_BASE));
          return true;
        },
      },
      hartState: (hart) => {
        const state = states[hart];
        if (state === undefined) throw new RangeError(`asked for the state of hart ${hart}`);
        return state;
      },
      startHart: note("startHart"),
      stopHart: note("stopHart"),
      suspendHart: note("suspendHart"),
      setInterrupt: note("setInterrupt"),
      setTimer: note("setTimer"),
      fenceInstructions: note("fenceInstructions"),
      fenceAddresses: note("fenceAddresses"),
      readCsr: (csr) => csrs.get(csr) ?? 0n,
      writeCsr: (csr, value) => void csrs.set(csr, value),
      countEvent: (event, hart) => void events.set(`${event} of ${hart}`, machine.eventCount(event, hart) + 1n),
      eventCount: (event, hart) => machine.eventCount(event, hart),
      writeConsole: note("writeConsole"),
      readConsole: (length) => Uint8Array.from(machine.input.splice(0, length)),
      unixTimeNs: () => 1_700_000_000_000_000_000n,
      yieldTurn: note("yieldTurn"),
      stealTimeNs: () => stealNs,
      onResume: (_, callback) => {
        onResume = callback;
      },
      shutdown: (request: ShutdownRequest) => note("shutdown")(request),
    },
  };
  return machine;
}
