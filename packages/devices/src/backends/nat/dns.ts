/**
 * A name server for the guest (RFC 1035): answers questions for addresses from
 * the host's own resolver, whatever that asks. There is no IPv6 here, so that
 * names have no AAAA records, and other kinds are not implemented.
 */
import { type Ipv4, viewOf } from "./packet.js";

const HEADER = 12;
const Type = { A: 1, Aaaa: 28 } as const;
const INTERNET = 1;
/** Response codes. */
const Code = { Ok: 0, FormatError: 1, ServerFailure: 2, NoSuchName: 3, NotImplemented: 4 } as const;
/** Answers hold for a minute: the host's resolver does not tell for how long. */
const TIME_TO_LIVE = 60;
/** So many addresses fit a datagram of 512 bytes behind the longest name. */
const MAX_ADDRESSES = 12;

/** The answer to a query; undefined where it is none. `resolve` rejects, or says nothing, for a name that does not exist. */
export async function answerDns(
  query: Uint8Array,
  resolve: (name: string) => Promise<readonly Ipv4[]>,
): Promise<Uint8Array | undefined> {
  if (query.length < HEADER) return undefined;
  const view = viewOf(query);
  if (view.getUint16(2) & 0x8000) return undefined; // an answer
  const opcode = (view.getUint16(2) >> 11) & 0xf;
  if (opcode !== 0) return response(query, HEADER, Code.NotImplemented);
  const question = view.getUint16(4) === 1 ? readQuestion(query) : undefined;
  if (question === undefined) return response(query, HEADER, Code.FormatError);
  const { name, type, end } = question;
  if (type === Type.Aaaa) return response(query, end, Code.Ok);
  if (type !== Type.A) return response(query, end, Code.NotImplemented);
  try {
    return response(query, end, Code.Ok, (await resolve(name)).slice(0, MAX_ADDRESSES));
  } catch (error) {
    const { code } = error as { code?: string };
    return response(query, end, code === "ENOTFOUND" || code === "ENODATA" ? Code.NoSuchName : Code.ServerFailure);
  }
}

function readQuestion(query: Uint8Array): { name: string; type: number; end: number } | undefined {
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined; // compression has no place in a question
    at++;
    if (length === 0) break;
    const label = new TextDecoder("latin1").decode(query.subarray(at, at + length));
    if (!/^[\w-]+$/.test(label)) return undefined;
    labels.push(label);
    at += length;
    if (at > HEADER + 254) return undefined;
  }
  if (at + 4 > query.length || labels.length === 0) return undefined;
  const view = viewOf(query);
  return view.getUint16(at + 2) === INTERNET
    ? { name: labels.join("."), type: view.getUint16(at), end: at + 4 }
    : undefined;
}

function response(query: Uint8Array, questionEnd: number, code: number, addresses: readonly Ipv4[] = []): Uint8Array {
  const bytes = new Uint8Array(questionEnd + 16 * addresses.length);
  const view = viewOf(bytes);
  bytes.set(query.subarray(0, questionEnd));
  // An answer, recursion available; what it asked for is kept.
  view.setUint16(2, 0x8080 | (view.getUint16(2) & 0x7900) | code);
  view.setUint16(4, questionEnd > HEADER ? 1 : 0);
  view.setUint16(6, addresses.length);
  view.setUint32(8, 0);
  for (const [n, address] of addresses.entries()) {
    const at = questionEnd + 16 * n;
    view.setUint16(at, 0xc000 | HEADER);
    view.setUint16(at + 2, Type.A);
    view.setUint16(at + 4, INTERNET);
    view.setUint32(at + 6, TIME_TO_LIVE);
    view.setUint16(at + 10, 4);
    view.setUint32(at + 12, address);
  }
  return bytes;
}
