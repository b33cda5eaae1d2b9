import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.js";

describe("the options of bench:files", () => {
  it("compares with QEMU's 9p and with virtiofsd, unless told otherwise", () => {
    expect(parseOptions([])).toEqual({
      ...{ peers: ["qemu-9p", "virtiofsd"], rounds: 3, directories: 100, engine: "auto", node: undefined },
    });
    expect(parseOptions(["--peer", "ours-9p", "--node", "24"])).toMatchObject({ peers: ["ours-9p"], node: "24" });
  });

  it.each([
    ["--rounds", "0", /a whole number above 0/],
    ["--directories", "1.5", /a whole number above 0/],
    ["--peer", "qemu", /ours-9p,qemu-9p,virtiofsd/],
    ["--engine", "fast", /interpreter, jit, auto/],
    ["--quick", "1", /bench:files \[--peer/],
  ])("refuses %s %s, and says what would do", (flag, value, message) => {
    expect(() => parseOptions([flag, value])).toThrow(message);
  });
});
