/** Random tangles of branches and indirect jumps, translated as they become hot: most regions begin in the middle of loops. */
import { expect, it } from "vitest";
import { Random } from "../../core/fuzz/random.js";
import { outcome } from "./outcome.js";

const INSTRUCTIONS = 60_000;
const PROGRAMS_OF_A_SEED = 20;
const BRANCHES = ["beq", "bne", "bltu", "bge"];

/** Goes on for ever, over some fifty instructions; t0 is where it begins, s2 and a0 to a5 count. */
function tangle(random: Random): string {
  const length = random.between(20, 60);
  const reach = random.pick([6, 20, 60]);
  const register = () => `a${random.below(6)}`;
  const lines = ["auipc t0, 0", "addi s2, zero, 1"];
  /** From a line to one nearby, but not to itself: most loops should come to an end. */
  const distance = (line: number) => {
    const target = Math.max(2, Math.min(length, line + random.between(-reach, reach)));
    return target === line ? 4 : (target - line) * 4;
  };
  const kinds = [
    () => [`addi ${register()}, ${register()}, ${random.between(-20, 43)}`],
    () => [`add ${register()}, ${register()}, s2`],
    () => [`andi ${register()}, ${register()}, ${random.between(1, 30)}`],
    () => ["addi s2, s2, 3"],
    () => [`${random.pick(BRANCHES)} ${register()}, ${register()}, ${relative(distance(lines.length))}`],
    () => [`andi t1, ${register()}, 28`, "add t1, t1, t0", `jalr zero, ${4 * random.between(2, length - 9)}(t1)`],
  ];
  while (lines.length < length) lines.push(...random.pick(kinds)());
  return [...lines, "addi a0, a0, 1", "addi a1, a1, 5", `j ${relative(8 - 4 * (lines.length + 2))}`].join("\n");
}

const relative = (bytes: number): string => (bytes < 0 ? `.-${-bytes}` : `.+${bytes}`);

it.each([1, 2, 3])("ends as interpreted, seed %i", async (seed) => {
  const random = new Random(seed);
  let translated = 0;
  for (let n = 0; n < PROGRAMS_OF_A_SEED; n++) {
    const source = tangle(random);
    const options =
      n % 2 === 0 ? { threshold: 1, sampleInterval: 7 } : { threshold: 2, sampleInterval: 50, retryMs: 0 };
    const { executed, end } = await outcome(source, INSTRUCTIONS, options);
    expect(end, source).toEqual((await outcome(source, INSTRUCTIONS)).end);
    translated += executed;
  }
  expect(translated).toBeGreaterThan((PROGRAMS_OF_A_SEED * INSTRUCTIONS) / 2);
});
