/**
 * Debian's Linux on machines of several variants. A machine is booted once for all benchmarks that want one like it:
 * booting takes longer than what is measured on it.
 */
import { linux, Machine, type MachineOptions } from "hartvisor";
import { debianDemoImage } from "hartvisor/debian";
import type { BenchmarkMachine } from "./definition.js";
import { begin, end, type Stretch } from "./stretch.js";
import { CannotRun, type Outcome, type Subject } from "./subject.js";

/** What a machine has beside its devices. */
type Shape = Omit<MachineOptions, "boot" | "devices" | "thread">;

/** A machine that has booted, and stands still. */
interface Booted {
  readonly machine: Machine;
  readonly boot: Stretch;
}

const CMDLINE = "console=ttyS0 quiet";

export class LinuxGuests {
  readonly #booted = new Map<string, Promise<Booted>>();
  readonly #timeoutMs: number;

  /** A boot, or a command, may take so long. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** What runs commands. */
  commands(
    shape: Shape,
    machine: BenchmarkMachine,
    command: (operations: number) => string | Promise<string>,
  ): Subject {
    const run = async (text: string, operations: number): Promise<Outcome> => {
      const booted = await this.#get(shape, machine);
      try {
        return await this.#measure(booted.machine, text, operations);
      } catch (error) {
        // Who knows what it still does: those that follow get another machine.
        await this.#forget(shape, machine);
        throw error;
      }
    };
    return {
      run: async (operations) => run(await command(operations), operations),
      runEmpty: () => run(":", 1),
      close: async () => {},
    };
  }

  /** What boots: an operation is from the first instruction until the guest runs programs. */
  boots(shape: Shape, machine: BenchmarkMachine): Subject {
    return {
      run: async () => {
        await this.#forget(shape, machine);
        return (await this.#get(shape, machine)).boot;
      },
      runEmpty: async () => ({ skipped: "a boot has no marks" }),
      close: async () => {},
    };
  }

  /** Ends all machines. */
  async close(): Promise<void> {
    for (const booted of this.#booted.values()) await booted.then(({ machine }) => machine.destroy()).catch(() => {});
    this.#booted.clear();
  }

  #get(shape: Shape, machine: BenchmarkMachine): Promise<Booted> {
    const key = keyOf(shape, machine);
    const known = this.#booted.get(key) ?? this.#boot(shape, machine);
    this.#booted.set(key, known);
    return known;
  }

  async #forget(shape: Shape, machine: BenchmarkMachine): Promise<void> {
    const key = keyOf(shape, machine);
    const known = this.#booted.get(key);
    this.#booted.delete(key);
    await known?.then(({ machine }) => machine.destroy()).catch(() => {});
  }

  async #boot(shape: Shape, { devices, ...more }: BenchmarkMachine): Promise<Booted> {
    const { kernel, initrd } = await debianDemoImage({ offline: process.env.HARTVISOR_OFFLINE === "1" }).catch(
      (error: unknown) => {
        throw new CannotRun(`Debian cannot be had: ${error instanceof Error ? error.message : error}`);
      },
    );
    const machine = await Machine.create({
      ...{ ...more, ...shape },
      devices: typeof devices === "function" ? await devices() : (devices ?? []),
      boot: linux({ kernel, initrd, cmdline: CMDLINE }),
    });
    void machine.console.output.cancel();
    try {
      return { machine, boot: await this.#measure(machine, ":", 1) };
    } catch (error) {
      await machine.destroy();
      throw error;
    }
  }

  /** Runs a command line of the guest's shell; the machine stands still before and after. */
  async #measure(machine: Machine, command: string, operations: number): Promise<Stretch> {
    machine.start();
    const from = begin(machine.stats);
    const { exitCode, stderrText } = await machine.exec(["sh", "-c", command], { timeoutMs: this.#timeoutMs });
    const stretch = end(from, () => machine.stats, operations);
    await machine.pause();
    if (exitCode !== 0) throw new Error(`"${command}" ended with status ${exitCode}: ${stderrText.trim()}`);
    return stretch;
  }
}

/** Devices are the same if they are the same object. */
const deviceIds = new WeakMap<object, number>();
let nextId = 0;

function keyOf({ technique, engine }: Shape, { memory, harts, isa, devices }: BenchmarkMachine): string {
  if (devices !== undefined && !deviceIds.has(devices)) deviceIds.set(devices, nextId++);
  return [technique, engine, memory, harts, isa, devices && deviceIds.get(devices)].join(" ");
}
