import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_CONNECTIONS } from "./nat.js";
import { TcpFlag } from "./packet.js";
import {
  begin,
  bytes,
  connected,
  frames,
  moment,
  nat,
  SERVER,
  segments,
  sendTcp,
  setRoom,
  sockets,
} from "./test-guest.js";

const { Syn, Acknowledge, Fin, Reset, Push } = TcpFlag;

beforeEach(() => begin());
afterEach(() => nat.close());

describe("a connection of the guest's", () => {
  it("is made when the host's is", () => {
    sendTcp({ flags: Syn, sequence: 100 });
    expect([sockets[0]?.target, segments()]).toEqual([`${SERVER}:80`, []]);
    sockets[0]?.events.connected();
    expect(segments()).toMatchObject([
      { flags: Syn | Acknowledge, acknowledgement: 101, segmentSize: 1460, windowScale: 7 },
    ]);
  });

  it("is refused when the host's is", () => {
    sendTcp({ flags: Syn, sequence: 100 });
    sockets[0]?.events.closed(true);
    expect(segments()).toMatchObject([{ flags: Reset | Acknowledge, acknowledgement: 101 }]);
  });

  it("carries bytes to the host, in order and each once", async () => {
    const { socket, sequence } = connected();
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence, data: "hello " });
    sendTcp({ flags: Acknowledge, sequence: 110, acknowledgement: sequence, data: "early" });
    sendTcp({ flags: Acknowledge, sequence: 104, acknowledgement: sequence, data: "lo world" });
    expect(socket.written).toBe("hello world");
    await moment();
    expect(segments().at(-1)).toMatchObject({ flags: Acknowledge, acknowledgement: 112 });
  });

  it("acknowledges much at once, and little a moment later", async () => {
    const { sequence } = connected();
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence, data: "x".repeat(20_000) });
    expect(segments()).toMatchObject([{ acknowledgement: 20_101 }]);
    sendTcp({ flags: Acknowledge, sequence: 20_101, acknowledgement: sequence, data: "x" });
    expect(segments()).toEqual([]);
    await moment();
    expect(segments()).toMatchObject([{ acknowledgement: 20_102 }]);
  });

  it("carries bytes to the guest, as far as its window", () => {
    const { socket, sequence } = connected(2);
    socket.events.data(bytes("x".repeat(100)));
    expect(segments()).toMatchObject([{ sequence, payload: { length: 32 } }]);
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence + 32, window: 100 });
    expect(segments()).toMatchObject([{ sequence: sequence + 32, flags: Acknowledge | Push, payload: { length: 68 } }]);
  });

  it("leaves long segments to the guest to cut", () => {
    const { socket } = connected(65535);
    socket.events.data(new Uint8Array(50_000));
    expect(frames[0]?.offload).toEqual({ checksumStart: 34, checksumOffset: 16, segmentSize: 1460 });
    expect(segments()).toMatchObject([{ payload: { length: 50_000 } }]);
  });

  it("holds back a host that sends faster than the guest reads", () => {
    const { socket, sequence } = connected(0);
    for (let n = 0; n < 9; n++) socket.events.data(new Uint8Array(64 * 1024));
    expect(socket.log).toEqual(["pause"]);
    let next = sequence;
    for (let n = 0; n < 9; n++) {
      sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: next, window: 4096 });
      next += segments().reduce((sum, { payload }) => sum + payload.length, 0);
    }
    expect(socket.log).toEqual(["pause", "resume"]);
  });

  it("shows the guest no more window than the host's socket has room", () => {
    const { socket, sequence } = connected();
    socket.backlog = 512 * 1024;
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence, data: "x".repeat(65_535 - 1000) });
    const [acknowledged] = segments();
    expect(acknowledged?.window).toBeLessThan(1000);
    socket.backlog = 0;
    socket.events.drained();
    expect(segments()[0]?.window).toBe(4096);
  });

  it("sends again what the guest does not acknowledge", async () => {
    const { socket, sequence } = connected();
    socket.events.data(bytes("hello"));
    segments();
    await moment(500);
    expect(segments()).toMatchObject([{ sequence, payload: { length: 5 } }]);
  });

  it("waits for room in the guest", () => {
    const { socket, sequence } = connected();
    setRoom(false);
    socket.events.data(bytes("hello"));
    setRoom(true);
    nat.ready();
    expect(segments()).toMatchObject([{ sequence, payload: { length: 5 } }]);
  });

  it("ends in each direction by itself", () => {
    const { socket, sequence } = connected();
    socket.events.data(bytes("bye"));
    socket.events.ended();
    expect(segments().map(({ flags }) => flags)).toEqual([Acknowledge | Push, Fin | Acknowledge]);
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence + 4, data: "still here" });
    sendTcp({ flags: Acknowledge | Fin, sequence: 111, acknowledgement: sequence + 4 });
    expect([socket.written, socket.log]).toEqual(["still here", ["end"]]);
    expect(segments().at(-1)).toMatchObject({ acknowledgement: 112 });
    sendTcp({ flags: Acknowledge, sequence: 112, acknowledgement: sequence + 4 });
    expect(segments()).toMatchObject([{ flags: Reset }]);
  });

  it("is reset by the guest, and by the host", () => {
    const { socket, sequence } = connected();
    sendTcp({ flags: Reset, sequence: 101, acknowledgement: sequence });
    expect(socket.log).toEqual(["destroy"]);
    const other = connected();
    other.socket.events.closed(true);
    expect(segments()).toMatchObject([{ flags: Reset | Acknowledge, sequence: other.sequence }]);
  });

  it("answers segments that belong to none with a reset", () => {
    sendTcp({ flags: Acknowledge, sequence: 5, acknowledgement: 77, data: "x" });
    expect(segments()).toMatchObject([{ flags: Reset, sequence: 77 }]);
    sendTcp({ flags: Reset, sequence: 5 });
    expect(segments()).toEqual([]);
  });

  it(`is one of at most ${MAX_CONNECTIONS}`, () => {
    for (let n = 0; n <= MAX_CONNECTIONS; n++) sendTcp({ flags: Syn, sequence: 1, ports: [2000 + n, 80] });
    expect([sockets.length, segments()]).toMatchObject([
      MAX_CONNECTIONS,
      [{ flags: Reset | Acknowledge, destinationPort: 2000 + MAX_CONNECTIONS }],
    ]);
  });

  it("ends with the card", () => {
    const { socket } = connected();
    nat.connect(undefined);
    expect(socket.log).toEqual(["destroy"]);
  });
});
