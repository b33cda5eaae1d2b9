/** Leads connections that the guest makes by vsock to Unix sockets of the host's. */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import type { VsockConnection } from "@hartvisor/devices";

/** Passes bytes both ways, each until its end; a socket that cannot be reached ends the guest's connection. */
export function bridgeToSocket(connection: VsockConnection, path: string): void {
  const socket = createConnection({ path, allowHalfOpen: true });
  const giveUp = () => {
    socket.destroy();
    connection.close();
  };
  socket.on("error", giveUp);
  toHost(connection, socket).catch(giveUp);
  toGuest(connection, socket).catch(giveUp);
}

async function toHost({ readable }: VsockConnection, socket: Socket): Promise<void> {
  for await (const bytes of readable) {
    if (!socket.write(bytes)) await once(socket, "drain");
  }
  socket.end();
}

async function toGuest({ writable }: VsockConnection, socket: Socket): Promise<void> {
  const writer = writable.getWriter();
  // The end of one direction leaves the other open.
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) await writer.write(bytes as Uint8Array);
  await writer.close();
}
