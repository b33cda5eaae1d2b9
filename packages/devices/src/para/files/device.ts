/**
 * What the devices that serve a file tree have in common, whatever protocol they speak: a session that begins anew with
 * each reset, requests that are answered at once or later, and a life. `fs` and `9p` are the two.
 */
import { type DeviceState, HartvisorError } from "@hartvisor/core";
import { errnoOf } from "../../backends/files/errno.js";
import type { Later } from "../../backends/files/later.js";
import { SavedFields } from "../../full/saved-fields.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import type { VirtioContext, VirtioDevice } from "../virtio/device.js";
import { RequestLoop } from "../virtio/request-loop.js";
import type { SplitQueue } from "../virtio/split-queue.js";

/** What a guest that has mounted a tree asks of it. */
export interface FileSession<Request, Outcome> {
  /** Whether a guest has it mounted. */
  readonly isOn: boolean;
  /** Does what a request asks for. Throws or rejects with what it failed with. */
  perform(request: Request): Later<Outcome>;
  /** Whoever waits for another guest, by a request of this tag, or at all, goes without, and is told. */
  endWaits?(tag?: number): void;
  /** Forgets everything and closes what is open. */
  end(): void;
}

/** Where a request's answer goes: once, and nowhere if the device was reset meanwhile. */
export abstract class FileAnswer<Outcome> {
  protected readonly chain: DescriptorChain;
  readonly #queue: SplitQueue;
  #isDone = false;

  constructor(queue: SplitQueue, chain: DescriptorChain) {
    this.#queue = queue;
    this.chain = chain;
  }

  /** Whether nobody waits for it any more: then the chain may be that of another request. */
  get isVoid(): boolean {
    return this.#isDone || !this.#queue.isCurrent(this.chain);
  }

  abstract give(outcome: Outcome): void;
  abstract fail(errno: number): void;

  /** Ends a request that waits for the host, before it is answered: with an error, or with no answer at all. */
  abandon(errno?: number): void {
    if (this.isVoid) return;
    if (errno === undefined) this.complete(0);
    else this.fail(errno);
    this.#queue.publish();
  }

  /** Hands the chain back, with so many bytes written. */
  protected complete(written: number): void {
    this.#isDone = true;
    this.#queue.complete(this.chain, written);
  }
}

/** A device with a session. */
export abstract class FileTreeDevice<Request, Outcome> implements VirtioDevice {
  readonly name: string;
  abstract readonly type: number;
  abstract readonly features: bigint;
  abstract readonly queueSizes: readonly number[];
  abstract readonly configuration: Uint8Array;
  readonly #makeSession: () => FileSession<Request, Outcome>;
  #session: FileSession<Request, Outcome>;
  readonly #requests = new RequestLoop((queue, chain) => this.begin(queue, chain));

  protected constructor(name: string, makeSession: () => FileSession<Request, Outcome>) {
    this.name = name;
    this.#makeSession = makeSession;
    this.#session = makeSession();
  }

  /** Reads a request, has it done by {@link answer}, and completes its chain: now, or when the promise resolves. */
  protected abstract begin(queue: SplitQueue, chain: DescriptorChain): void | Promise<void>;

  /** Gives what becomes of a request, at once or later; {@link FileAnswer.abandon} may be sooner. */
  protected answer(request: Request, to: FileAnswer<Outcome>): void | Promise<void> {
    let outcome: Later<Outcome>;
    try {
      outcome = this.#session.perform(request);
    } catch (error) {
      to.fail(errnoOf(error));
      return;
    }
    if (!(outcome instanceof Promise)) {
      to.give(outcome);
      return;
    }
    return outcome.then(
      (given) => to.give(given),
      (error) => to.fail(errnoOf(error)),
    );
  }

  activate({ queues }: VirtioContext): void {
    this.#requests.activate(queues);
  }

  notify(index: number): void {
    this.#requests.notify(index);
  }

  reset(): void {
    this.#requests.reset();
    // What still waits for the host ends in the session that it began in.
    this.#session.end();
    this.#session = this.#makeSession();
  }

  /** Lets a request go without what it waits for of another guest. */
  protected endWait(tag: number): void {
    this.#session.endWaits?.(tag);
  }

  quiesce(): Promise<void> {
    const quiet = this.#requests.quiesce();
    this.#session.endWaits?.();
    return quiet;
  }

  resume(): void {
    this.#requests.resume();
  }

  /** Throws `invalid-state` while a guest has it mounted: what its kernel knows of nodes and open files cannot be moved. */
  save(): DeviceState {
    if (this.#session.isOn) {
      throw new HartvisorError("invalid-state", `${this.name} is mounted in the guest: unmount it there first`);
    }
    return { version: 1 };
  }

  restore(state: DeviceState): void {
    new SavedFields(this.name, state, 1, []);
  }
}

/** The bytes of a tag by which a guest mounts a tree. Throws `invalid-argument` for one that cannot be a tag. */
export function tagBytes(tag: string, most: number): Uint8Array {
  const bytes = new TextEncoder().encode(tag);
  if (bytes.length === 0 || bytes.length > most || tag.includes("\0")) {
    throw new HartvisorError("invalid-argument", `a tag has 1 to ${most} bytes, which "${tag}" has not`);
  }
  return bytes;
}
