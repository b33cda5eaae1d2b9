import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { describeOnline } from "./describe-where.js";

describeOnline("the README's ten lines", () => {
  it("boot Debian, run a command and tell how it ended", async () => {
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    const [, example = ""] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
    // Beside packages that have hartvisor among their dependencies, as a user's program would be.
    const program = new URL("../../bench/readme-example.mjs", import.meta.url).pathname;
    await writeFile(program, example);
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 400_000 });
      expect(stdout).toMatch(/^riscv64\r?$/m);
      expect(stdout).toMatch(/\{ kind: 'poweroff', exitCode: 0 \} \d+\n$/);
    } finally {
      await rm(program);
    }
  });
});
