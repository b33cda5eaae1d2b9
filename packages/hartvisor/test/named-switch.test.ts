/** Switches of several processes: those of this test stand for processes of their own. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkSwitch } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { joinSwitch, linkTo, listenForLinks } from "../src/host/node/index.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hv-"));
  vi.stubEnv("XDG_RUNTIME_DIR", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const frame = (to: number, from: number) => {
  const bytes = new Uint8Array(60).fill(9);
  bytes.set([0x52, 0x54, 0, 0, 0, to, 0x52, 0x54, 0, 0, 0, from, 0x88, 0xb5]);
  return bytes;
};

/** A switch with a card of a number. */
function station(number: number, vlan = 1) {
  const lan = new NetworkSwitch();
  const heard: number[] = [];
  const backend = lan.card({ vlan });
  backend.connect({ largestSegment: 1460, deliver: ([bytes]) => heard.push(bytes?.[11] ?? 0) > 0 });
  return { lan, heard, say: (to: number) => backend.receive(frame(to, number)) };
}

/** Says something until the other hears it. */
async function isHeard(from: ReturnType<typeof station>, by: ReturnType<typeof station>): Promise<void> {
  by.heard.length = 0;
  await expect
    .poll(() => {
      from.say(99);
      return by.heard.length;
    })
    .toBeGreaterThan(0);
}

describe("switches that join by name", () => {
  it("are one network", async () => {
    const [a, b, c] = [station(1), station(2), station(3)] as const;
    const joined = [await joinSwitch(a.lan, "lab"), await joinSwitch(b.lan, "lab"), await joinSwitch(c.lan, "lab")];
    for (const [from, by] of [
      [a, b],
      [b, c],
      [c, a],
    ] as const)
      await isHeard(from, by);
    for (const each of joined) await each.leave();
  });

  it("are others under other names", async () => {
    const [a, b] = [station(1), station(2)] as const;
    const joined = [await joinSwitch(a.lan, "lab"), await joinSwitch(b.lan, "other")];
    a.say(99);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(b.heard).toEqual([]);
    for (const each of joined) await each.leave();
  });

  it("find another hub when the first leaves", async () => {
    const [a, b, c] = [station(1), station(2), station(3)] as const;
    const first = await joinSwitch(a.lan, "lab");
    const rest = [await joinSwitch(b.lan, "lab"), await joinSwitch(c.lan, "lab")];
    await first.leave();
    await isHeard(b, c);
    for (const each of rest) await each.leave();
  });

  it("find one hub when all begin at once", async () => {
    const stations = [1, 2, 3, 4].map((number) => station(number));
    const joined = await Promise.all(stations.map(({ lan }) => joinSwitch(lan, "lab")));
    const [first, ...others] = stations;
    if (first === undefined) throw new Error("no station");
    for (const other of others) await isHeard(first, other);
    for (const each of joined) await each.leave();
  });

  it("replace what a process left behind", async () => {
    await joinSwitch(new NetworkSwitch(), "lab").then((each) => each.leave()); // makes the folder
    await writeFile(join(folder, "hartvisor", "lab.switch"), "");
    const joined = await joinSwitch(new NetworkSwitch(), "lab");
    await joined.leave();
  });

  it.each(["", "a/b", "..\n", "x".repeat(33)])("are not called %j", async (name) => {
    await expect(joinSwitch(new NetworkSwitch(), name)).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

describe("links by address", () => {
  it("join switches over TCP", async () => {
    const [a, b] = [station(1, 10), station(2, 10)] as const;
    const listener = await listenForLinks(a.lan, { port: 0 });
    const link = await linkTo(b.lan, { port: listener.port ?? 0 });
    await isHeard(a, b);
    await isHeard(b, a);
    await link.close();
    await listener.close();
  });

  it("end when the listener closes", async () => {
    const listener = await listenForLinks(new NetworkSwitch(), { port: 0 });
    const link = await linkTo(new NetworkSwitch(), { port: listener.port ?? 0 });
    await listener.close();
    await link.closed;
  });

  it("survive a peer that sends garbage, and go on with others", async () => {
    const [a, b] = [station(1), station(2)] as const;
    const listener = await listenForLinks(a.lan, { port: 0 });
    const port = listener.port ?? 0;
    const hostile = createConnection({ port, host: "127.0.0.1" });
    hostile.on("error", () => {});
    hostile.write(Uint8Array.from({ length: 5000 }, (_, n) => n * 7 + 200));
    await new Promise((resolve) => hostile.once("close", resolve));
    expect(a.lan.stats.dropped.malformed).toBe(1);
    const link = await linkTo(b.lan, { port });
    await isHeard(a, b);
    await link.close();
    await listener.close();
  });

  it("are refused where nobody listens", async () => {
    const server = createServer().listen(0);
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    await new Promise((resolve) => server.close(resolve));
    await expect(linkTo(new NetworkSwitch(), { port })).rejects.toMatchObject({ code: "invalid-state" });
  });
});
