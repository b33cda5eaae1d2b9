/** Runs a machine on the terminal until its guest has ended, through as many reboots as the guest wants. */
import type { ExitReason } from "@hartvisor/core";
import { Terminal } from "../host/node/terminal.js";
import { Machine } from "../machine.js";
import type { MachineOptions } from "../options.js";
import { outcomeOf } from "./exit-status.js";
import { checkWritable, writeText } from "./files.js";
import type { JitTrace } from "./jit-trace.js";
import { RunMeter } from "./stats-file.js";

export interface SessionOptions {
  readonly machine: Omit<MachineOptions, "limits">;
  /** All machines of the session together. */
  readonly maxInstructions?: number | undefined;
  /** Where the figures of the run go. */
  readonly statsFile?: string | undefined;
  /** Hears of the translator's work; closed with the session. */
  readonly trace?: JitTrace | undefined;
  /** Looks at the machine before its first instruction; what it throws ends the session. */
  readonly prepare?: (vm: Machine) => Promise<void>;
  /** Looks at the machine after it has exited, whatever the reason. */
  readonly conclude?: (vm: Machine) => Promise<void>;
  /** Ends the session. */
  readonly signal: AbortSignal;
}

/**
 * Runs a session and returns its exit status.
 *
 * @throws HartvisorError for what the machine cannot be made from; the terminal is untouched then
 */
export async function runSession(options: SessionOptions): Promise<number> {
  const { maxInstructions, statsFile, trace, prepare, conclude, signal } = options;
  let vm = await createMachine(options, maxInstructions);
  await prepare?.(vm);
  if (statsFile !== undefined) await checkWritable(statsFile);
  signal.throwIfAborted();

  const meter = new RunMeter();
  let reason: ExitReason;
  const terminal = new Terminal({ onQuit: () => void vm.destroy() });
  const onAbort = () => void vm.destroy();
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      reason = await terminal.serve(vm);
      meter.add(vm.stats);
      const left = maxInstructions && maxInstructions - meter.instructions;
      if (reason.kind !== "reboot" || signal.aborted) break;
      if (left !== undefined && left <= 0) {
        reason = { kind: "limit", limit: "instructions" };
        break;
      }
      vm = await createMachine(options, left);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    terminal.close();
  }
  trace?.close();
  await conclude?.(vm);
  if (statsFile !== undefined) await writeText(statsFile, `${JSON.stringify(meter.report(), undefined, 2)}\n`);
  const { status, message } = outcomeOf(reason);
  if (message !== undefined) console.error(`hartvisor: ${message}`);
  return status;
}

function createMachine({ machine, trace }: SessionOptions, maxInstructions: number | undefined): Promise<Machine> {
  return Machine.create({
    ...machine,
    ...(trace !== undefined && { translator: { ...machine.translator, onEvent: trace.onEvent } }),
    ...(maxInstructions !== undefined && { limits: { instructions: maxInstructions } }),
  });
}
