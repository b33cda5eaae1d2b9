import type { BlockBackend } from "@hartvisor/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nbdDisk } from "./nbd-disk.js";
import { TestServer, type TestServerOptions } from "./test-server.js";
import { parseNbdUri } from "./uri.js";

const SIZE = 64 * 1024;

let server: TestServer;
let disk: BlockBackend;

async function begin(options: Partial<TestServerOptions> = {}, reconnectMs = 1000): Promise<void> {
  server = new TestServer({ bytes: Uint8Array.from({ length: SIZE }, (_, n) => n >> 9), ...options });
  disk = await nbdDisk({ open: server.open, export: "disk", name: "nbd://here/disk", reconnectMs });
}

beforeEach(() => begin());
afterEach(() => disk.close());

const read = async (offset: number, length: number) => {
  const bytes = new Uint8Array(length);
  await disk.read(offset, bytes);
  return bytes;
};

describe.each([
  ["that knows today's handshake", false],
  ["that knows only the old one", true],
])("a server %s", (_, isOld) => {
  beforeEach(() => begin({ isOld }));

  it("is read and written", async () => {
    expect([disk.size, disk.isReadOnly]).toEqual([SIZE, false]);
    expect(await read(1024, 512)).toEqual(new Uint8Array(512).fill(2));
    await disk.write(512, new Uint8Array(512).fill(0x77));
    await disk.writeZeroes?.(1024, 512);
    expect([...server.bytes.subarray(511, 1537)]).toEqual([
      0,
      ...new Array(512).fill(0x77),
      ...new Array(512).fill(0),
      3,
    ]);
    await disk.discard?.(0, 4096);
    await disk.flush();
    expect(server.log.slice(-2)).toEqual(["4 0 4096", "3 0 0"]);
  });
});

it("does not ask for what the server cannot do", async () => {
  await begin({ flags: 3 });
  expect([disk.isReadOnly, disk.discard, disk.writeZeroes]).toEqual([true, undefined, undefined]);
  await disk.flush();
  expect(server.log).toEqual([]);
});

it("asks for no more at once than the server wants", async () => {
  await begin({ maxRequest: 4096 + 100 });
  expect(await read(512, 10_240)).toEqual(server.bytes.subarray(512, 512 + 10_240));
  expect(server.log).toEqual(["0 512 4096", "0 4608 4096", "0 8704 2048"]);
});

it("fails as the server does, and goes on", async () => {
  server.next = 28;
  await expect(disk.write(0, new Uint8Array(512))).rejects.toThrow(/no space left/);
  expect(await read(512, 512)).toEqual(new Uint8Array(512).fill(1));
});

describe("a connection that is lost", () => {
  it("is made anew, and what was under way asked again", async () => {
    server.next = "silence";
    const outcome = read(1024, 512);
    await expect.poll(() => server.log).toHaveLength(1);
    server.drop();
    expect(await outcome).toEqual(new Uint8Array(512).fill(2));
    expect(server.log).toEqual(["0 1024 512", "0 1024 512"]);
  });

  it("costs nothing that was acknowledged, even if the server has forgotten it", async () => {
    await disk.write(0, new Uint8Array(512).fill(1));
    await disk.flush();
    await disk.write(512, new Uint8Array(512).fill(0x55));
    await disk.write(1024, new Uint8Array(512).fill(0x66));
    await disk.writeZeroes?.(1024, 512);
    server.drop({ crashes: true });
    server.log.length = 0;
    await disk.flush();
    expect(server.log).toEqual(["1 512 512", "1 1024 512", "6 1024 512", "3 0 0"]);
    expect([server.durable[0], server.durable[512], server.durable[1024]]).toEqual([1, 0x55, 0]);
    server.drop();
    server.log.length = 0;
    await read(0, 512);
    expect(server.log).toEqual(["0 0 512"]);
  });

  it("is tried again while the server is down, and not for ever", async () => {
    server.isDown = true;
    server.drop();
    setTimeout(() => {
      server.isDown = false;
    }, 100);
    expect(await read(512, 512)).toEqual(new Uint8Array(512).fill(1));
    await begin({}, 100);
    server.isDown = true;
    server.drop();
    await expect(read(0, 512)).rejects.toThrow(/lost nbd:\/\/here\/disk: connection refused/);
    server.isDown = false;
    expect(await read(0, 512)).toEqual(new Uint8Array(512));
  });

  it("is given up where each one ends with the same request", async () => {
    const cut = setInterval(() => {
      server.next = "silence";
      server.drop();
    }, 5);
    server.next = "silence";
    await expect(read(0, 512)).rejects.toThrow(/a request failed/);
    clearInterval(cut);
  });

  it("is one where the server answers what was not asked", async () => {
    server.next = "nonsense";
    expect(await read(512, 512)).toEqual(new Uint8Array(512).fill(1));
  });
});

it("flushes by itself before it keeps too much, and lets writes wait for that", async () => {
  await begin({ bytes: new Uint8Array(2 ** 20) });
  const write = new Uint8Array(2 ** 20);
  for (let n = 0; n < 33; n++) await disk.write(0, write);
  expect(server.log.filter((request) => request.startsWith("3"))).toHaveLength(1);
});

it("says why there is no disk", async () => {
  const open = { open: server.open, name: "nbd://here" };
  await expect(nbdDisk({ ...open, export: "nothing" })).rejects.toThrow(
    "cannot use nbd://here: its server has no such export: no such thing",
  );
  await begin({ bytes: new Uint8Array(512) });
  await expect(nbdDisk({ open: new TestServer({ bytes: new Uint8Array(100) }).open })).rejects.toThrow(/100 bytes/);
  const chatter = async (events: { data(bytes: Uint8Array): void }) => {
    events.data(new TextEncoder().encode("220 mail.example.org ESMTP at your service\r\n"));
    return { write: () => {}, destroy: () => {} };
  };
  await expect(nbdDisk({ open: chatter })).rejects.toThrow(/no NBD server/);
});

describe("the URI", () => {
  it.each([
    ["nbd://host", { server: { host: "host", port: 10809 }, export: "" }],
    ["nbd://[::1]:99/a%20disk", { server: { host: "::1", port: 99 }, export: "a disk" }],
    ["nbd+unix:///root?socket=/run/nbd.sock", { server: { path: "/run/nbd.sock" }, export: "root" }],
  ])("%s is understood", (uri, address) => {
    expect(parseNbdUri(uri)).toEqual(address);
  });

  it.each([
    ["nbds://host", /TLS/],
    ["nbd:///disk", /no host/],
    ["nbd+unix:///disk", /no socket/],
    ["nbd+vsock://3", /only nbd/],
  ])("%s is refused", (uri, reason) => {
    expect(() => parseNbdUri(uri)).toThrow(reason);
  });
});
