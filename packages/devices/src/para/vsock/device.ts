/**
 * A virtio socket device (virtio 1.2, 5.10): streams between programs in the
 * guest and the host, by port numbers, without a network. The guest's programs
 * use AF_VSOCK; the host is context 2.
 */
import { type DeviceState, HartvisorError } from "@hartvisor/core";
import { SavedFields } from "../../full/saved-fields.js";
import type { VirtioContext, VirtioDevice } from "../virtio/device.js";
import { VsockConnection, type VsockLink } from "./connection.js";
import { HEADER, HOST_CID, Operation, readHeader, STREAM, type VsockHeader, writeHeader } from "./packet.js";

const QUEUE_SIZE = 128;
const RECEIVE = 0;
const TRANSMIT = 1;
const EVENT = 2;
/** `struct virtio_vsock_event`: its number alone, 0 for a transport reset. */
const TRANSPORT_RESET = new Uint8Array(4);

/** Connections at once: each may keep a buffer. More are refused. */
export const MAX_VSOCK_CONNECTIONS = 256;
/** Linux sends at most 64 KiB of data in a packet. */
const MAX_DATA = 64 * 1024;
/** Packets that wait for the guest's buffers: while there are so many, nothing more is taken from the guest. */
const MAX_WAITING = 1024;
/** Ports of the host's from which it connects. */
const FIRST_PORT = 0x4000_0000;

/** What a {@link VirtioVsock} is made of. */
export interface VirtioVsockOptions {
  /** The guest's context id, from 3. Default: 3. */
  readonly guestCid?: number;
  /** Unique on its machine. Default: `vsock`. */
  readonly name?: string;
}

/** A socket device. */
export class VirtioVsock implements VirtioDevice, VsockLink {
  readonly name: string;
  readonly type = 19;
  readonly features = 0n;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE];
  readonly configuration = new Uint8Array(8);
  readonly #guestCid: number;
  readonly #listeners = new Map<number, (connection: VsockConnection) => void>();
  readonly #connections = new Map<string, VsockConnection>();
  readonly #waiting: Uint8Array[] = [];
  #context: VirtioContext | undefined;
  #nextPort = FIRST_PORT;
  #isPaused = false;
  /** The guest has yet to hear that its connections are over. */
  #wasMoved = false;

  /** Throws `invalid-argument` for a context id that no guest can have. */
  constructor({ guestCid = 3, name = "vsock" }: VirtioVsockOptions = {}) {
    if (!Number.isInteger(guestCid) || guestCid <= HOST_CID || guestCid >= 0xffff_ffff) {
      throw new HartvisorError("invalid-argument", `${guestCid} is no guest's context id: give a number from 3`);
    }
    this.name = name;
    this.#guestCid = guestCid;
    new DataView(this.configuration.buffer).setUint32(0, guestCid, true);
  }

  /** Accepts connections of the guest's to a port of the host's, until {@link unlisten}. */
  listen(port: number, accept: (connection: VsockConnection) => void): void {
    this.#listeners.set(port, accept);
  }

  unlisten(port: number): void {
    this.#listeners.delete(port);
  }

  /**
   * Connects to a port of the guest's. Rejects with `invalid-state` if nobody listens there, or there is no driver yet.
   */
  async connect(port: number): Promise<VsockConnection> {
    if (this.#context === undefined) throw new HartvisorError("invalid-state", "the guest has no driver for vsock yet");
    if (this.#connections.size >= MAX_VSOCK_CONNECTIONS) {
      throw new HartvisorError("invalid-state", `there are ${MAX_VSOCK_CONNECTIONS} connections already`);
    }
    const connection = new VsockConnection(this.#nextPort, port, this);
    this.#nextPort = this.#nextPort === 0x7fff_ffff ? FIRST_PORT : this.#nextPort + 1;
    this.#connections.set(keyOf(connection), connection);
    this.control(connection, Operation.Request);
    await connection.opened;
    return connection;
  }

  activate(context: VirtioContext): void {
    this.#context = context;
  }

  notify(queue: number): void {
    if (this.#isPaused) return;
    if (queue === TRANSMIT) this.#take();
    if (queue === RECEIVE) this.#feed();
    if (queue === EVENT) this.#tellReset();
  }

  reset(): void {
    this.#context = undefined;
    this.#wasMoved = false;
    this.#waiting.length = 0;
    for (const connection of [...this.#connections.values()]) connection.drop();
  }

  async quiesce(): Promise<void> {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#tellReset();
    this.#take();
    this.#feed();
  }

  save(): DeviceState & { readonly guestCid: number } {
    return { version: 1, guestCid: this.#guestCid };
  }

  /** Connections do not move: the guest is told that they are over (5.10.6.7). */
  restore(state: DeviceState): void {
    const fields = new SavedFields(this.name, state, 1, ["guestCid"]);
    fields.require(fields.bits("guestCid", 0xffff_ffff) === this.#guestCid, "it had another context id");
    this.#wasMoved = true;
  }

  control(connection: VsockConnection, operation: number, flags = 0): void {
    this.#waiting.push(this.#packet(connection, operation, flags, 0));
    this.#feed();
  }

  wake(): void {
    this.#feed();
  }

  remove(connection: VsockConnection): void {
    this.#connections.delete(keyOf(connection));
  }

  #tellReset(): void {
    const queue = this.#context?.queues[EVENT];
    if (queue === undefined || !this.#wasMoved || this.#isPaused) return;
    const chain = queue.pop();
    if (chain === undefined) return;
    this.#wasMoved = false;
    queue.complete(chain, chain.write(0, TRANSPORT_RESET));
    queue.publish();
  }

  #packet(connection: VsockConnection, operation: number, flags: number, length: number): Uint8Array {
    return writeHeader({
      sourceCid: HOST_CID,
      destinationCid: this.#guestCid,
      sourcePort: connection.hostPort,
      destinationPort: connection.guestPort,
      length,
      type: STREAM,
      operation,
      flags,
      ...connection.credit,
    });
  }

  /** Takes what the guest sends, unless too much already waits for its buffers. */
  #take(): void {
    const queue = this.#context?.queues[TRANSMIT];
    if (queue === undefined) return;
    while (this.#waiting.length < MAX_WAITING && !this.#isPaused) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const header = new Uint8Array(HEADER);
      if (chain.read(0, header) === HEADER) {
        const packet = readHeader(header);
        const isWhole = packet.length <= MAX_DATA && chain.readableBytes >= HEADER + packet.length;
        const data = new Uint8Array(isWhole ? packet.length : 0);
        chain.read(HEADER, data);
        if (isWhole) this.#receive(packet, data);
      }
      queue.complete(chain, 0);
    }
    queue.askForNotification();
    queue.publish();
  }

  #receive(packet: VsockHeader, data: Uint8Array): void {
    // 5.10.6.3.1: other sources are not the guest's; other kinds of sockets and nobody's connections are reset.
    if (packet.sourceCid !== this.#guestCid) return;
    const connection = this.#connections.get(`${packet.destinationPort} ${packet.sourcePort}`);
    const isOurs = packet.destinationCid === HOST_CID && packet.type === STREAM;
    if (isOurs && connection !== undefined) {
      if (!connection.receive(packet, data)) connection.close();
      return;
    }
    if (packet.operation === Operation.Reset) return;
    const accept = this.#listeners.get(packet.destinationPort);
    const isWelcome = isOurs && packet.operation === Operation.Request && accept !== undefined;
    if (!isWelcome || this.#connections.size >= MAX_VSOCK_CONNECTIONS) {
      this.#refuse(packet);
      return;
    }
    const accepted = new VsockConnection(packet.destinationPort, packet.sourcePort, this);
    this.#connections.set(keyOf(accepted), accepted);
    accepted.open();
    accepted.receive({ ...packet, operation: Operation.CreditUpdate }, data);
    this.control(accepted, Operation.Response);
    accept(accepted);
  }

  #refuse({ sourceCid, sourcePort, destinationCid, destinationPort, type }: VsockHeader): void {
    this.#waiting.push(
      writeHeader({
        sourceCid: destinationCid >>> 0,
        destinationCid: sourceCid,
        sourcePort: destinationPort,
        destinationPort: sourcePort,
        length: 0,
        type,
        operation: Operation.Reset,
        flags: 0,
        bufferSize: 0,
        forwarded: 0,
      }),
    );
    this.#feed();
  }

  /** Gives the guest what waits for it: first packets without data, then data of each connection in turn. */
  #feed(): void {
    const queue = this.#context?.queues[RECEIVE];
    if (queue === undefined || this.#isPaused) return;
    const wasFull = this.#waiting.length >= MAX_WAITING;
    let isStarved = false;
    while (this.#waiting.length > 0) {
      const chain = queue.pop();
      isStarved = chain === undefined;
      if (chain === undefined) break;
      queue.complete(chain, chain.write(0, this.#waiting.shift() as Uint8Array));
    }
    for (const connection of this.#connections.values()) {
      while (!isStarved) {
        const chain = queue.pop();
        isStarved = chain === undefined;
        if (chain === undefined) break;
        const data = connection.take(Math.min(chain.writableBytes - HEADER, MAX_DATA));
        if (data === undefined) {
          queue.unpop(chain);
          break;
        }
        chain.write(0, this.#packet(connection, Operation.Data, 0, data.length));
        queue.complete(chain, HEADER + chain.write(HEADER, data));
      }
    }
    if (isStarved) queue.askForNotification();
    queue.publish();
    if (wasFull && this.#waiting.length < MAX_WAITING) this.#take();
  }
}

function keyOf({ hostPort, guestPort }: { readonly hostPort: number; readonly guestPort: number }): string {
  return `${hostPort} ${guestPort}`;
}
