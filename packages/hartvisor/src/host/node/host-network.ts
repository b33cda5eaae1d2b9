/** Sockets and names of Node, Deno and Bun for user-mode NAT. */
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { formatIpv4, type HostNetwork, type HostTcpEvents, type HostTcpSocket, parseIpv4 } from "@hartvisor/devices";

/** More datagrams than these are lost before a socket is there to send them. */
const MAX_EARLY_DATAGRAMS = 16;

function tcpSocket(socket: Socket): HostTcpSocket {
  return {
    write: (bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    },
    get backlog() {
      return socket.destroyed ? 0 : socket.writableLength;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

function listen(socket: Socket, events: HostTcpEvents): void {
  let failed = false;
  socket.setNoDelay(true);
  socket.on("connect", () => events.connected());
  socket.on("data", (bytes) => events.data(bytes));
  socket.on("end", () => events.ended());
  socket.on("drain", () => events.drained());
  socket.on("error", () => {
    failed = true;
  });
  socket.on("close", () => events.closed(failed));
}

/** The host's own network, as far as any program without rights has it. */
export const nodeNetwork: HostNetwork = {
  connectTcp: (address, port, events) => {
    const socket = connect({ host: formatIpv4(address), port, allowHalfOpen: true });
    listen(socket, events);
    return tcpSocket(socket);
  },

  connectUdp: (address, port, received) => {
    const socket = createSocket("udp4");
    /** Datagrams that wait until the socket is connected; undefined once it is. */
    let waiting: Uint8Array[] | undefined = [];
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      socket.close();
    };
    socket.on("message", (bytes) => {
      if (!isOver) received(bytes);
    });
    // A peer that refuses, or a network that is not there: datagrams get lost.
    socket.on("error", () => {
      if (waiting !== undefined) end();
    });
    socket.on("connect", () => {
      const early = waiting ?? [];
      waiting = undefined;
      if (!isOver) for (const bytes of early) socket.send(bytes, () => {});
    });
    socket.connect(port, formatIpv4(address));
    socket.unref();
    return {
      send: (bytes) => {
        if (isOver) return;
        if (waiting === undefined) socket.send(bytes, () => {});
        else if (waiting.length < MAX_EARLY_DATAGRAMS) waiting.push(bytes);
      },
      close: end,
    };
  },

  listenTcp: async (address, port, accept) => {
    const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      listen(socket, accept(tcpSocket(socket)));
    });
    server.listen(port, address);
    await once(server, "listening");
    server.on("error", () => {}); // it cannot accept at the moment: who connects waits
    const bound = server.address();
    return {
      port: typeof bound === "object" && bound !== null ? bound.port : port,
      close: async () => {
        server.close();
      },
    };
  },

  listenUdp: async (address, port, received) => {
    const socket = createSocket("udp4");
    socket.on("message", (bytes, peer) => received(`${peer.port} ${peer.address}`, bytes));
    socket.bind(port, address);
    await once(socket, "listening");
    socket.on("error", () => {});
    return {
      port: socket.address().port,
      send: (peer, bytes) => {
        const [peerPort, peerAddress] = peer.split(" ");
        socket.send(bytes, Number(peerPort), peerAddress, () => {});
      },
      close: async () => {
        socket.close();
      },
    };
  },

  resolve: async (name) => {
    const found = await lookup(name, { family: 4, all: true });
    return found.flatMap(({ address }) => parseIpv4(address) ?? []);
  },
};
