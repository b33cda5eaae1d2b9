/**
 * One connection to an NBD server: the handshake (fixed newstyle, without TLS),
 * then requests and simple replies, any number of them under way. What a server
 * says wrongly ends the connection; nbd-disk.ts makes the next one.
 */
import {
  Command,
  type CommandNumber,
  errorMessage,
  goBody,
  HandshakeFlag,
  Info,
  MAX_OPTION_REPLY,
  MAX_REQUEST_BYTES,
  Magic,
  Option,
  OptionReply,
  optionRequest,
  REPLY_SIZE,
  requestHeader,
} from "./protocol.js";
import { type NbdStream, type OpenNbdStream, StreamReader } from "./stream.js";

/** A server that has not finished the handshake by then is taken for dead. */
const HANDSHAKE_MS = 10_000;

/** The server answered a request with an error; the connection is as good as before. */
export class NbdError extends Error {}

/** The server refuses the export: another connection would not help. */
export class NbdRefusal extends Error {}

/** What a server says of an export. */
export interface NbdExport {
  /** Bytes. */
  readonly size: number;
  readonly flags: number;
  /** Bytes that one request may move. */
  readonly maxRequest: number;
}

interface Pending {
  readonly into: Uint8Array | undefined;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export class NbdConnection {
  readonly export: NbdExport;
  readonly #stream: NbdStream;
  readonly #pending: Map<number, Pending>;
  #nextCookie = 0;
  #over: Error | undefined;

  private constructor(offered: NbdExport, stream: NbdStream, pending: Map<number, Pending>) {
    this.export = offered;
    this.#stream = stream;
    this.#pending = pending;
  }

  /** Connects and asks for an export. */
  static async open(open: OpenNbdStream, name: string): Promise<NbdConnection> {
    const pending = new Map<number, Pending>();
    let connection: NbdConnection | undefined;
    const lose = (reason: Error) => connection?.lose(reason);
    const reader = new StreamReader(lose);
    const stream = await open(reader);
    const timer = setTimeout(() => stream.destroy(), HANDSHAKE_MS);
    try {
      const offered = await shakeHands(reader, stream, new TextEncoder().encode(name));
      connection = new NbdConnection(offered, stream, pending);
      connection.#readReplies(reader).catch(lose);
      return connection;
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a request; fills `into` for a read. Rejects with an {@link NbdError}, or with why the connection is over. */
  request(
    command: CommandNumber,
    offset: number,
    length: number,
    data: { into?: Uint8Array; from?: Uint8Array } = {},
  ): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const cookie = this.#nextCookie;
    this.#nextCookie = (cookie + 1) >>> 0;
    return new Promise((resolve, reject) => {
      this.#pending.set(cookie, { into: data.into, resolve, reject });
      this.#stream.write(requestHeader(command, cookie, offset, length));
      if (data.from !== undefined) this.#stream.write(data.from);
    });
  }

  /** Says goodbye. */
  close(): void {
    if (this.#over !== undefined) return;
    this.#stream.write(requestHeader(Command.Disconnect, 0, 0, 0));
    this.lose(new Error("closed"));
  }

  /** The connection is over: every request under way is rejected with the reason. */
  lose(reason: Error): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#stream.destroy();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  async #readReplies(reader: StreamReader): Promise<never> {
    for (;;) {
      const header = await reader.take(REPLY_SIZE);
      const cookie = header.getUint32(12);
      const pending = this.#pending.get(cookie);
      if (header.getUint32(0) !== Magic.Reply || header.getUint32(8) !== 0 || pending === undefined) {
        throw new Error("the server has answered what was not asked");
      }
      const error = header.getUint32(4);
      if (error === 0 && pending.into !== undefined) await reader.fill(pending.into);
      this.#pending.delete(cookie);
      if (error === 0) pending.resolve();
      else pending.reject(new NbdError(errorMessage(error)));
    }
  }
}

async function shakeHands(reader: StreamReader, stream: NbdStream, name: Uint8Array): Promise<NbdExport> {
  const greeting = await reader.take(18);
  if (greeting.getBigUint64(0) !== Magic.Server) throw new NbdRefusal("it is no NBD server");
  const flags = greeting.getUint16(16);
  const isNewstyle = greeting.getBigUint64(8) === Magic.Option && (flags & HandshakeFlag.FixedNewstyle) !== 0;
  if (!isNewstyle) throw new NbdRefusal("its server speaks an NBD that is too old");
  const hasNoZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
  const answer = new Uint8Array(4);
  new DataView(answer.buffer).setUint32(0, HandshakeFlag.FixedNewstyle | (hasNoZeroes ? HandshakeFlag.NoZeroes : 0));
  stream.write(answer);
  stream.write(optionRequest(Option.Go, goBody(name)));
  let offered: Omit<NbdExport, "maxRequest"> | undefined;
  let maxRequest = MAX_REQUEST_BYTES;
  for (;;) {
    const { type, body } = await optionReply(reader);
    if (type === OptionReply.Acknowledge && offered !== undefined) return { ...offered, maxRequest };
    if (type === OptionReply.Unsupported) return askOldWay(reader, stream, name, hasNoZeroes);
    if (type >= OptionReply.Error) throw new NbdRefusal(refusal(type, body));
    if (type !== OptionReply.Info || body.byteLength < 2) throw new NbdRefusal("its server breaks the protocol");
    const info = body.getUint16(0);
    if (info === Info.Export && body.byteLength >= 12) {
      offered = { size: Number(body.getBigUint64(2)), flags: body.getUint16(10) };
    } else if (info === Info.BlockSize && body.byteLength >= 14) {
      maxRequest = Math.min(MAX_REQUEST_BYTES, body.getUint32(10));
    }
  }
}

/** NBD_OPT_EXPORT_NAME, which a server that does not know the export answers by hanging up. */
async function askOldWay(
  reader: StreamReader,
  stream: NbdStream,
  name: Uint8Array,
  hasNoZeroes: boolean,
): Promise<NbdExport> {
  stream.write(optionRequest(Option.ExportName, name));
  const answer = await reader.take(10);
  if (!hasNoZeroes) await reader.take(124);
  return { size: Number(answer.getBigUint64(0)), flags: answer.getUint16(8), maxRequest: MAX_REQUEST_BYTES };
}

async function optionReply(reader: StreamReader): Promise<{ readonly type: number; readonly body: DataView }> {
  const header = await reader.take(20);
  const length = header.getUint32(16);
  if (header.getBigUint64(0) !== Magic.OptionReply || length > MAX_OPTION_REPLY) {
    throw new NbdRefusal("its server breaks the protocol");
  }
  return { type: header.getUint32(12), body: await reader.take(length) };
}

const REFUSALS: ReadonlyMap<number, string> = new Map([
  [0x8000_0002, "its server's policy forbids it"],
  [0x8000_0005, "its server wants TLS"],
  [0x8000_0006, "its server has no such export"],
  [0x8000_0007, "its server is shutting down"],
]);

/** What the server says, if it says anything, is shown as it is, but for what could disturb a terminal. */
function refusal(type: number, body: DataView): string {
  const reason = REFUSALS.get(type) ?? `its server refuses it (${type - OptionReply.Error})`;
  const said = new TextDecoder()
    .decode(body)
    .replace(/[^\x20-\x7e]/g, "")
    .slice(0, 200);
  return said === "" ? reason : `${reason}: ${said}`;
}
