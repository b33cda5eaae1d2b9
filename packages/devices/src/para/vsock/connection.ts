/**
 * A stream between a port of the host's and one of the guest's (virtio 1.2,
 * 5.10.6): bytes both ways, each side telling the other what it has room for.
 */
import { HartvisorError } from "@hartvisor/core";
import { Operation, ShutdownFlag, type VsockHeader } from "./packet.js";

/** Bytes that a connection keeps for a reader who is slow. */
export const VSOCK_BUFFER = 256 * 1024;
/** The guest is told when the reader has taken so many more. */
const CREDIT_STEP = 64 * 1024;

/** What a connection needs of its device. */
export interface VsockLink {
  /** Sends a packet without data. */
  control(connection: VsockConnection, operation: number, flags?: number): void;
  /** There is data, or room, where there was none: the connection is asked for its data. */
  wake(): void;
  remove(connection: VsockConnection): void;
}

/** One connection. */
export class VsockConnection {
  readonly hostPort: number;
  readonly guestPort: number;
  /** What the guest sends; ends when the guest does. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the guest gets. Closing it tells the guest that no more comes. */
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the guest has accepted the connection; rejects if it refuses. */
  readonly opened: Promise<void>;
  readonly #link: VsockLink;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #kept = 0;
  #unread: Uint8Array[] = [];
  #wanted = false;
  #forwarded = 0;
  #told = 0;
  #sent = 0;
  #peerBuffer = 0;
  #peerForwarded = 0;
  #outgoing: Uint8Array | undefined;
  #outgoingDone: () => void = () => {};
  #isOpen = false;
  #isOver = false;
  #guestEnded = false;
  #hostEnded = false;
  #open: () => void = () => {};
  #refuse: (error: unknown) => void = () => {};

  constructor(hostPort: number, guestPort: number, link: VsockLink) {
    this.hostPort = hostPort;
    this.guestPort = guestPort;
    this.#link = link;
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#refuse = reject;
    });
    this.opened.catch(() => {});
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => {
          this.#wanted = true;
          this.#deliver();
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<Uint8Array>({
      write: (bytes, controller) => {
        if (this.#isOver) controller.error(new HartvisorError("invalid-state", "the guest has closed the connection"));
        else return this.#write(bytes);
      },
      close: () => this.#end(),
      abort: () => this.close(),
    });
  }

  /** What the guest is told of this side in every packet. */
  get credit(): { readonly bufferSize: number; readonly forwarded: number } {
    this.#told = this.#forwarded;
    return { bufferSize: VSOCK_BUFFER, forwarded: this.#forwarded >>> 0 };
  }

  /** Ends the connection at once. */
  close(): void {
    if (this.#isOver) return;
    this.#link.control(this, Operation.Reset);
    this.drop();
  }

  /** The connection is over, without a word to the guest. */
  drop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#guestEnded = true;
    this.#refuse(new HartvisorError("invalid-state", `the guest has nobody at port ${this.guestPort}`));
    this.#link.remove(this);
    this.#outgoing = undefined;
    this.#outgoingDone();
    this.#deliver();
  }

  /** For the device: the guest is there. */
  open(): void {
    this.#isOpen = true;
    this.#open();
  }

  /** Takes a packet of the guest's; false if it breaks the rules. */
  receive(header: VsockHeader, data: Uint8Array): boolean {
    this.#peerBuffer = header.bufferSize;
    this.#peerForwarded = header.forwarded;
    switch (header.operation) {
      case Operation.Response:
        if (this.#isOpen) return false;
        this.open();
        break;
      case Operation.Data:
        if (!this.#isOpen || this.#guestEnded || this.#kept + data.length > VSOCK_BUFFER) return false;
        this.#kept += data.length;
        this.#unread.push(data);
        this.#deliver();
        break;
      case Operation.Shutdown:
        if (header.flags & ShutdownFlag.Send) this.#guestEnded = true;
        this.#deliver();
        // Both directions: the other side confirms with a reset (5.10.6.5).
        if (header.flags === (ShutdownFlag.Send | ShutdownFlag.Receive)) {
          this.#link.control(this, Operation.Reset);
          this.drop();
        }
        break;
      case Operation.CreditRequest:
        this.#link.control(this, Operation.CreditUpdate);
        break;
      case Operation.CreditUpdate:
        break;
      case Operation.Reset:
        this.drop();
        break;
      default:
        return false;
    }
    if (this.#outgoing !== undefined) this.#link.wake();
    return true;
  }

  /** Takes up to so many bytes for the guest, as far as it has room. */
  take(most: number): Uint8Array | undefined {
    const bytes = this.#outgoing;
    if (bytes === undefined || !this.#isOpen) return undefined;
    const room = this.#peerBuffer - ((this.#sent - this.#peerForwarded) >>> 0);
    const count = Math.min(bytes.length, most, room);
    if (count <= 0) return undefined;
    this.#sent = (this.#sent + count) >>> 0;
    this.#outgoing = count === bytes.length ? undefined : bytes.subarray(count);
    if (this.#outgoing === undefined) this.#outgoingDone();
    return bytes.subarray(0, count);
  }

  #write(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0) return undefined;
    return new Promise((resolve) => {
      this.#outgoing = bytes.slice();
      this.#outgoingDone = resolve;
      this.#link.wake();
    });
  }

  #end(): void {
    if (this.#isOver || this.#hostEnded) return;
    this.#hostEnded = true;
    this.#link.control(this, Operation.Shutdown, ShutdownFlag.Send | (this.#guestEnded ? ShutdownFlag.Receive : 0));
  }

  #deliver(): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    const bytes = this.#wanted ? this.#unread.shift() : undefined;
    if (bytes !== undefined) {
      this.#wanted = false;
      this.#kept -= bytes.length;
      this.#forwarded = (this.#forwarded + bytes.length) >>> 0;
      controller.enqueue(bytes);
      const untold = (this.#forwarded - this.#told) >>> 0;
      if (untold >= CREDIT_STEP && !this.#isOver) this.#link.control(this, Operation.CreditUpdate);
    } else if (this.#guestEnded && this.#unread.length === 0) {
      this.#controller = undefined;
      controller.close();
    }
  }
}
