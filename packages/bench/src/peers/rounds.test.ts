import { describe, expect, it } from "vitest";
import { EmulatorProcess } from "./emulator-process.js";
import type { Emulator } from "./emulators.js";
import type { GuestProgram } from "./programs.js";
import { type Contender, runRounds } from "./rounds.js";

/** What a guest does, without one: answers commands as the programs of the benchmark do. */
const GUEST = `
let slow = false;
const say = (line) => process.stdout.write(line + "\\r\\n");
say("[    0.1] a kernel's message");
say("@shell");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "./crash") process.exit(3);
  if (line === "./wrong") { say("wrong: wrong result=1 expected=2"); say("@exit 1"); }
  if (line === "./slow-clock") say("@ready"), (slow = true);
  if (line === "./good" || line === "./rated") say("@ready");
  if (line === "" && slow) { say("@done 9000000000 0"); say("@exit 0"); }
  else if (line === "") setTimeout(() => { say("@done 20000000 00cafe00"); say("rate 5"); say("@exit 0"); }, 30);
});`;
const SILENT = `setTimeout(() => process.exit(4), 50)`;

function contender(name: string, commands: readonly string[], script = GUEST): Contender & { starts: () => number } {
  let starts = 0;
  const emulator: Emulator = {
    ...{ name, description: name },
    start: () => {
      starts++;
      return new EmulatorProcess(process.execPath, ["-e", script]);
    },
  };
  const image = { kernel: "", initrd: "", cmdline: "" };
  return {
    emulator,
    programs: programs.filter((each) => commands.includes(each.name)),
    bench: image,
    demo: undefined,
    starts: () => starts,
  };
}

const rated = (output: string) => Number(/rate (\d+)/.exec(output)?.[1]);
const programs: GuestProgram[] = ["good", "wrong", "crash", "rated", "slow-clock"].map((name) => ({
  ...{ name, group: "integer" as const, command: `./${name}` },
  ...(name === "rated" && { unitMs: rated }),
}));

describe("runRounds", () => {
  it("takes the time from the guest, and the order of contenders from the round", async () => {
    const [a, b] = [contender("a", ["good"]), contender("b", ["good"])];
    const { programs: samples } = await runRounds([a, b], 2, () => {});
    const good = samples.get("good") ?? [];
    expect(good.map(({ emulator, round }) => `${emulator}${round}`)).toEqual(["a0", "b0", "b1", "a1"]);
    expect(good[0]?.outcome).toMatchObject({ wallMs: 20, result: "00cafe00" });
  });

  it("boots once a round", async () => {
    const a = contender("a", ["good", "rated"]);
    await runRounds([a], 2, () => {});
    expect(a.starts()).toBe(2);
  });

  it("gives times per unit of a program that works for a fixed time", async () => {
    const { programs: samples } = await runRounds([contender("a", ["rated"])], 1, () => {});
    expect(samples.get("rated")?.[0]?.outcome).toMatchObject({ wallMs: 5 });
  });

  it("notes what a program that fails said, and goes on with the next in a fresh guest", async () => {
    const a = contender("a", ["wrong", "crash", "rated"]);
    const { programs: samples } = await runRounds([a], 1, () => {});
    const outcomes = ["wrong", "crash", "rated"].map((name) => samples.get(name)?.[0]?.outcome);
    expect(outcomes).toEqual([
      { error: expect.stringMatching(/ended early: wrong: wrong result=1 expected=2\s+@exit 1/) },
      { error: "the emulator ended with status 3" },
      expect.objectContaining({ wallMs: 5 }),
    ]);
    expect(a.starts()).toBe(3);
  });

  it("notes a guest whose clock is not the host's", async () => {
    const { programs: samples } = await runRounds([contender("a", ["slow-clock"])], 1, () => {});
    const error = expect.stringMatching(/^the guest's clock says 9000 ms, the host's \d+ ms$/);
    expect(samples.get("slow-clock")?.[0]?.outcome).toEqual({ error });
  });

  it("notes a guest that does not boot", async () => {
    const { programs: samples } = await runRounds([contender("a", ["good"], SILENT)], 1, () => {});
    expect(samples.get("good")?.[0]?.outcome).toEqual({ error: "the emulator ended with status 4" });
  });

  it("runs a program only in those that have it", async () => {
    const { programs: samples } = await runRounds(
      [contender("a", ["good", "rated"]), contender("b", ["good"])],
      1,
      () => {},
    );
    expect(samples.get("rated")?.map(({ emulator }) => emulator)).toEqual(["a"]);
  });
});
