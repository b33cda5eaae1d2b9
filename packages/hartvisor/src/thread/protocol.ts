/** What a machine in a worker and the thread that owns it say to each other, as structured clones. */
import { type ErrorCode, type ExitReason, HartvisorError, type MachineEvents } from "@hartvisor/core";
import type { BootRecipe } from "../boot/boot.js";
import type { WorkerMachineOptions } from "../options.js";
import type { MachineCalls } from "./calls.js";
import type { SentDevice } from "./portable-devices.js";

/** Options without what cannot be cloned. */
export interface PortableOptions extends Omit<WorkerMachineOptions, "thread" | "boot" | "devices"> {
  readonly boot: BootRecipe;
  readonly devices: readonly SentDevice[];
}

/** From the owner. Each `call` and `create` is answered by its number. */
export type OwnerMessage =
  | { readonly kind: "create"; readonly id: number; readonly options: PortableOptions }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly name: keyof MachineCalls;
      readonly args: readonly unknown[];
    }
  /** Bytes for the guest's agent. */
  | { readonly kind: "agent"; readonly bytes: Uint8Array }
  /** The oldest bytes of the agent's have been taken. */
  | { readonly kind: "agentTaken" }
  /** For a device, from what it belongs to in the owner's thread. */
  | ChannelMessage;

/** From the worker. */
export type WorkerMessage =
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: PortableError }
  | { readonly kind: "event"; readonly event: PortableEvent }
  | { readonly kind: "exited"; readonly reason: ExitReason }
  | { readonly kind: "failed"; readonly error: PortableError }
  | { readonly kind: "agent"; readonly bytes: Uint8Array }
  | { readonly kind: "agentOpened"; readonly isOpen: boolean }
  | ChannelMessage;

/** What goes over a channel. */
export interface ChannelMessage {
  readonly kind: "channel";
  readonly channel: number;
  readonly data: unknown;
}

/** An event with its name. */
export type PortableEvent = {
  [Name in keyof MachineEvents]: { readonly name: Name; readonly event: MachineEvents[Name] };
}[keyof MachineEvents];

/** What the owner knows of a machine from the start. */
export interface MachineShape {
  readonly memoryBase: number;
  readonly memorySize: number;
  readonly harts: number;
}

/** An error as data: a structured clone would lose its class and code. */
export interface PortableError {
  readonly message: string;
  /** Absent if it is no HartvisorError. */
  readonly code?: ErrorCode;
  /** The text of what caused it, stack included. */
  readonly cause?: string;
}

export function toPortableError(error: unknown): PortableError {
  if (!(error instanceof HartvisorError)) return { message: String(error), cause: textOf(error) };
  const { message, code, cause } = error;
  return { message, code, ...(cause !== undefined && { cause: textOf(cause) }) };
}

export function fromPortableError({ message, code, cause }: PortableError): Error {
  const options = cause === undefined ? {} : { cause: new Error(cause) };
  return code === undefined ? new Error(message, options) : new HartvisorError(code, message, options);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}
