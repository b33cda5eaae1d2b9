import { describe, expect, it } from "vitest";
import { type Contestant, runRounds } from "./rounds.js";
import type { Outcome } from "./subject.js";

interface Fake {
  readonly name: string;
  /** What the n-th run of the benchmark comes to. */
  readonly run?: (n: number) => Outcome | Promise<Outcome>;
  readonly empty?: Outcome;
  readonly exactly?: boolean;
  readonly isCold?: boolean;
  readonly mostRepetitions?: number;
}

const stretch = (operations: number, ns = 1e9): Outcome => ({
  operations,
  ns,
  instructions: 0,
  exits: {},
  assists: {},
});

function contestants(fakes: readonly Fake[]) {
  const log: string[] = [];
  const asked: number[] = [];
  const made = fakes.map(
    ({ name, run, empty = stretch(1), exactly = false, isCold = false, mostRepetitions = 99 }): Contestant => ({
      ...{ operations: 100, exactly, isCold, mostRepetitions },
      create: async () => {
        let runs = 0;
        return {
          run: async (operations) => {
            log.push(name);
            asked.push(operations);
            return run?.(runs++) ?? stretch(operations);
          },
          runEmpty: async () => empty,
          close: async () => void log.push(`${name} closed`),
        };
      },
    }),
  );
  return { made, log, asked };
}

const virtual = { clock: "virtual", repetitions: 3 } as const;

describe("runRounds", () => {
  it("warms each up by itself, then gives them turns in an order that rotates", async () => {
    const { made, log } = contestants([{ name: "a" }, { name: "b" }]);
    await runRounds(made, virtual);
    expect(log.join(" ")).toBe("a a b b a b b a a b a closed b closed".replace("a b a closed", "a b a closed"));
  });

  it("keeps warm-up apart from what is measured", async () => {
    const { made } = contestants([{ name: "a", run: (n) => stretch(n + 1) }]);
    const [result] = await runRounds(made, virtual);
    expect(result?.status === "measured" && result.samples.map(({ operations }) => operations)).toEqual([3, 4, 5]);
  });

  it("measures without a warm-up, and not as often, what is to be measured so", async () => {
    const { made, log } = contestants([{ name: "a", isCold: true, mostRepetitions: 2 }, { name: "b" }]);
    const [result] = await runRounds(made, virtual);
    expect(log.filter((name) => name === "a")).toEqual(["a", "a"]);
    expect(result?.status === "measured" && result.samples).toHaveLength(2);
  });

  it("measures what the marks take by themselves", async () => {
    const { made } = contestants([{ name: "a", empty: stretch(1, 7) }]);
    const [result] = await runRounds(made, virtual);
    expect(result?.status === "measured" && result.empty.map(({ ns }) => ns)).toEqual(new Array(15).fill(7));
  });

  it("does without where the guest knows no empty benchmark", async () => {
    const { made } = contestants([{ name: "a", empty: { skipped: "unknown" } }]);
    expect((await runRounds(made, virtual))[0]).toMatchObject({ status: "measured", empty: [] });
  });

  it("says why one cannot run, and measures the others", async () => {
    const { made } = contestants([{ name: "a", run: () => ({ skipped: "a device is absent" }) }, { name: "b" }]);
    const results = await runRounds(made, virtual);
    expect(results).toMatchObject([{ status: "skipped", reason: "a device is absent" }, { status: "measured" }]);
  });

  it("says in one line how one failed, and measures the others", async () => {
    const fail = async () => {
      throw new Error("the guest\n  fell over");
    };
    const { made } = contestants([{ name: "a", run: fail }, { name: "b" }]);
    const results = await runRounds(made, virtual);
    expect(results).toMatchObject([{ status: "failed", reason: "the guest fell over" }, { status: "measured" }]);
  });

  it("closes every subject if it is ended", async () => {
    const { made, log } = contestants([{ name: "a" }, { name: "b" }]);
    const end = () => {
      throw new Error("interrupted");
    };
    await expect(runRounds(made, virtual, end)).rejects.toThrow("interrupted");
    expect(log.slice(-2)).toEqual(["a closed", "b closed"]);
  });

  it("makes a repetition long enough for the clock, unless the benchmark says how long it is", async () => {
    const quick = (operations: number) => stretch(operations, 1000 * operations); // a microsecond each
    for (const [exactly, expected] of [
      [false, 10_000],
      [true, 100],
    ] as const) {
      const asked: number[] = [];
      const contestant: Contestant = {
        ...{ operations: 100, exactly, isCold: false, mostRepetitions: 99 },
        create: async () => ({
          run: async (operations) => {
            asked.push(operations);
            return quick(operations);
          },
          runEmpty: async () => stretch(1),
          close: async () => {},
        }),
      };
      await runRounds([contestant], { clock: "real", repetitions: 1 });
      expect(asked.at(-1)).toBe(expected);
    }
  });
});
