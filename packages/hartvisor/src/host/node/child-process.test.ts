import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { run } from "./child-process.js";

const node = (script: string) => ["--eval", script];

describe("run", () => {
  it("collects what a program says and how it ends", async () => {
    const script = `process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 3;`;
    expect(await run(process.execPath, node(script))).toEqual({ exitCode: 3, stdout: "out", stderr: "err" });
  });

  it("passes arguments as they are, without a shell", async () => {
    const { stdout } = await run(process.execPath, [...node("console.log(process.argv[1])"), "$HOME; `id`"]);
    expect(stdout).toBe("$HOME; `id`\n");
  });

  it("gives the lines of file descriptor 3 apart", async () => {
    const lines: string[] = [];
    const script = `require("node:fs").writeSync(3, "one\\ntwo\\n"); console.log("three");`;
    const { stdout } = await run(process.execPath, node(script), { onStatusLine: (line) => lines.push(line) });
    expect(lines).toEqual(["one", "two"]);
    expect(stdout).toBe("three\n");
  });

  it("connects two programs", async () => {
    const pipe = new PassThrough();
    const [, { stdout }] = await Promise.all([
      run(process.execPath, node(`process.stdout.write("x".repeat(1_000_000))`), { output: pipe }),
      run(
        process.execPath,
        node(`let n = 0; process.stdin.on("data", (d) => n += d.length).on("end", () => console.log(n))`),
        {
          input: pipe,
        },
      ),
    ]);
    expect(stdout).toBe("1000000\n");
  });

  it("survives a program that does not read its input", async () => {
    const input = Readable.from([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)]);
    expect((await run(process.execPath, node("process.exit(5)"), { input })).exitCode).toBe(5);
  });

  it("rejects when there is no such program", async () => {
    await expect(run("hartvisor-no-such-program", [])).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("ends the program and rejects with the signal's reason when aborted", async () => {
    const reason = new Error("the user left");
    const abort = new AbortController();
    const running = run(process.execPath, node(`console.error("up"); setInterval(() => {}, 1000)`), {
      signal: abort.signal,
    });
    abort.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(run(process.execPath, node(""), { signal: abort.signal })).rejects.toBe(reason);
  });
});
