/**
 * Checks what a program asks of `Machine.create` before anything is made of it: what TypeScript says to those who use it,
 * a line says to those who do not. Sizes, counts and ISA strings are checked where they are understood.
 */
import { HartvisorError } from "@hartvisor/core";
import type { MachineOptions, WorkerMachineOptions } from "./options.js";

type AnyOptions = MachineOptions | WorkerMachineOptions;

/** Each option there is, and what else than undefined it may be. */
const OPTIONS: Readonly<Record<keyof MachineOptions, readonly string[] | "function" | "object" | "list" | "any">> = {
  thread: ["caller", "worker"],
  boot: "object",
  memory: "any",
  pool: "object",
  harts: "any",
  engine: ["auto", "interpreter", "jit"],
  translator: "object",
  clock: ["real", "virtual"],
  hypercalls: "list",
  isa: "any",
  misaligned: ["hardware", "trap"],
  technique: "any",
  limits: "object",
  devices: "list",
  exec: "any",
  transport: ["pci", "mmio"],
  onDeviceFailure: "function",
  seed: "object",
};
const LIMITS = ["instructions", "wallTimeMs", "cpuShare"];

function refuse(message: string): never {
  throw new HartvisorError("invalid-argument", message);
}

/** Throws `invalid-argument` for options that no machine could have. */
export function checkMachineOptions(options: AnyOptions): void {
  if (typeof options !== "object" || options === null) {
    refuse("Machine.create needs options, of which boot is one: boot: linux({ kernel }), for example");
  }
  for (const [name, value] of Object.entries(options)) checkOption(name, value);
  const { boot, devices = [], hypercalls = [], limits = {}, seed } = options as MachineOptions;
  if (typeof boot?.load !== "function") {
    refuse('option "boot" says what to boot: give what linux(...), supervisor(...) or bareMetal(...) returns');
  }
  for (const [n, device] of options.thread === "worker" ? [] : devices.entries()) {
    if (typeof device !== "function")
      refuse(`devices[${n}] is no device: give what virtioBlock(...) and the like return`);
  }
  for (const [n, extension] of hypercalls.entries()) {
    if (typeof extension?.call !== "function")
      refuse(`hypercalls[${n}] is none: give what defineHypercall(...) returns`);
  }
  for (const [name, value] of Object.entries(limits)) {
    if (!LIMITS.includes(name)) refuse(`there is no limit "${name}"; there are ${LIMITS.join(", ")}`);
    if (value !== undefined && typeof value !== "number") refuse(`limit ${name}: give a number`);
  }
  if (seed !== undefined && !(seed instanceof Uint8Array)) refuse('option "seed": give a Uint8Array');
}

function checkOption(name: string, value: unknown): void {
  const wanted = OPTIONS[name as keyof MachineOptions];
  if (wanted === undefined) refuse(`there is no option "${name}"; there are ${Object.keys(OPTIONS).join(", ")}`);
  if (value === undefined || wanted === "any") return;
  if (wanted === "list") {
    if (!Array.isArray(value)) refuse(`option "${name}": give an array`);
  } else if (typeof wanted === "string") {
    if (typeof value !== wanted || value === null)
      refuse(`option "${name}": give ${wanted === "object" ? "an object" : "a function"}`);
  } else if (!wanted.includes(value as string))
    refuse(`option "${name}" is one of ${wanted.join(", ")}, not ${JSON.stringify(value)}`);
}

/** The bytes of a file, as a program gives them; throws `invalid-argument` for what is none. */
export function requireBytes(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return refuse(`${what}: give the bytes of a file as a Uint8Array, as readFile gives them, or new Uint8Array(buffer)`);
}
