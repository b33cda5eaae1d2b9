/** With the virtual clock what a technique costs in instructions, exits and assists repeats exactly: a change of it is a change of the code. */
import { expect, it } from "vitest";
import { hartvisor } from "../../hartvisor/test/cli-process.js";

const ARGS = ["bench", "--clock", "virtual", "--engine", "interpreter", "--filter"];

it.each(["calls-and-traps", "page-tables", "interrupts", "input-and-output"])(
  "the figures of %s are those of its file in virtual-clock/ (vitest -u writes it anew)",
  async (group) => {
    const { status, stdout } = await hartvisor([...ARGS, group.replaceAll("-", " ")]);
    await expect(stdout).toMatchFileSnapshot(`virtual-clock/${group}.txt`);
    expect(status).toBe(0);
  },
);
