import { beforeEach, describe, expect, it } from "vitest";
import { TestBench } from "../virtio/test-device.js";
import { VSOCK_BUFFER, type VsockConnection } from "./connection.js";
import { MAX_VSOCK_CONNECTIONS, VirtioVsock } from "./device.js";
import { HEADER, Operation, readHeader, ShutdownFlag, STREAM, type VsockHeader, writeHeader } from "./packet.js";

const BUFFER = 0x8008_0000;
const OFFSET = 0x8_0000;
const SENT = 0x2_0000;

let device: VirtioVsock;
let bench: TestBench;
let accepted: VsockConnection[];

beforeEach(() => {
  accepted = [];
  device = new VirtioVsock();
  device.listen(80, (connection) => accepted.push(connection));
  bench = new TestBench(device).start();
});

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (string: string) => new TextEncoder().encode(string);
const moment = () => new Promise((resolve) => setTimeout(resolve));

/** The guest sends a packet from its port 5 to the host's port 80, unless it says otherwise. */
function send(operation: number, data: Uint8Array = new Uint8Array(0), change: Partial<VsockHeader> = {}): void {
  const header = writeHeader({
    sourceCid: 3,
    destinationCid: 2,
    sourcePort: 5,
    destinationPort: 80,
    length: data.length,
    type: STREAM,
    operation,
    flags: 0,
    bufferSize: 1000,
    forwarded: 0,
    ...change,
  });
  bench.memory.bytes.set(header, OFFSET + SENT);
  bench.memory.bytes.set(data, OFFSET + SENT + HEADER);
  bench.drivers[1]?.add({ address: BUFFER + SENT, length: HEADER + data.length });
  bench.ring(1);
}

/** What the guest finds in its next buffer. */
function take(length = 4096): (VsockHeader & { readonly data: string }) | undefined {
  bench.drivers[0]?.add({ address: BUFFER, length, write: true });
  bench.ring(0);
  const used = bench.drivers[0]?.take();
  if (used === undefined) return undefined;
  const packet = bench.memory.bytes.slice(OFFSET, OFFSET + used.written);
  return { ...readHeader(packet), data: text(packet.subarray(HEADER)) };
}

function connected(): VsockConnection {
  send(Operation.Request);
  expect(take()).toMatchObject({
    operation: Operation.Response,
    sourcePort: 80,
    destinationPort: 5,
    bufferSize: VSOCK_BUFFER,
  });
  return accepted.at(-1) as VsockConnection;
}

describe("a vsock device", () => {
  it("tells the guest its context id", () => {
    expect([bench.read(0x100), bench.read(0x104)]).toEqual([3, 0]);
  });

  it("lets the guest connect where somebody listens, and nowhere else", () => {
    connected();
    send(Operation.Request, new Uint8Array(0), { destinationPort: 81 });
    expect(take()).toMatchObject({ operation: Operation.Reset, sourcePort: 81 });
    send(Operation.Request, new Uint8Array(0), { type: 2, sourcePort: 6 });
    expect(take()).toMatchObject({ operation: Operation.Reset, type: 2 });
    send(Operation.Request, new Uint8Array(0), { destinationCid: 7, sourcePort: 6 });
    expect(take()).toMatchObject({ operation: Operation.Reset, sourceCid: 7 });
    send(Operation.Request, new Uint8Array(0), { sourceCid: 4, sourcePort: 6 });
    expect(accepted).toHaveLength(1);
  });

  it("carries bytes both ways", async () => {
    const { readable, writable } = connected();
    send(Operation.Data, bytes("hello"));
    expect(text((await readable.getReader().read()).value ?? new Uint8Array(0))).toBe("hello");
    const written = writable.getWriter().write(bytes("and back"));
    await moment();
    expect(take(HEADER + 4)).toMatchObject({ operation: Operation.Data, data: "and ", forwarded: 5 });
    expect(take()).toMatchObject({ data: "back" });
    await written;
  });

  it("sends no more than the guest has room for", async () => {
    const { writable } = connected();
    void writable.getWriter().write(new Uint8Array(1500));
    await moment();
    expect(take()).toMatchObject({ length: 1000 });
    bench.drivers[0]?.add({ address: BUFFER, length: 4096, write: true });
    bench.ring(0);
    expect(bench.drivers[0]?.take()).toBeUndefined();
    send(Operation.CreditUpdate, new Uint8Array(0), { forwarded: 600 });
    expect(bench.drivers[0]?.take()?.written).toBe(HEADER + 500);
  });

  it("tells the guest when its reader has taken much", async () => {
    const { readable } = connected();
    for (let n = 0; n < 2; n++) send(Operation.Data, new Uint8Array(32 * 1024));
    const reader = readable.getReader();
    await reader.read();
    expect(take()).toBeUndefined();
    await reader.read();
    expect(bench.drivers[0]?.take()?.written).toBe(HEADER);
    expect(readHeader(bench.memory.bytes.subarray(OFFSET))).toMatchObject({
      operation: Operation.CreditUpdate,
      forwarded: 65_536,
    });
  });

  it("ends when both sides have ended", async () => {
    const { readable, writable } = connected();
    send(Operation.Shutdown, new Uint8Array(0), { flags: ShutdownFlag.Send });
    expect((await readable.getReader().read()).done).toBe(true);
    await writable.close();
    expect(take()).toMatchObject({ operation: Operation.Shutdown, flags: 3 });
    send(Operation.Reset);
    send(Operation.Data, bytes("x"));
    expect(take()).toMatchObject({ operation: Operation.Reset });
  });

  it("connects to the guest", async () => {
    const opening = device.connect(9);
    const request = take();
    expect(request).toMatchObject({ operation: Operation.Request, destinationPort: 9 });
    const port = request?.sourcePort ?? 0;
    send(Operation.Response, new Uint8Array(0), { sourcePort: 9, destinationPort: port });
    expect((await opening).guestPort).toBe(9);
    const refused = device.connect(10);
    const other = take()?.sourcePort ?? 0;
    send(Operation.Reset, new Uint8Array(0), { sourcePort: 10, destinationPort: other });
    await expect(refused).rejects.toThrow(/nobody at port 10/);
  });

  it.each([
    [
      "sends more than it may",
      () => {
        for (let n = 0; n < 5; n++) send(Operation.Data, new Uint8Array(64 * 1024));
      },
    ],
    ["answers what was not asked", () => send(Operation.Response)],
    ["says something unknown", () => send(99)],
  ])("resets a guest that %s", async (_, act) => {
    const { readable } = connected();
    act();
    expect(take()).toMatchObject({ operation: Operation.Reset });
    for await (const _ of readable);
    expect(bench.failures).toEqual([]);
  });

  it("ignores packets that are not whole", () => {
    send(Operation.Data, bytes("x"), { length: 1000 });
    bench.drivers[1]?.add({ address: BUFFER, length: 10 });
    bench.ring(1);
    expect([take(), bench.failures]).toEqual([undefined, []]);
  });

  it("stops listening to a guest that does not take its answers", () => {
    for (let n = 0; n < 3000; n++) send(Operation.Request, new Uint8Array(0), { destinationPort: 81, sourcePort: n });
    expect(bench.failures.length).toBeLessThan(2);
    expect(bench.drivers[1]?.take()).toBeDefined();
    let answered = 0;
    while (bench.drivers[1]?.take() !== undefined) answered++;
    expect(answered).toBeLessThan(1100);
  });

  it(`has at most ${MAX_VSOCK_CONNECTIONS} connections`, () => {
    for (let n = 0; n <= MAX_VSOCK_CONNECTIONS; n++) {
      send(Operation.Request, new Uint8Array(0), { sourcePort: 100 + n });
      take();
    }
    expect(accepted).toHaveLength(MAX_VSOCK_CONNECTIONS);
  });

  it("ends its connections with a reset of the device", async () => {
    const { readable } = connected();
    bench.start();
    expect((await readable.getReader().read()).done).toBe(true);
    await expect(new VirtioVsock().connect(1)).rejects.toThrow(/no driver/);
  });

  it.each([2, 0.5, 2 ** 32])("cannot have the context id %s", (guestCid) => {
    expect(() => new VirtioVsock({ guestCid })).toThrow(/context id/);
  });
});
