/** Disks on NBD servers, over the sockets of Node, Deno and Bun. */
import { connect } from "node:net";
import type { BlockBackend } from "@hartvisor/core";
import { type NbdAddress, nbdDisk, type OpenNbdStream, parseNbdUri } from "@hartvisor/devices";

const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;

/**
 * Opens a disk on an NBD server: `nbd://host[:port][/export]`, or `nbd+unix:///[export]?socket=PATH`.
 *
 * @throws HartvisorError `unreadable-file`: there is no server, or no such export; `invalid-argument`: it is no such URI;
 * `unsupported`: it wants TLS
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioBlock({ backend: await nbd("nbd://127.0.0.1/disk") })] });
 */
export async function nbd(uri: string): Promise<BlockBackend> {
  const { server, export: name } = parseNbdUri(uri);
  return nbdDisk({ open: opener(server), export: name, name: uri });
}

function opener(server: NbdAddress["server"]): OpenNbdStream {
  return (events) =>
    new Promise((resolve, reject) => {
      const socket = connect({ ...server, noDelay: true });
      let reason = new Error("the server has closed the connection");
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error("the server does not answer")));
      socket.on("data", (bytes) => events.data(bytes));
      socket.on("error", (error) => {
        reason = error;
      });
      socket.on("close", () => {
        reject(reason);
        events.closed(reason);
      });
      socket.on("connect", () => {
        socket.setTimeout(0);
        resolve({ write: (bytes) => void socket.write(bytes), destroy: () => void socket.destroy() });
      });
    });
}
