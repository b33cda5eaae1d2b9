/** What `--jit-trace` writes: a line of JSON for each event of the translator, at once, so that none is lost with the process. */
import { closeSync, openSync, writeSync } from "node:fs";
import { HartvisorError } from "@hartvisor/core";
import type { TranslatorEvent } from "@hartvisor/jit";
import { refusal } from "../host/node/whole-file.js";
import { checkWritable } from "./files.js";
import type { MachineFlags } from "./options.js";

const MICROSECONDS_PER_MS = 1000;

export class JitTrace {
  readonly #path: string;
  readonly #file: number;
  readonly #start = performance.now();
  #failure: unknown;

  /** Opens the file that the flags name. Throws HartvisorError `unreadable-file`, or `invalid-argument` without a translator. */
  static async open({ jitTrace, engine }: Pick<MachineFlags, "jitTrace" | "engine">): Promise<JitTrace | undefined> {
    if (jitTrace === undefined) return undefined;
    if (engine === "interpreter") {
      throw new HartvisorError("invalid-argument", "--jit-trace: the interpreter has no translator; give --engine jit");
    }
    await checkWritable(jitTrace);
    return new JitTrace(jitTrace);
  }

  private constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "w");
  }

  /** Writes an event and the milliseconds since the trace began. A failure is told by {@link close}: the guest cannot help it. */
  readonly onEvent = (event: TranslatorEvent): void => {
    if (this.#failure !== undefined) return;
    try {
      writeSync(this.#file, `${JSON.stringify({ ms: performance.now() - this.#start, ...event }, plain)}\n`);
    } catch (error) {
      this.#failure = error;
    }
  };

  /** Throws HartvisorError `unreadable-file` if not everything could be written. */
  close(): void {
    closeSync(this.#file);
    if (this.#failure !== undefined) throw refusal(this.#path, this.#failure);
  }
}

/** Addresses as hexadecimal strings, times to the microsecond. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  return typeof value === "number" ? Math.round(value * MICROSECONDS_PER_MS) / MICROSECONDS_PER_MS : value;
}
