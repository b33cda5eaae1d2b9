/**
 * A machine that runs benchmarks when it is told to. Between them it stands still, so that the machines of other
 * techniques have the host to themselves.
 */
import type { Stretch } from "./stretch.js";

/** What came of one repetition: figures, or why there cannot be any. */
export type Outcome = Stretch | { readonly skipped: string };

/** Whether it is no stretch but the reason why there is none. */
export function isSkipped(outcome: Outcome): outcome is { readonly skipped: string } {
  return "skipped" in outcome;
}

/** Thrown where a benchmark cannot be run here, which is no failure; the message is the reason. */
export class CannotRun extends Error {}

/** Something that does operations of a benchmark. */
export interface Subject {
  /**
   * Does a benchmark once, with at least so many operations as its guest can make of it.
   *
   * @throws Error where the guest fails, in a line that says how; the subject is of no use then
   */
  run(operations: number): Promise<Outcome>;
  /** Does nothing, between the marks that a measured stretch has: what that takes is no part of an operation. */
  runEmpty(): Promise<Outcome>;
  close(): Promise<void>;
}
