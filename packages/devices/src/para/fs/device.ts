/**
 * A virtio file system device (virtio 1.2, 5.11): a {@link FileTree} that the guest mounts by its tag
 * (`mount -t virtiofs TAG DIRECTORY`), or boots from. What the tree answers at once is answered before the doorbell
 * returns. There is no DAX window and no notification queue.
 */
import { type DeviceState, HartvisorError } from "@hartvisor/core";
import { Errno, errnoOf } from "../../backends/files/errno.js";
import type { FileTree } from "../../backends/files/tree.js";
import { SavedFields } from "../../full/saved-fields.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import type { VirtioContext, VirtioDevice } from "../virtio/device.js";
import { RequestLoop } from "../virtio/request-loop.js";
import type { SplitQueue } from "../virtio/split-queue.js";
import { IN_HEADER, Opcode, OUT_HEADER } from "./fuse.js";
import { type FileCache, type FuseAnswer, type FuseData, FuseSession, MAX_REQUEST } from "./session.js";

/** So much that a request of 1 MiB has a descriptor for each page: Linux lets a request be as long as that. */
const QUEUE_SIZE = 512;
/** `struct virtio_fs_config`: the tag's bytes, padded with NULs, and the count of request queues (5.11.4). */
const TAG_BYTES = 36;
/** Bytes of a WRITE's arguments, before its data (`struct fuse_write_in`). */
const WRITE_IN = 40;

/** What a {@link VirtioFs} is made of. */
export interface VirtioFsOptions {
  readonly tree: FileTree;
  /** By which the guest mounts it: 1 to 36 bytes. */
  readonly tag: string;
  /** What the guest may keep. Default: `always` for a tree that never changes, `auto` for others. */
  readonly cache?: FileCache;
  /** Unique on its machine. Default: `fs.` and the tag. */
  readonly name?: string;
}

/** A shared folder, or a root. */
export class VirtioFs implements VirtioDevice {
  readonly name: string;
  readonly type = 26;
  readonly features = 0n;
  /** High priority, and requests. */
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly configuration = new Uint8Array(TAG_BYTES + 4);
  readonly #makeSession: () => FuseSession;
  #session: FuseSession;
  readonly #bytes = new Uint8Array(MAX_REQUEST);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #requests = new RequestLoop((queue, chain) => this.#begin(queue, chain));

  /** Throws `invalid-argument` for a tag that cannot be one. */
  constructor({ tree, tag, cache, name = `fs.${tag}` }: VirtioFsOptions) {
    const bytes = new TextEncoder().encode(tag);
    if (bytes.length === 0 || bytes.length > TAG_BYTES || tag.includes("\0")) {
      throw new HartvisorError("invalid-argument", `a tag has 1 to ${TAG_BYTES} bytes, which "${tag}" has not`);
    }
    this.name = name;
    this.configuration.set(bytes);
    new DataView(this.configuration.buffer).setUint32(TAG_BYTES, this.queueSizes.length - 1, true);
    this.#makeSession = () => new FuseSession(tree, cache ?? (tree.isPrivate && tree.isReadOnly ? "always" : "auto"));
    this.#session = this.#makeSession();
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

  quiesce(): Promise<void> {
    return this.#requests.quiesce();
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

  #begin(queue: SplitQueue, chain: DescriptorChain): void | Promise<void> {
    const bytes = this.#bytes;
    const view = this.#view;
    if (chain.read(0, bytes.subarray(0, IN_HEADER)) < IN_HEADER) {
      queue.complete(chain, 0);
      return;
    }
    const opcode = view.getUint32(4, true);
    const answer = new Answer(queue, chain, view);
    const length = view.getUint32(0, true);
    // A WRITE's data stay where they are.
    const kept = opcode === Opcode.Write ? Math.min(length, IN_HEADER + WRITE_IN) : length;
    if (length !== chain.readableBytes || length < IN_HEADER || kept > MAX_REQUEST) {
      answer.fail(Errno.EINVAL);
      return;
    }
    chain.read(IN_HEADER, bytes.subarray(IN_HEADER, kept));
    const request = {
      opcode,
      node: view.getUint32(16, true) + view.getUint32(20, true) * 2 ** 32,
      uid: view.getUint32(24, true),
      gid: view.getUint32(28, true),
      view,
      length: kept,
      room: Math.max(0, chain.writableBytes - OUT_HEADER),
      data: new ChainData(chain),
    };
    let outcome: ReturnType<FuseSession["perform"]>;
    try {
      outcome = this.#session.perform(request);
    } catch (error) {
      answer.fail(errnoOf(error));
      return;
    }
    if (!(outcome instanceof Promise)) {
      answer.give(outcome);
      return;
    }
    return outcome.then(
      (bytes) => answer.give(bytes),
      (error) => answer.fail(errnoOf(error)),
    );
  }
}

/** Where a request's answer goes. */
class Answer {
  readonly #queue: SplitQueue;
  readonly #chain: DescriptorChain;
  readonly #header = new DataView(new ArrayBuffer(OUT_HEADER));
  readonly #isForget: boolean;

  constructor(queue: SplitQueue, chain: DescriptorChain, request: DataView) {
    this.#queue = queue;
    this.#chain = chain;
    const opcode = request.getUint32(4, true);
    this.#isForget = opcode === Opcode.Forget || opcode === Opcode.BatchForget;
    this.#header.setUint32(8, request.getUint32(8, true), true);
    this.#header.setUint32(12, request.getUint32(12, true), true);
  }

  fail(errno: number): void {
    if (this.#isForget) this.#finish(undefined, 0);
    else this.#finish(0, -errno);
  }

  give(answer: FuseAnswer | undefined): void {
    if (answer === undefined || typeof answer === "number") {
      this.#finish(answer, 0);
      return;
    }
    const bytes =
      answer instanceof Uint8Array ? answer : new Uint8Array(answer.buffer, answer.byteOffset, answer.byteLength);
    if (OUT_HEADER + bytes.length > this.#chain.writableBytes) {
      this.#finish(0, -Errno.EIO);
      return;
    }
    if (this.#queue.isCurrent(this.#chain)) this.#chain.write(OUT_HEADER, bytes);
    this.#finish(bytes.length, 0);
  }

  /** The header, before so many bytes that are there already; none for what has no answer, or no room for one. */
  #finish(length: number | undefined, error: number): void {
    const chain = this.#chain;
    if (!this.#queue.isCurrent(chain)) return;
    if (length === undefined || chain.writableBytes < OUT_HEADER) {
      this.#queue.complete(chain, 0);
      return;
    }
    this.#header.setUint32(0, OUT_HEADER + length, true);
    this.#header.setInt32(4, error, true);
    chain.write(0, new Uint8Array(this.#header.buffer));
    this.#queue.complete(chain, OUT_HEADER + length);
  }
}

class ChainData implements FuseData {
  readonly #chain: DescriptorChain;

  constructor(chain: DescriptorChain) {
    this.#chain = chain;
  }

  get writeLength(): number {
    return Math.max(0, this.#chain.readableBytes - IN_HEADER - WRITE_IN);
  }

  writeViews(length: number): readonly Uint8Array[] {
    const views: Uint8Array[] = [];
    this.#chain.readableViews(IN_HEADER + WRITE_IN, length, views);
    return views;
  }

  writeCopy(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#chain.read(IN_HEADER + WRITE_IN, bytes);
    return bytes;
  }

  readViews(length: number): readonly Uint8Array[] {
    const views: Uint8Array[] = [];
    this.#chain.writableViews(OUT_HEADER, length, views);
    return views;
  }
}
