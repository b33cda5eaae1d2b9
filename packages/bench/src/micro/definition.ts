/** What a microbenchmark is: which guest does what, on which machines, and what the textbook expects of it. */
import { HartvisorError, TECHNIQUES, type TechniqueName } from "@hartvisor/core";
import type { EngineName, MachineOptions } from "hartvisor";
import type { Figures } from "./figures.js";

/** A guest of the benchmark ABI (docs/benchmarks.md): an ELF kernel that begins in S-mode and asks the host what to run. */
export interface GuestProgram {
  /** The ELF file: where it lies, or its bytes. */
  readonly elf: URL | string | Uint8Array;
  /** What the guest calls the benchmark. Default: the benchmark's name. */
  readonly name?: string;
  /** Words that follow the count. Default: none. */
  readonly arguments?: readonly (string | number)[];
}

/**
 * A program under Debian's Linux, on a machine that serves all such benchmarks of the same `machine`. What is counted is
 * from the order to run it until it has ended, less what an empty command takes; only with the real clock.
 */
export interface LinuxProgram {
  /** A command line for the guest's shell, given how many operations it shall do. */
  readonly command: (operations: number) => string | Promise<string>;
}

/** Linux itself: from its first instruction until it runs programs, without a warm-up. */
export interface LinuxBoot {
  readonly boot: "debian";
}

/** What is called again and again, on the host. */
export interface HostWork {
  readonly call: () => unknown;
  /** Whether a call is over only when its promise is. Default: false. */
  readonly isAsync?: boolean;
  /** Gives back what it needed. */
  readonly close?: () => Promise<void>;
}

/** A function of the host's, which no technique has a part in; only with the real clock. */
export interface HostFunction {
  readonly host: () => Promise<HostWork>;
}

/** The figures of every variant of a benchmark that was measured, and those of other benchmarks. */
export interface Findings {
  /** One variant's figures; undefined if it was not measured. */
  of(technique: string, engine: EngineName): Figures | undefined;
  /** How many times as long it takes as under `direct`; undefined where one of the two was not timed. */
  timesDirect(technique: string, engine: EngineName): number | undefined;
  /** Another benchmark's findings, by its name; without any figures if it was not run. */
  other(name: string): Findings;
}

/** What the textbook says of a benchmark. */
export interface Expectation {
  /** In a sentence. */
  readonly text: string;
  /** Whether the figures say so, too, under an engine; undefined where what it takes was not measured. */
  readonly holds: (findings: Findings, engine: EngineName) => boolean | undefined;
  /** Why it need not be so; said, with the exits, where it is not. */
  readonly otherwise?: string;
}

type Devices = NonNullable<MachineOptions["devices"]>;

/** What the machines of a benchmark have. */
export interface BenchmarkMachine extends Pick<MachineOptions, "memory" | "harts" | "isa"> {
  /** What is plugged in, or a function that says so for each machine. */
  readonly devices?: Devices | (() => Promise<Devices>);
}

/** A benchmark, as {@link defineBenchmark} takes it. */
export interface BenchmarkDefinition {
  /** Small letters, digits and hyphens; no two benchmarks of a run have the same. */
  readonly name: string;
  /** Heading that it stands under. */
  readonly group: string;
  readonly title: string;
  /** One paragraph: what is measured, and what decides its cost. */
  readonly explanation: string;
  /** What does the work. */
  readonly guest: GuestProgram | LinuxProgram | LinuxBoot | HostFunction;
  /** How many operations one repetition has; with the real clock, the least. */
  readonly operations: number;
  /** Whether a repetition has so many operations even where they take but a moment. Default: false. */
  readonly exactly?: boolean;
  /** It is measured at most so often, if that takes long. Default: as often as the others. */
  readonly mostRepetitions?: number;
  /** Default: all there are. */
  readonly techniques?: readonly TechniqueName[];
  /** Default: interpreter and auto. */
  readonly engines?: readonly EngineName[];
  /** Default: one hart, no devices, 64 MiB, for Linux 256. */
  readonly machine?: BenchmarkMachine;
  readonly expectation?: Expectation | undefined;
}

/** A benchmark that has been checked, its defaults filled in. */
export interface Benchmark extends Required<Omit<BenchmarkDefinition, "expectation">> {
  readonly expectation: Expectation | undefined;
}

/** What runs guest code, unless a benchmark or the command line says otherwise. */
export const ENGINES = ["interpreter", "auto"] as const satisfies readonly EngineName[];
const ALL_ENGINES: readonly string[] = ["interpreter", "jit", "auto"];
const DEFAULT_MACHINE: BenchmarkMachine = { memory: "64MiB", harts: 1 };
const DEFAULT_LINUX_MACHINE: BenchmarkMachine = { memory: "256MiB", harts: 1 };
const GUESTS = ["elf", "command", "boot", "host"];
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
/** What `next` passes on is words of one line. */
const WORD = /^[!-~]+$/;

/**
 * Defines a benchmark, for the default export of a file that `hartvisor bench FILE` runs: one, or an array of them.
 *
 * @throws HartvisorError `invalid-argument`: what no benchmark can have, by the benchmark's name
 * @example
 * ```js
 * export default defineBenchmark({
 *   name: "my-hypercall",
 *   group: "Mine",
 *   title: "A hypercall of my own",
 *   explanation: "How long the host takes to answer it.",
 *   guest: { elf: new URL("my-guest.elf", import.meta.url) },
 *   operations: 1000,
 *   expectation: {
 *     text: "It is one exit under every technique.",
 *     holds: (findings, engine) => findings.of("direct", engine)?.exits.total === 1,
 *   },
 * });
 * ```
 */
export function defineBenchmark(definition: BenchmarkDefinition): Benchmark {
  check(definition);
  return {
    ...definition,
    exactly: definition.exactly ?? false,
    mostRepetitions: definition.mostRepetitions ?? Number.POSITIVE_INFINITY,
    techniques: definition.techniques ?? TECHNIQUES,
    engines: definition.engines ?? ENGINES,
    machine: { ...("elf" in definition.guest ? DEFAULT_MACHINE : DEFAULT_LINUX_MACHINE), ...definition.machine },
    expectation: definition.expectation,
  };
}

/** Users write JavaScript, too: nothing is taken for what its type says. */
function check(definition: BenchmarkDefinition): void {
  if (typeof definition !== "object" || definition === null) {
    throw new HartvisorError("invalid-argument", `${String(definition)} is no definition of a benchmark`);
  }
  const { name, operations, guest, techniques = [], engines = [] } = definition;
  const refuse = (problem: string): never => {
    throw new HartvisorError("invalid-argument", `benchmark ${name}: ${problem}`);
  };
  if (typeof name !== "string" || !NAME.test(name)) refuse("a name is small letters, digits and hyphens");
  for (const field of ["group", "title", "explanation"] as const) {
    const text: unknown = definition[field];
    if (typeof text !== "string" || text === "") refuse(`it has no ${field}`);
  }
  if (!Number.isSafeInteger(operations) || operations < 1)
    refuse(`operations: ${operations}: give a whole number above 0`);
  if (typeof guest !== "object" || guest === null || !GUESTS.some((kind) => kind in guest)) {
    refuse("guest: give { elf }, { command }, { boot } or { host }");
  }
  if ("elf" in guest) {
    for (const word of [guest.name ?? name, ...(guest.arguments ?? [])]) {
      if (!WORD.test(String(word))) refuse(`"${word}" is no word that can be passed to a guest`);
    }
  } else if ("boot" in guest) {
    if (guest.boot !== "debian") refuse(`guest.boot: ${guest.boot}: there is "debian"`);
  } else if ("host" in guest) {
    if (typeof guest.host !== "function") refuse("guest.host: give a function that gives what is called");
  } else if (typeof guest.command !== "function") refuse("guest.command: give a function of the number of operations");
  for (const technique of techniques) {
    if (!TECHNIQUES.includes(technique)) refuse(`technique ${technique}: give some of ${TECHNIQUES.join(", ")}`);
  }
  for (const engine of engines) {
    if (!ALL_ENGINES.includes(engine)) refuse(`engine ${engine}: give some of ${ALL_ENGINES.join(", ")}`);
  }
}
