import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { nodeNetwork } from "./host-network.js";

const LOOPBACK = 0x7f000001;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (string: string) => new TextEncoder().encode(string);
const moment = () => new Promise((resolve) => setTimeout(resolve, 50));

describe("the host's network", () => {
  it("sends datagrams to one peer, also before its socket is there, and hears its answers", async () => {
    const peer = createSocket("udp4", (message, { port }) => peer.send(`${message}!`, port, "127.0.0.1"));
    peer.bind(0, "127.0.0.1");
    await once(peer, "listening");
    const answers: string[] = [];
    const socket = nodeNetwork.connectUdp(LOOPBACK, peer.address().port, (answer) => answers.push(text(answer)));
    socket.send(bytes("early"));
    await expect.poll(() => answers).toEqual(["early!"]);
    socket.send(bytes("late"));
    await expect.poll(() => answers).toEqual(["early!", "late!"]);
    socket.close();
    socket.close();
    socket.send(bytes("after"));
    peer.close();
  });

  it.each([
    ["nobody is", LOOPBACK, 1],
    ["nobody may send", 0xffff_ffff, 9],
    ["no network is", 0xf000_0001, 9],
  ])("loses datagrams where %s, and nothing else happens", async (_, address, port) => {
    const socket = nodeNetwork.connectUdp(address, port, () => {});
    for (let n = 0; n < 50; n++) socket.send(bytes("x"));
    await moment();
    socket.send(bytes("x"));
    await moment();
    socket.close();
  });

  it("tells of connections, bytes and ends", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) =>
      socket.on("data", (data) => socket.end(`${data}!`)),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const log: string[] = [];
    const socket = nodeNetwork.connectTcp(LOOPBACK, (server.address() as AddressInfo).port, {
      connected: () => log.push("connected"),
      data: (data) => log.push(text(data)),
      ended: () => log.push("ended"),
      drained: () => {},
      closed: (failed) => log.push(`closed ${failed}`),
    });
    socket.write(bytes("hello"));
    await expect.poll(() => log).toEqual(["connected", "hello!", "ended"]);
    socket.end();
    await expect.poll(() => log).toEqual(["connected", "hello!", "ended", "closed false"]);
    socket.write(bytes("after"));
    server.close();
  });

  it("tells of a refusal", async () => {
    const failed = await new Promise((closed) => {
      const nothing = () => {};
      nodeNetwork.connectTcp(LOOPBACK, 1, {
        connected: nothing,
        data: nothing,
        ended: nothing,
        drained: nothing,
        closed,
      });
    });
    expect(failed).toBe(true);
  });
});
