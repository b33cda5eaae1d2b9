import { describe, expect, it } from "vitest";
import type { Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { compareBatch, programsOf } from "../fuzz/campaign.js";

/** A QEMU that ends no program. */
const endless: Qemu = {
  version: "none",
  command: ["none"],
  run: async () => ({ exitCode: null, stdout: "", stderr: "" }),
};

describe("a batch that does not end on QEMU", () => {
  it("is taken apart, and each program found is one that was given", async () => {
    const programs = programsOf("u", 1, 3);
    const verdicts = await compareBatch(endless, programs, "interpreter");
    expect(verdicts.map(({ program }) => programs.indexOf(program))).toEqual([0, 1, 2]);
    expect(verdicts[0]?.found).toEqual([{ where: "reaches its end", ours: 1n, reference: 0n }]);
  });
});
