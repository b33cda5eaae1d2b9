/** For tests: an NBD server in this process, which can be told to misbehave. */
import { Command, Info, Magic, Option, OptionReply } from "./protocol.js";
import { type NbdStreamEvents, type OpenNbdStream, StreamReader } from "./stream.js";

/** What a server has and does. */
export interface TestServerOptions {
  readonly bytes: Uint8Array;
  readonly flags?: number;
  readonly maxRequest?: number;
  /** Whether it knows NBD_OPT_GO. */
  readonly isOld?: boolean;
}

/** Flush, FUA, trim and write zeroes. */
export const ALL_FLAGS = 0x6d;

export class TestServer {
  readonly bytes: Uint8Array;
  /** What is durable: what a server that is started anew still knows. */
  durable: Uint8Array;
  /** Requests in the order of their arrival. */
  readonly log: string[] = [];
  /** The error of the next request, or what else becomes of it. */
  next: number | "silence" | "nonsense" = 0;
  isDown = false;
  readonly #options: TestServerOptions;
  #drop: (reason: Error) => void = () => {};

  constructor(options: TestServerOptions) {
    this.#options = options;
    this.bytes = options.bytes;
    this.durable = options.bytes.slice();
  }

  readonly open: OpenNbdStream = async (events) => {
    if (this.isDown) throw new Error("connection refused");
    const reader = new StreamReader(() => {});
    let isOpen = true;
    this.#drop = (reason) => {
      if (!isOpen) return;
      isOpen = false;
      events.closed(reason);
      reader.closed(reason);
    };
    const drop = this.#drop;
    const send: NbdStreamEvents["data"] = (bytes) => void (isOpen && events.data(bytes.slice()));
    this.#serve(reader, send).catch(drop);
    return {
      write: (bytes) => {
        if (isOpen) reader.data(bytes.slice());
      },
      destroy: () => drop(new Error("destroyed")),
    };
  };

  /** Ends the connection; a server that crashes loses what is not durable. */
  drop({ crashes = false } = {}): void {
    if (crashes) this.bytes.set(this.durable);
    this.#drop(new Error("the connection was cut"));
  }

  async #serve(reader: StreamReader, send: (bytes: Uint8Array) => void): Promise<void> {
    const { flags = ALL_FLAGS, maxRequest, isOld = false } = this.#options;
    send(
      words([
        [8, Magic.Server],
        [8, Magic.Option],
        [2, 3n],
      ]),
    );
    await reader.take(4);
    for (let isOver = false; !isOver; ) {
      const header = await reader.take(16);
      const option = header.getUint32(8);
      const body = await reader.take(header.getUint32(12));
      const reply = (type: number, content: Uint8Array) =>
        send(
          Uint8Array.of(
            ...words([
              [8, Magic.OptionReply],
              [4, BigInt(option)],
              [4, BigInt(type)],
              [4, BigInt(content.length)],
            ]),
            ...content,
          ),
        );
      const size = BigInt(this.bytes.length);
      if (option === Option.ExportName) {
        send(
          words([
            [8, size],
            [2, BigInt(flags)],
          ]),
        );
        isOver = true;
      } else if (isOld) reply(OptionReply.Unsupported, new Uint8Array());
      else if (new TextDecoder().decode(body).includes("nothing"))
        reply(0x8000_0006, new TextEncoder().encode("no such thing"));
      else {
        reply(
          OptionReply.Info,
          words([
            [2, BigInt(Info.Export)],
            [8, size],
            [2, BigInt(flags)],
          ]),
        );
        if (maxRequest)
          reply(
            OptionReply.Info,
            words([
              [2, BigInt(Info.BlockSize)],
              [4, 1n],
              [4, 4096n],
              [4, BigInt(maxRequest)],
            ]),
          );
        reply(OptionReply.Acknowledge, new Uint8Array());
        isOver = true;
      }
    }
    for (;;) await this.#answer(reader, send);
  }

  async #answer(reader: StreamReader, send: (bytes: Uint8Array) => void): Promise<void> {
    const header = await reader.take(28);
    const command = header.getUint16(6);
    const offset = Number(header.getBigUint64(16));
    const length = header.getUint32(24);
    const data = new Uint8Array(command === Command.Write ? length : 0);
    await reader.fill(data);
    this.log.push(`${command} ${offset} ${length}`);
    const { next } = this;
    this.next = 0;
    if (next === "silence") return;
    if (next === "nonsense") {
      send(new Uint8Array(16));
      return;
    }
    if (next === 0) {
      if (command === Command.Write) this.bytes.set(data, offset);
      if (command === Command.WriteZeroes) this.bytes.fill(0, offset, offset + length);
      if (command === Command.Flush) this.durable = this.bytes.slice();
    }
    send(
      words([
        [4, BigInt(Magic.Reply)],
        [4, BigInt(next)],
        [8, header.getBigUint64(8)],
      ]),
    );
    if (command === Command.Read && next === 0) send(this.bytes.subarray(offset, offset + length));
  }
}

/** Numbers of so many bytes, one after the other. */
function words(list: readonly (readonly [number, bigint])[]): Uint8Array {
  return Uint8Array.from(
    list.flatMap(([length, value]) =>
      Array.from({ length }, (_, n) => Number((value >> BigInt(8 * (length - 1 - n))) & 0xffn)),
    ),
  );
}
