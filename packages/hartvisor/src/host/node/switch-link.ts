/** Links between switches over the sockets of Node, Deno and Bun: TCP, Unix sockets, Windows' named pipes. */
import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";
import { HartvisorError } from "@hartvisor/core";
import { type ByteStream, type NetworkSwitch, type PortVlans, type StreamLink, streamLink } from "@hartvisor/devices";

/** Where a switch listens. */
export type LinkAddress =
  /** A Unix socket, or a named pipe of Windows. */
  | { readonly path: string }
  /** TCP. Default of `host`: 127.0.0.1, which is this host alone. Whoever can connect is on the network: there is no other check. */
  | { readonly port: number; readonly host?: string };

/** A switch that listens for links. */
export interface LinkListener {
  /** The port, which the host has chosen where 0 was asked for; undefined for a path. */
  readonly port: number | undefined;
  /** Takes down its links, too. */
  close(): Promise<void>;
}

/** Lets other switches link to this one. Throws `invalid-argument` where the host cannot listen. */
export async function listenForLinks(
  hub: NetworkSwitch,
  address: LinkAddress,
  vlans?: PortVlans,
): Promise<LinkListener> {
  const links = new Set<StreamLink>();
  const server = createServer((socket) => {
    try {
      const link = streamLink(hub, streamOf(socket), vlans);
      links.add(link);
      void link.closed.then(() => links.delete(link));
    } catch {
      socket.destroy(); // every port is taken
    }
  });
  try {
    server.listen(socketOf(address));
    await once(server, "listening");
  } catch (cause) {
    throw failure("cannot listen for links", address, cause);
  }
  const bound = server.address();
  return {
    port: typeof bound === "object" ? bound?.port : undefined,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      await Promise.all([...links].map((link) => link.close()));
      await closed;
    },
  };
}

/** Links a switch to one that listens. Rejects with `invalid-state` where none does. */
export async function linkTo(own: NetworkSwitch, address: LinkAddress, vlans?: PortVlans): Promise<StreamLink> {
  const socket = createConnection(socketOf(address));
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw failure("no switch answers", address, cause);
  }
  return streamLink(own, streamOf(socket), vlans);
}

const socketOf = (address: LinkAddress) => ("path" in address ? address : { host: "127.0.0.1", ...address });

function failure(what: string, address: LinkAddress, cause: unknown): HartvisorError {
  const where = "path" in address ? address.path : `${address.host ?? "127.0.0.1"}:${address.port}`;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = what.startsWith("no") ? "invalid-state" : "invalid-argument";
  return new HartvisorError(code, `${what} at ${where}: ${reason}`, { cause });
}

/** A socket as bytes both ways; what its reader does not take stays with the peer. */
function streamOf(socket: Socket): ByteStream {
  if ("setNoDelay" in socket) socket.setNoDelay(true);
  let isOver = false;
  const readable = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        socket.on("data", (bytes: Buffer) => {
          controller.enqueue(new Uint8Array(bytes));
          if ((controller.desiredSize ?? 0) <= 0) socket.pause();
        });
        const end = (error?: Error) => {
          if (isOver) return;
          isOver = true;
          if (error === undefined) controller.close();
          else controller.error(error);
        };
        socket.once("end", () => end());
        socket.once("close", () => end());
        socket.on("error", end);
      },
      pull: () => void socket.resume(),
      cancel: () => {
        isOver = true;
        socket.destroy();
      },
    },
    { highWaterMark: 16 },
  );
  const writable = new WritableStream<Uint8Array>({
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) reject(new Error("the peer has gone"));
        else if (socket.write(bytes)) resolve();
        else {
          const done = () => {
            socket.off("drain", done);
            socket.off("close", done);
            resolve();
          };
          socket.on("drain", done);
          socket.on("close", done);
        }
      }),
    close: () => void socket.end(),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}
