import { beforeEach, describe, expect, it } from "vitest";
import { TestBench } from "../virtio/test-device.js";
import { ControlEvent, controlMessage } from "./control-message.js";
import { VirtioConsole } from "./device.js";

const BUFFER = 0x8008_0000;
const OFFSET = 0x8_0000;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

let device: VirtioConsole;
let bench: TestBench;
let received: string[];
let opened: boolean[];
let busy: (() => void) | undefined;
let holds: boolean;

beforeEach(() => {
  received = [];
  opened = [];
  holds = false;
  device = new VirtioConsole({
    ports: [
      { isTerminal: true, receive: () => {} },
      {
        name: "a.port",
        onOpen: (isOpen) => opened.push(isOpen),
        receive: (bytes) => {
          received.push(new TextDecoder().decode(bytes));
          if (!holds) return;
          return new Promise((resolve) => {
            busy = resolve;
          });
        },
      },
    ],
  });
  bench = new TestBench(device).start();
});

/** Gives the device a buffer, and reads what it put there. */
function take(queue: number, length = 64): Uint8Array | undefined {
  bench.drivers[queue]?.add({ address: BUFFER, length, write: true });
  bench.ring(queue);
  const used = bench.drivers[queue]?.take();
  return used && bench.memory.bytes.slice(OFFSET, OFFSET + used.written);
}

function transmit(queue: number, bytes: Uint8Array): void {
  bench.memory.bytes.set(bytes, OFFSET + 0x1000);
  bench.drivers[queue]?.add({ address: BUFFER + 0x1000, length: bytes.length });
  bench.ring(queue);
}

const control = (port: number, event: number, value: number) =>
  transmit(CONTROL_TRANSMIT, controlMessage({ port, event, value }));
const message = (bytes: Uint8Array | undefined) => {
  if (bytes === undefined) return undefined;
  const [port, event, value] = [new Uint32Array(bytes.buffer, 0, 1)[0], ...new Uint16Array(bytes.buffer, 4, 2)];
  return { port, event, value, rest: [...bytes.subarray(8)] };
};
const text = (string: string) => new TextEncoder().encode(string);

describe("a console", () => {
  it("adds its ports when the driver is ready, and says what each is", () => {
    control(0, ControlEvent.DeviceReady, 1);
    expect([take(CONTROL_RECEIVE), take(CONTROL_RECEIVE), take(CONTROL_RECEIVE)].map(message)).toEqual([
      { port: 0, event: ControlEvent.PortAdd, value: 1, rest: [] },
      { port: 1, event: ControlEvent.PortAdd, value: 1, rest: [] },
      undefined,
    ]);
  });

  it("says the name of a port, and that the host's end is open", () => {
    control(1, ControlEvent.PortReady, 1);
    take(CONTROL_RECEIVE);
    bench.start();
    control(1, ControlEvent.PortReady, 1);
    expect(message(take(CONTROL_RECEIVE))).toEqual({
      port: 1,
      event: ControlEvent.PortName,
      value: 1,
      rest: [...text("a.port")],
    });
    expect(message(take(CONTROL_RECEIVE))).toMatchObject({ port: 1, event: ControlEvent.PortOpen, value: 1 });
  });

  it("tells a terminal its size, and when it changes", () => {
    control(0, ControlEvent.PortReady, 1);
    expect(message(take(CONTROL_RECEIVE))?.event).toBe(ControlEvent.ConsolePort);
    expect(message(take(CONTROL_RECEIVE))).toMatchObject({ event: ControlEvent.Resize, rest: [80, 0, 25, 0] });
    take(CONTROL_RECEIVE);
    device.resize(132, 43);
    expect(bench.acknowledge() & 2).toBe(2);
    expect(bench.read(0x100)).toBe(132 + 43 * 0x10000);
  });

  it("receives what the guest sends", () => {
    transmit(5, text("hello"));
    expect(received).toEqual(["hello"]);
    expect(bench.drivers[5]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("leaves the guest waiting while the host's reader is busy", async () => {
    holds = true;
    transmit(5, text("one"));
    transmit(5, text("two"));
    expect(received).toEqual(["one"]);
    const quiet = device.quiesce();
    busy?.();
    await quiet;
    expect(received).toEqual(["one"]);
    device.resume();
    expect(received).toEqual(["one", "two"]);
  });

  it("sends to the guest in parts that fit its buffers, once it has opened the port", async () => {
    const sent = device.send(1, text("hello"));
    expect(take(4, 3)).toBeUndefined();
    control(1, ControlEvent.PortOpen, 1);
    expect([opened, bench.drivers[4]?.take()]).toEqual([[true], { head: 0, written: 3 }]);
    expect(new TextDecoder().decode(take(4))).toBe("lo");
    expect(await sent).toBe(true);
  });

  it("tells the sender when the guest has reset the device before it took anything", async () => {
    const sent = device.send(1, text("hello"));
    bench.start();
    expect(await sent).toBe(false);
  });

  it("ignores control messages that mean nothing", () => {
    control(99, ControlEvent.PortOpen, 1);
    control(1, 77, 1);
    transmit(CONTROL_TRANSMIT, Uint8Array.of(1, 2, 3));
    expect([bench.failures, opened]).toEqual([[], []]);
  });

  it("does not take gigabytes at once", () => {
    const address = bench.memory.base;
    for (let n = 0; n < 8; n++) bench.drivers[5]?.descriptor(n, address, 0x10_0000, n < 7 ? 1 : 0, n + 1);
    bench.drivers[5]?.offer(0);
    bench.ring(5);
    expect([received, bench.failures.length]).toEqual([[], 1]);
  });

  it("is one open port to a driver that knows no others", () => {
    device = new VirtioConsole({
      ports: [{ receive: (bytes) => void received.push(new TextDecoder().decode(bytes)) }],
    });
    bench = new TestBench(device).start({ features: 0n });
    void device.send(0, text("hi"));
    expect(new TextDecoder().decode(take(0))).toBe("hi");
    transmit(1, text("ho"));
    expect(received).toEqual(["ho"]);
  });

  it("goes on after save and restore", () => {
    control(1, ControlEvent.PortOpen, 1);
    const saved = structuredClone(bench.mmio.save());
    bench.mmio.reset();
    bench.mmio.restore(saved);
    expect([bench.mmio.save(), device.isOpen(1)]).toEqual([saved, true]);
  });

  it.each([0, 17])("cannot have %i ports", (count) => {
    const ports = Array.from({ length: count }, () => ({ receive: () => {} }));
    expect(() => new VirtioConsole({ ports })).toThrow(/1 to 16 ports/);
  });
});
