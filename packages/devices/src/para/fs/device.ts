/**
 * A virtio file system device (virtio 1.2, 5.11): a {@link FileTree} that the guest mounts by its tag
 * (`mount -t virtiofs TAG DIRECTORY`), or boots from. What the tree answers at once is answered before the doorbell
 * returns. There is no DAX window and no notification queue.
 */
import { Errno } from "../../backends/files/errno.js";
import type { FileTree } from "../../backends/files/tree.js";
import { FileAnswer, FileTreeDevice, tagBytes } from "../files/device.js";
import { ChainData, type DataPlaces } from "../files/request-data.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import type { SplitQueue } from "../virtio/split-queue.js";
import { IN_HEADER, Opcode, OUT_HEADER } from "./fuse.js";
import { type FuseAnswer, type FuseRequest, MAX_REQUEST } from "./request.js";
import { type FileCache, FuseSession } from "./session.js";

/** So much that a request of 1 MiB has a descriptor for each page: Linux lets a request be as long as that. */
const QUEUE_SIZE = 512;
/** `struct virtio_fs_config`: the tag's bytes, padded with NULs, and the count of request queues (5.11.4). */
const TAG_BYTES = 36;
/** Bytes of a WRITE's arguments, before its data (`struct fuse_write_in`). */
const WRITE_IN = 40;
const DATA: DataPlaces = { write: IN_HEADER + WRITE_IN, read: OUT_HEADER };

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
export class VirtioFs extends FileTreeDevice<FuseRequest, FuseAnswer | undefined> {
  readonly type = 26;
  readonly features = 0n;
  /** High priority, and requests. */
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly configuration = new Uint8Array(TAG_BYTES + 4);
  readonly #bytes = new Uint8Array(MAX_REQUEST);
  readonly #view = new DataView(this.#bytes.buffer);
  /** What becomes of READs that wait for the host, by their unique numbers. */
  readonly #reads = new Map<bigint, Answer>();

  /** Throws `invalid-argument` for a tag that cannot be one. */
  constructor({ tree, tag, cache, name = `fs.${tag}` }: VirtioFsOptions) {
    const bytes = tagBytes(tag, TAG_BYTES);
    const kept = cache ?? (tree.isPrivate && tree.isReadOnly ? "always" : "auto");
    super(name, () => new FuseSession(tree, kept));
    this.configuration.set(bytes);
    new DataView(this.configuration.buffer).setUint32(TAG_BYTES, this.queueSizes.length - 1, true);
  }

  override reset(): void {
    this.#reads.clear();
    super.reset();
  }

  protected override begin(queue: SplitQueue, chain: DescriptorChain): void | Promise<void> {
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
    if (opcode === Opcode.Interrupt && kept >= IN_HEADER + 8) this.#interrupt(view.getBigUint64(IN_HEADER, true));
    const request: FuseRequest = {
      opcode,
      node: view.getUint32(16, true) + view.getUint32(20, true) * 2 ** 32,
      uid: view.getUint32(24, true),
      gid: view.getUint32(28, true),
      view,
      length: kept,
      room: Math.max(0, chain.writableBytes - OUT_HEADER),
      data: new ChainData(chain, DATA, chain.readableBytes),
    };
    const outcome = this.answer(request, answer);
    if (outcome === undefined || opcode !== Opcode.Read) return outcome;
    const unique = view.getBigUint64(8, true);
    this.#reads.set(unique, answer);
    return outcome.then(() => {
      if (this.#reads.get(unique) === answer) this.#reads.delete(unique);
    });
  }

  /** INTERRUPT: who reads need not wait for the host. What may change something is answered when it is done. */
  #interrupt(unique: bigint): void {
    this.#reads.get(unique)?.abandon(Errno.EINTR);
    this.#reads.delete(unique);
  }
}

/** Where a request's answer goes. */
class Answer extends FileAnswer<FuseAnswer | undefined> {
  readonly #header = new DataView(new ArrayBuffer(OUT_HEADER));
  readonly #isForget: boolean;

  constructor(queue: SplitQueue, chain: DescriptorChain, request: DataView) {
    super(queue, chain);
    const opcode = request.getUint32(4, true);
    this.#isForget = opcode === Opcode.Forget || opcode === Opcode.BatchForget;
    this.#header.setUint32(8, request.getUint32(8, true), true);
    this.#header.setUint32(12, request.getUint32(12, true), true);
  }

  override fail(errno: number): void {
    if (this.#isForget) this.#finish(undefined, 0);
    else this.#finish(0, -errno);
  }

  override give(answer: FuseAnswer | undefined): void {
    if (answer === undefined || typeof answer === "number") {
      this.#finish(answer, 0);
      return;
    }
    const bytes =
      answer instanceof Uint8Array ? answer : new Uint8Array(answer.buffer, answer.byteOffset, answer.byteLength);
    if (OUT_HEADER + bytes.length > this.chain.writableBytes) {
      this.#finish(0, -Errno.EIO);
      return;
    }
    if (!this.isVoid) this.chain.write(OUT_HEADER, bytes);
    this.#finish(bytes.length, 0);
  }

  /** The header, before so many bytes that are there already; none for what has no answer, or no room for one. */
  #finish(length: number | undefined, error: number): void {
    if (this.isVoid) return;
    if (length === undefined || this.chain.writableBytes < OUT_HEADER) {
      this.complete(0);
      return;
    }
    this.#header.setUint32(0, OUT_HEADER + length, true);
    this.#header.setInt32(4, error, true);
    this.chain.write(0, new Uint8Array(this.#header.buffer));
    this.complete(OUT_HEADER + length);
  }
}
