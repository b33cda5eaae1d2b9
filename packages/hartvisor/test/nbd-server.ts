/** Debian 13's nbd-server for tests, obtained as QEMU is: unpacked into the cache, and started through its own loader. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { obtainDebianTree } from "../src/host/node/debian-tree.js";

/** A server of one file, which it exports as `disk`. */
export class NbdServer {
  readonly port: number;
  readonly #command: readonly [string, readonly string[]];
  #process: ChildProcess | undefined;

  private constructor(port: number, command: readonly [string, readonly string[]]) {
    this.port = port;
    this.#command = command;
  }

  /** Obtains and starts it; `folder` is for its files. */
  static async start(folder: string, file: string): Promise<NbdServer> {
    const { root } = await obtainDebianTree({
      ...{ name: "nbd-server", suite: "trixie", architecture: "amd64", packages: ["nbd-server"] },
      leaveOut: ["usr/share"],
    });
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    probe.close();
    const configuration = join(folder, "nbd.conf");
    const text = `[generic]\nlistenaddr = 127.0.0.1\nport = ${port}\n[disk]\nexportname = ${file}\nflush = true\nfua = true\ntrim = true\n`;
    await writeFile(configuration, text);
    const libraries = join(root, "usr/lib/x86_64-linux-gnu");
    const loader = join(libraries, "ld-linux-x86-64.so.2");
    const words = ["--library-path", libraries, join(root, "usr/bin/nbd-server"), "-n", "-C", configuration];
    const server = new NbdServer(port, [loader, words]);
    await server.resume();
    return server;
  }

  /** Starts it again. Resolves when it answers. */
  async resume(): Promise<void> {
    // A group of its own: the server has a process for each connection.
    this.#process = spawn(...this.#command, { stdio: "ignore", detached: true });
    for (let tries = 0; tries < 100; tries++) {
      const socket = connect(this.port, "127.0.0.1");
      const answers = await once(socket, "connect").then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (answers) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("nbd-server does not start");
  }

  /** Ends it, connections and all. */
  async stop(): Promise<void> {
    const { pid } = this.#process ?? {};
    if (pid === undefined || this.#process?.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    process.kill(-pid, "SIGKILL");
    await ended;
  }
}
