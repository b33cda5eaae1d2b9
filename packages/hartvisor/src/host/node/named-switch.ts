/**
 * Switches that processes of one host join by name. The first process is the
 * hub: it listens at a socket of this name, which the others link to. When it
 * goes, another takes its place. Only processes of the same user can join.
 */
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import type { NetworkSwitch, StreamLink } from "@hartvisor/devices";
import { type LinkListener, linkTo, listenForLinks } from "./switch-link.js";

/** How often a hub looks whether its name is still its own. */
const WATCH_MS = 500;
/** Before one tries again where another was quicker. */
const RETRY_MS = 50;
/** Names of Unix sockets are short: 104 bytes on macOS, and what is appended while one is made. */
const MAX_PATH = 80;

/** A switch that is joined with others by a name. */
export interface JoinedSwitch {
  /** Leaves; rejects never. */
  leave(): Promise<void>;
}

/**
 * Joins a switch with those of other processes under a name: letters, digits, `.`, `_` and `-`, 32 at most. Resolves when
 * it has. Throws `invalid-argument` for other names, and `unsupported` where the host has no place for such sockets.
 *
 * @example
 * const lan = new NetworkSwitch();
 * const joined = await joinSwitch(lan, "lab");
 */
export async function joinSwitch(own: NetworkSwitch, name: string): Promise<JoinedSwitch> {
  checkSwitchName(name);
  const member = new Member(own, await pathOf(name));
  await member.joined;
  return member;
}

/** Throws `invalid-argument` for what is no name of a switch. */
export function checkSwitchName(name: string): void {
  if (/^[A-Za-z0-9._-]{1,32}$/.test(name)) return;
  const message = `"${name}" is no name of a switch: give up to 32 letters, digits, dots, dashes and underscores`;
  throw new HartvisorError("invalid-argument", message);
}

class Member implements JoinedSwitch {
  /** Resolves when it is hub or linked for the first time; rejects if it can be neither. */
  readonly joined: Promise<void>;
  readonly #own: NetworkSwitch;
  readonly #path: string;
  readonly #over: Promise<void>;
  #link: StreamLink | undefined;
  #hub: LinkListener | undefined;
  #isLeaving = false;
  #wake: () => void = () => {};

  constructor(own: NetworkSwitch, path: string) {
    this.#own = own;
    this.#path = path;
    let resolve = () => {};
    let reject: (error: unknown) => void = () => {};
    this.joined = new Promise((resolved, rejected) => {
      resolve = resolved;
      reject = rejected;
    });
    this.#over = this.#run(resolve).catch(reject);
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    this.#wake();
    await this.#link?.close();
    await this.#over;
  }

  async #run(joined: () => void): Promise<void> {
    while (!this.#isLeaving) {
      this.#link = await linkTo(this.#own, { path: this.#path }).catch(() => undefined);
      if (this.#link !== undefined) {
        joined();
        if (this.#isLeaving) await this.#link.close();
        await this.#link.closed;
        this.#link = undefined;
      } else {
        await this.#beHub(joined);
      }
      if (!this.#isLeaving) await this.#sleep(RETRY_MS * (1 + Math.random()));
    }
  }

  /** Serves the others for as long as the name is this process's. */
  async #beHub(joined: () => void): Promise<void> {
    const inode = await this.#listen();
    if (inode === undefined) return;
    joined();
    do await this.#sleep(WATCH_MS);
    while (!this.#isLeaving && (await this.#owns(inode)));
    if (await this.#owns(inode)) await rm(this.#path, { force: true });
    await this.#hub?.close();
    this.#hub = undefined;
  }

  /**
   * Listens under the name, and gives what tells the socket from others; undefined if another was quicker. A socket that
   * a process left behind is replaced: of several that do so at once, the last one has the name, and the others notice.
   */
  async #listen(): Promise<number | undefined> {
    if (process.platform === "win32") {
      this.#hub = await listenForLinks(this.#own, { path: this.#path }).catch(() => undefined);
      return this.#hub && 0;
    }
    const own = `${this.#path}.${process.pid}.${Math.floor(Math.random() * 0xffff).toString(16)}`;
    this.#hub = await listenForLinks(this.#own, { path: own });
    const { ino } = await stat(own);
    await rename(own, this.#path);
    return ino;
  }

  async #owns(inode: number): Promise<boolean> {
    if (process.platform === "win32") return true; // names of pipes go with the process
    const found = await stat(this.#path).catch(() => undefined);
    return found?.ino === inode;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref?.();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Where the socket of a name is: in a folder that only this user has. */
async function pathOf(name: string): Promise<string> {
  if (process.platform === "win32") return `\\\\.\\pipe\\hartvisor-switch-${userInfo().username}-${name}`;
  const folder = process.env.XDG_RUNTIME_DIR
    ? join(process.env.XDG_RUNTIME_DIR, "hartvisor")
    : join(tmpdir(), `hartvisor-${userInfo().uid}`);
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new HartvisorError("unsupported", `the folder ${folder} cannot be made`, { cause });
  });
  const { uid, mode } = await stat(folder);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0) {
    throw new HartvisorError(
      "unsupported",
      `the folder ${folder} is open to other users, who could listen in: set XDG_RUNTIME_DIR`,
    );
  }
  const path = join(folder, `${name}.switch`);
  if (Buffer.byteLength(path) <= MAX_PATH) return path;
  throw new HartvisorError("unsupported", `${path} is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder`);
}
