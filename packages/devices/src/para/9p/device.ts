/**
 * A 9p transport over virtio (device 9; virtio 1.2 reserves the number, and Linux, include/uapi/linux/virtio_9p.h, has
 * the configuration): a {@link FileTree} that the guest mounts by its tag
 * (`mount -t 9p -o trans=virtio,version=9p2000.L TAG DIRECTORY`), or boots from. What the tree answers at once is
 * answered before the doorbell returns.
 */
import { Errno } from "../../backends/files/errno.js";
import type { FileTree } from "../../backends/files/tree.js";
import { FileAnswer, FileTreeDevice, tagBytes } from "../files/device.js";
import { ChainData, type DataPlaces } from "../files/request-data.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import { featureBits } from "../virtio/device.js";
import type { SplitQueue } from "../virtio/split-queue.js";
import { HEADER, Message, MessageWriter, NO_TAG, READ_HEAD, WRITE_HEAD } from "./message.js";
import type { AnswerBody, Request } from "./request.js";
import { MAX_MESSAGE, NinePSession } from "./session.js";

/** As Linux's driver has it, whose largest message has a page for each descriptor. */
const QUEUE_SIZE = 128;
/** The configuration has a tag, and its length before it. */
const MOUNT_TAG = 0;
const MAX_TAG_BYTES = 255;
/** Messages other than Twrite are shorter: the longest has two strings. */
const MAX_REQUEST = 160 * 1024;
const DATA: DataPlaces = { write: HEADER + WRITE_HEAD, read: HEADER + READ_HEAD };

/** What a {@link Virtio9p} is made of. */
export interface Virtio9pOptions {
  readonly tree: FileTree;
  /** By which the guest mounts it: 1 to 255 bytes. */
  readonly tag: string;
  /** Unique on its machine. Default: `9p.` and the tag. */
  readonly name?: string;
}

/** A message that waits for the host. */
interface Pending {
  readonly type: number;
  readonly answer: Answer;
  readonly answered: Promise<void>;
}

/** A shared folder, or a root. */
export class Virtio9p extends FileTreeDevice<Request, AnswerBody> {
  readonly type = 9;
  readonly features = featureBits(MOUNT_TAG);
  readonly queueSizes = [QUEUE_SIZE];
  readonly configuration: Uint8Array;
  readonly #bytes = new Uint8Array(MAX_REQUEST);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Messages that wait for the host, by their tags. */
  readonly #pending = new Map<number, Pending>();

  /** Throws `invalid-argument` for a tag that cannot be one. */
  constructor({ tree, tag, name = `9p.${tag}` }: Virtio9pOptions) {
    const bytes = tagBytes(tag, MAX_TAG_BYTES);
    super(name, () => new NinePSession(tree));
    this.configuration = Uint8Array.of(bytes.length, 0, ...bytes);
  }

  override reset(): void {
    this.#pending.clear();
    super.reset();
  }

  protected override begin(queue: SplitQueue, chain: DescriptorChain): void | Promise<void> {
    const view = this.#view;
    if (chain.read(0, this.#bytes.subarray(0, HEADER)) < HEADER) {
      queue.complete(chain, 0);
      return;
    }
    const length = view.getUint32(0, true);
    const type = view.getUint8(4);
    const tag = view.getUint16(5, true);
    const answer = new Answer(queue, chain, type, tag);
    // A Twrite's data stay where they are.
    const kept = type === Message.Write ? Math.min(length, HEADER + WRITE_HEAD) : length;
    const isWhole = length >= HEADER && length <= chain.readableBytes && length <= MAX_MESSAGE && kept <= MAX_REQUEST;
    if (!isWhole) {
      answer.fail(Errno.EINVAL);
      return;
    }
    chain.read(HEADER, this.#bytes.subarray(HEADER, kept));
    if (type === Message.Flush) return this.#flush(kept, answer);
    if (type === Message.Version) this.#abandonAll();
    const room = Math.max(0, chain.writableBytes - HEADER);
    const data = new ChainData(chain, DATA, length);
    const outcome = this.answer({ type, tag, view, length: kept, room, data }, answer);
    if (outcome === undefined) return;
    const answered = outcome.then(() => {
      if (this.#pending.get(tag) === pending) this.#pending.delete(tag);
    });
    const pending: Pending = { type, answer, answered };
    if (tag !== NO_TAG) this.#pending.set(tag, pending);
    return answered;
  }

  /**
   * flush(5): what reads gets no answer any more, and the flush its own at once. What may change something is answered
   * nevertheless, and the flush behind it: the client must learn what became of it. A lock that is waited for is not taken.
   */
  #flush(length: number, answer: Answer): void | Promise<void> {
    if (length < HEADER + 2) {
      answer.fail(Errno.EINVAL);
      return;
    }
    const flushed = () => answer.give({ bytes: new Uint8Array(), inPlace: 0 });
    const tag = this.#view.getUint16(HEADER, true);
    const pending = this.#pending.get(tag);
    this.endWait(tag);
    if (pending?.type === Message.Read) pending.answer.abandon();
    else if (pending !== undefined) return pending.answered.then(flushed);
    flushed();
  }

  /** version(5): what was begun before is not answered any more. */
  #abandonAll(): void {
    for (const { answer } of this.#pending.values()) answer.abandon();
    this.#pending.clear();
  }
}

/** Where a message's answer goes. */
class Answer extends FileAnswer<AnswerBody> {
  readonly #type: number;
  readonly #tag: number;

  constructor(queue: SplitQueue, chain: DescriptorChain, type: number, tag: number) {
    super(queue, chain);
    this.#type = type;
    this.#tag = tag;
  }

  override fail(errno: number): void {
    this.#finish(Message.LError + 1, new MessageWriter(4).u32(errno).bytes, 0);
  }

  override give({ bytes, inPlace }: AnswerBody): void {
    if (HEADER + bytes.length + inPlace > this.chain.writableBytes) this.fail(Errno.EIO);
    else this.#finish(this.#type + 1, bytes, inPlace);
  }

  #finish(type: number, bytes: Uint8Array, inPlace: number): void {
    if (this.isVoid) return;
    const length = HEADER + bytes.length + inPlace;
    if (length > this.chain.writableBytes) {
      this.complete(0);
      return;
    }
    const header = new MessageWriter(HEADER).u32(length).u8(type).u16(this.#tag);
    this.chain.write(0, header.bytes);
    this.chain.write(HEADER, bytes);
    this.complete(length);
  }
}
