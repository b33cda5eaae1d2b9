/** Commands and files in a Debian guest, through the agent in its initramfs. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { ConsolePort, linux, Machine, virtioConsole } from "../src/index.js";
import { CliProcess, hartvisor } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";

describeOnline("in Debian", () => {
  let vm: Machine;
  const port = new ConsolePort({ name: "test.port" });
  const terminal = new ConsolePort({ isTerminal: true });

  beforeAll(async () => {
    const image = await debianDemoImage();
    vm = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      devices: [virtioConsole({ ports: [terminal, port] })],
      limits: { wallTimeMs: 500_000 },
    });
    void vm.console.output.cancel();
    vm.start();
  });

  afterAll(() => vm.destroy());

  it("exec gives output, errors and status of a pipeline", async () => {
    const result = await vm.exec(["sh", "-c", "echo one two | tr ' ' '\\n' | sort -r; echo oops >&2; exit 3"]);
    expect(result).toMatchObject({ stdoutText: "two\none\n", stderrText: "oops\n", exitCode: 3 });
  });

  it("exec passes input, variables and folder", async () => {
    const script = 'cat; echo "$GREETING from $(pwd)"';
    const { stdoutText } = await vm.exec(["sh", "-c", script], { stdin: "in ", env: { GREETING: "hi" }, cwd: "/tmp" });
    expect(stdoutText).toBe("in hi from /tmp\n");
  });

  it("exec runs a hundred at once", async () => {
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, n) => vm.exec(["sh", "-c", `cat; echo ${n}`], { stdin: `input ${n} ` })),
    );
    expect(all.map(({ stdoutText }) => stdoutText)).toEqual(all.map((_, n) => `input ${n} ${n}\n`));
  });

  it("exec kills what is cancelled, and what it started", async () => {
    const abort = new AbortController();
    const running = vm.exec(["sh", "-c", "sleep 1000 & sleep 1000"], { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    await expect(vm.exec(["sleep", "1000"], { timeoutMs: 200 })).rejects.toMatchObject({ code: "timeout" });
    expect((await vm.exec(["sh", "-c", "ps | grep -c '[s]leep'"])).stdoutText).toBe("0\n");
  });

  it("exec does not wait for what a command leaves behind", async () => {
    const { stdoutText } = await vm.exec(["sh", "-c", "sleep 1000 & echo started"], { timeoutMs: 400_000 });
    expect(stdoutText).toBe("started\n");
    await vm.exec(["killall", "sleep"]);
  });

  it("spawn gives streams, and holds back a program whose output nobody reads", async () => {
    const job = await vm.spawn(["sh", "-c", "yes | head -c 1000000; echo done >/tmp/done"]);
    await vm.exec(["sleep", "0.3"]);
    await expect(vm.readFile("/tmp/done")).rejects.toThrow(/no such file/);
    let length = 0;
    for await (const bytes of job.stdout) length += bytes.length;
    expect([length, await job.exited]).toEqual([1_000_000, { exitCode: 0 }]);
  });

  it("files go there and back whole", async () => {
    const bytes = Uint8Array.from({ length: 1_000_003 }, (_, n) => (n * 31) >> 3);
    await vm.writeFile("/tmp/file", bytes, { mode: 0o600 });
    expect((await vm.exec(["ls", "-l", "/tmp/file"])).stdoutText).toMatch(/^-rw------- .* 1000003 /);
    expect(Buffer.compare(await vm.readFile("/tmp/file"), bytes)).toBe(0);
    await vm.writeFile("/tmp/file", "short");
    expect(new TextDecoder().decode(await vm.readFile("/tmp/file"))).toBe("short");
    await expect(vm.readFile("/tmp/file", { maxBytes: 4 })).rejects.toThrow(/more than 4 bytes/);
    await expect(vm.writeFile("/no/where", "x")).rejects.toMatchObject({ code: "exec-failed" });
  });

  it("a named port carries bytes both ways, and a terminal has its size", async () => {
    const find =
      'for p in /sys/class/virtio-ports/*; do [ "$(cat $p/name)" = test.port ] && echo /dev/$(basename $p); done';
    const path = (await vm.exec(["sh", "-c", find])).stdoutText.trim();
    expect(path).toMatch(/^\/dev\/vport\d+p1$/);
    const echo = vm.exec(["sh", "-c", `exec 3<>${path}; head -n 1 <&3 | tr a-z A-Z >&3`]);
    await port.writable.getWriter().write(new TextEncoder().encode("hello\n"));
    const { value } = await port.readable.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("HELLO\n");
    await echo;
    terminal.resize(132, 43);
    const resized = 'until [ "$(stty size)" = "43 132" ]; do sleep 0.1; done </dev/hvc0; stty size </dev/hvc0';
    expect((await vm.exec(["sh", "-c", resized], { timeoutMs: 400_000 })).stdoutText).toBe("43 132\n");
  });
});

describeOnline("hartvisor exec", () => {
  it("passes input, output and status", async () => {
    const cli = CliProcess.start(["exec", "--", "sh", "-c", "cat; echo oops >&2; exit 9"], { input: "from stdin" });
    expect(await cli.ended).toEqual({ status: 9, stdout: "from stdin", stderr: "oops\n" });
  });

  it("leaves on disks what the command wrote", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hartvisor-exec-"));
    try {
      const path = join(folder, "disk.img");
      await writeFile(path, new Uint8Array(2 ** 20));
      const { status } = await hartvisor(["exec", "--disk", path, "--", "sh", "-c", "echo kept >/dev/vda"]);
      expect([status, (await readFile(path)).subarray(0, 5).toString()]).toEqual([0, "kept\n"]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("says with status 127 what the guest cannot run", async () => {
    const { status, stderr } = await hartvisor(["exec", "--", "nope"]);
    expect([status, stderr]).toEqual([127, "hartvisor: the guest cannot run nope: no such file or directory\n"]);
  });

  it("ends with the guest, if that is first", async () => {
    const { status, stderr } = await hartvisor(["exec", "--", "poweroff", "-f"]);
    expect([status, stderr]).toEqual([0, "hartvisor: the guest has ended before poweroff\n"]);
  });

  it("writes figures of the run, and ends it at its limit of instructions with status 124", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hartvisor-exec-"));
    try {
      const [whole, cut] = [join(folder, "whole.json"), join(folder, "cut.json")];
      expect((await hartvisor(["exec", "--stats", whole, "--", "true"])).status).toBe(0);
      const { instructions } = JSON.parse(await readFile(whole, "utf8"));
      expect(instructions).toBeGreaterThan(1e8);
      const limit = ["--max-instructions", "1000000", "--stats", cut];
      const { status, stderr } = await hartvisor(["exec", ...limit, "--", "true"]);
      expect([status, stderr]).toEqual([124, "hartvisor: stopped: the limit of instructions is reached\n"]);
      expect(JSON.parse(await readFile(cut, "utf8")).instructions).toBe(1_000_000);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("ends a command that takes too long with status 124", async () => {
    const { status, stderr } = await hartvisor(["exec", "--timeout", "15", "--", "sleep", "1000"]);
    expect([status, stderr]).toEqual([124, "hartvisor: sleep has not ended in 15 s\n"]);
  });
});
