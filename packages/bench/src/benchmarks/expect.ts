/** Words for expectations. A figure that was not measured makes a condition undefined, and that leaves it out. */
import type { EngineName } from "hartvisor";
import type { Expectation, Findings } from "../micro/definition.js";

/** What holds, does not, or cannot be told. */
export type Condition = (findings: Findings, engine: EngineName) => boolean | undefined;

/** An expectation of several conditions: it holds if all do that can be told. */
export function expected(text: string, ...conditions: readonly Condition[]): Expectation {
  return {
    text,
    holds: (findings, engine) => {
      const known = conditions.map((condition) => condition(findings, engine)).filter((each) => each !== undefined);
      return known.length === 0 ? undefined : known.every(Boolean);
    },
  };
}

/** It takes at least so many times as long as under `direct`. */
export function slower(technique: string, atLeast: number): Condition {
  return (findings, engine) => compare(findings.timesDirect(technique, engine), (times) => times >= atLeast);
}

/** It takes at most so many times as long as under `direct`. */
export function close(technique: string, atMost: number): Condition {
  return (findings, engine) => compare(findings.timesDirect(technique, engine), (times) => times <= atMost);
}

/** So many exits an operation, beside the scheduler's. */
export function exits(technique: string, isRight: (exits: number) => boolean): Condition {
  return (findings, engine) => compare(exitsOf(findings, technique, engine), isRight);
}

/** Exits of an operation that the guest causes: the end of a hart's turn is the scheduler's doing. */
export function exitsOf(findings: Findings, technique: string, engine: EngineName): number | undefined {
  const figures = findings.of(technique, engine);
  return figures && figures.exits.total - (figures.exits.byKind.budget ?? 0);
}

/** Timers of the guest's and the like come in between now and then. */
const FEW = 0.01;

/** Next to no exit. */
export const none = (count: number): boolean => count < FEW;
/** One exit, give or take what comes in between. */
export const one = (count: number): boolean => Math.abs(count - 1) < FEW;
/** At least so many. */
export const atLeast =
  (least: number) =>
  (count: number): boolean =>
    count >= least - FEW;
/** At most so many. */
export const atMost =
  (most: number) =>
  (count: number): boolean =>
    count <= most + FEW;

/** Undefined if the value is. */
export function compare(value: number | undefined, isRight: (value: number) => boolean): boolean | undefined {
  return value === undefined ? undefined : isRight(value);
}
