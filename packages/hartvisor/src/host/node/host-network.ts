/** Sockets and names of Node, Deno and Bun for user-mode NAT. */
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { formatIpv4, type HostNetwork, type HostTcpEvents, type HostTcpSocket, parseIpv4 } from "@hartvisor/devices";

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
    let waiting: Uint8Array[] | undefined = [];
    socket.on("message", received);
    socket.on("error", () => {}); // a refusal by the peer: datagrams get lost
    socket.connect(port, formatIpv4(address), () => {
      for (const bytes of waiting?.splice(0) ?? []) socket.send(bytes);
      waiting = undefined;
    });
    socket.unref();
    return {
      send: (bytes) => {
        if (waiting === undefined) socket.send(bytes, () => {});
        else if (waiting.length < 16) waiting.push(bytes);
      },
      close: () => {
        socket.removeAllListeners("message");
        socket.close();
      },
    };
  },

  listenTcp: async (address, port, accept) => {
    const server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      listen(socket, accept(tcpSocket(socket)));
    });
    server.listen(port, address);
    await once(server, "listening");
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
