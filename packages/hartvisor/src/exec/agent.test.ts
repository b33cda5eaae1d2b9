import { beforeEach, describe, expect, it } from "vitest";
import { GuestAgent } from "./agent.js";
import { Ending, encodeFrame, Frame, FrameReader, INPUT_WINDOW, type ReceivedFrame, word } from "./protocol.js";

let agent: GuestAgent;
let frames: ReceivedFrame[];
let reader: FrameReader;

beforeEach(() => {
  frames = [];
  reader = new FrameReader();
  agent = new GuestAgent((bytes) => {
    for (const frame of reader.push(bytes) ?? []) frames.push({ ...frame, payload: frame.payload.slice() });
  });
});

const hello = () => {
  agent.opened(true);
  agent.receive(encodeFrame(Frame.Hello, 0, word(1)));
};
const exit = (job: number, ending: number, status: number) =>
  agent.receive(encodeFrame(Frame.Exit, job, Uint8Array.of(...word(ending), ...word(status))));
const output = (job: number, stream: number, text: string) =>
  agent.receive(encodeFrame(Frame.Output, job, new TextEncoder().encode(text), stream));
/** The frames of a type that the host has sent. */
const sent = async (type: number) => {
  await new Promise((resolve) => setTimeout(resolve));
  return frames.filter((frame) => frame.type === type);
};

describe("the host's side of the agent", () => {
  it("runs a program and collects what it prints on either stream", async () => {
    hello();
    const result = agent.exec(["echo", "hi"], { env: { A: "b", TERM: undefined }, cwd: "/tmp" });
    const [frame] = await sent(Frame.Spawn);
    expect(new TextDecoder().decode(frame?.payload.subarray(8)).split("\0")).toEqual([
      "/tmp",
      "echo",
      "hi",
      "HOME=/root",
      expect.stringMatching(/^PATH=/),
      "A=b",
      "",
    ]);
    output(1, 1, "out");
    output(1, 2, "err");
    exit(1, Ending.Exited, 3);
    expect(await result).toMatchObject({ exitCode: 3, stdoutText: "out", stderrText: "err" });
  });

  it("begins when the guest's agent is there", async () => {
    const result = agent.exec(["true"]);
    expect(await sent(Frame.Spawn)).toEqual([]);
    hello();
    await sent(Frame.Spawn);
    exit(1, Ending.Exited, 0);
    expect((await result).exitCode).toBe(0);
  });

  it("understands frames however they are cut", async () => {
    hello();
    const result = agent.exec(["true"]);
    await sent(Frame.Spawn);
    const bytes = Uint8Array.of(
      ...encodeFrame(Frame.Output, 1, word(0x41414141), 1),
      ...encodeFrame(Frame.Exit, 1, Uint8Array.of(...word(0), ...word(0))),
    );
    for (const byte of bytes) agent.receive(Uint8Array.of(byte));
    expect((await result).stdoutText).toBe("AAAA");
  });

  it("says which signal ended a program", async () => {
    hello();
    const result = agent.exec(["x"]);
    await sent(Frame.Spawn);
    exit(1, Ending.Signalled, 9);
    expect(await result).toMatchObject({ exitCode: 137, signal: 9 });
  });

  it("says why a program could not be started", async () => {
    hello();
    const result = agent.exec(["nope"]);
    await sent(Frame.Spawn);
    exit(1, Ending.Failed, 2);
    await expect(result).rejects.toMatchObject({
      code: "exec-failed",
      message: expect.stringContaining("run nope: no such file"),
    });
  });

  it("sends no more input than the agent keeps, and the rest as it is read", async () => {
    hello();
    const stdin = new Uint8Array(INPUT_WINDOW + 100);
    const result = agent.exec(["cat"], { stdin });
    const bytes = async () => (await sent(Frame.Input)).reduce((sum, { payload }) => sum + payload.length, 0);
    expect(await bytes()).toBe(INPUT_WINDOW);
    expect(await sent(Frame.InputEnd)).toEqual([]);
    agent.receive(encodeFrame(Frame.InputCredit, 1, word(60)));
    expect(await bytes()).toBe(INPUT_WINDOW + 60);
    agent.receive(encodeFrame(Frame.InputCredit, 1, word(60)));
    expect(await bytes()).toBe(INPUT_WINDOW + 100);
    expect(await sent(Frame.InputEnd)).toHaveLength(1);
    exit(1, Ending.Exited, 0);
    await result;
  });

  it("asks for more output only as it is read", async () => {
    hello();
    const job = await agent.spawn(["yes"]);
    const granted = async () =>
      (await sent(Frame.OutputCredit))
        .filter(({ stream }) => stream === 1)
        .reduce((sum, { payload }) => sum + (new Uint32Array(payload.buffer)[0] ?? 0), 0);
    const window = await granted();
    for (let n = 0; n < 4; n++) output(1, 1, "y".repeat(30_000));
    expect(await granted()).toBe(window);
    const stream = job.stdout.getReader();
    for (let n = 0; n < 4; n++) await stream.read();
    expect(await granted()).toBeGreaterThan(window + 60_000);
  });

  it("kills a program whose caller gives up, and rejects with the reason", async () => {
    hello();
    const abort = new AbortController();
    const result = agent.exec(["sleep"], { signal: abort.signal });
    await sent(Frame.Spawn);
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(result).rejects.toBe(reason);
    expect(new Uint32Array((await sent(Frame.Kill))[0]?.payload.buffer ?? new ArrayBuffer(4))[0]).toBe(9);
    exit(1, Ending.Signalled, 9);
  });

  it("kills a program that takes too long, or prints too much", async () => {
    hello();
    await expect(agent.exec(["sleep"], { timeoutMs: 1 })).rejects.toMatchObject({ code: "timeout" });
    const result = agent.exec(["yes"], { maxOutputBytes: 10 });
    await sent(Frame.Spawn);
    output(2, 1, "more than ten bytes");
    await expect(result).rejects.toThrow(/more than 10 bytes/);
    expect(await sent(Frame.Kill)).toHaveLength(2);
  });

  it("gives up while it waits for an agent that never comes", async () => {
    await expect(agent.exec(["true"], { timeoutMs: 1 })).rejects.toMatchObject({ code: "timeout" });
    const late = agent.exec(["true"]);
    agent.end("the machine has exited");
    await expect(late).rejects.toThrow(/machine has exited/);
    await expect(agent.exec(["true"])).rejects.toThrow(/machine has exited/);
  });

  it("lets at most 200 run at once", async () => {
    hello();
    const all = Promise.all(Array.from({ length: 201 }, () => agent.exec(["true"])));
    expect(await sent(Frame.Spawn)).toHaveLength(200);
    for (let job = 1; job <= 200; job++) exit(job, Ending.Exited, 0);
    expect(await sent(Frame.Spawn)).toHaveLength(201);
    exit(201, Ending.Exited, 0);
    await all;
  });

  it("gives the turn of a caller who gave up to the next", async () => {
    hello();
    const first = Array.from({ length: 200 }, () => agent.exec(["true"]));
    await sent(Frame.Spawn);
    const abort = new AbortController();
    const impatient = agent.exec(["true"], { signal: abort.signal });
    const patient = agent.exec(["true"]);
    await sent(Frame.Spawn);
    abort.abort(new Error("enough"));
    await expect(impatient).rejects.toThrow("enough");
    exit(1, Ending.Exited, 0);
    expect(await sent(Frame.Spawn)).toHaveLength(201);
    for (let job = 2; job <= 201; job++) exit(job, Ending.Exited, 0);
    await Promise.all([...first, patient]);
  });

  it.each([
    [
      "more output than was asked for",
      () => {
        for (let n = 0; n < 10; n++) output(1, 1, "x".repeat(30_000));
      },
    ],
    ["a frame longer than any", () => agent.receive(Uint8Array.of(18, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1))],
    ["a stream that is none", () => output(1, 3, "x")],
    ["an unknown frame", () => agent.receive(encodeFrame(200, 1))],
    ["more room for input than there is", () => agent.receive(encodeFrame(Frame.InputCredit, 1, word(2 ** 31)))],
    ["another version", () => agent.receive(encodeFrame(Frame.Hello, 0, word(2)))],
    ["a short exit", () => agent.receive(encodeFrame(Frame.Exit, 1, word(0)))],
  ])("has nothing to do any more with an agent that sends %s", async (_, act) => {
    hello();
    const job = await agent.spawn(["x"]);
    act();
    await expect(job.exited).rejects.toMatchObject({ code: "exec-failed" });
    hello();
    const next = agent.exec(["true"]);
    const spawned = await sent(Frame.Spawn);
    exit(spawned.at(-1)?.job ?? 0, Ending.Exited, 0);
    expect((await next).exitCode).toBe(0);
  });

  it.each([
    ["no program", [], /without a program/],
    ["a NUL", ["a\0b"], /NUL/],
    ["more than fits", ["x".repeat(40_000)], /at most 32768/],
  ])("refuses a command with %s", async (_, argv, reason) => {
    hello();
    await expect(agent.exec(argv)).rejects.toThrow(reason);
  });
});
