/** A DHCP server (RFC 2131, 2132), which has the addresses from whoever calls it. */
import { type Ipv4, viewOf } from "./packet.js";

const FIXED = 236;
/** Where the address of the card stands. */
const CARD = 28;
const COOKIE = 0x63825363;
const REQUEST = 1;
const REPLY = 2;

const Option = {
  Pad: 0,
  SubnetMask: 1,
  Router: 3,
  NameServer: 6,
  HostName: 12,
  RequestedAddress: 50,
  LeaseTime: 51,
  MessageType: 53,
  Server: 54,
  End: 255,
} as const;

const Message = {
  Discover: 1,
  Offer: 2,
  Request: 3,
  Decline: 4,
  Acknowledge: 5,
  Refuse: 6,
  Release: 7,
  Inform: 8,
} as const;

/** The lease outlives any session; a guest renews it after half of it. */
const LEASE_SECONDS = 24 * 60 * 60;

/** What the server tells its guests. */
export interface DhcpAnswers {
  /** The address of a guest, by that of its card. */
  guest(card: Uint8Array): Ipv4;
  readonly router: Ipv4;
  readonly nameServer: Ipv4;
  readonly subnetMask: Ipv4;
}

/** The answer to a DHCP message; undefined where there is none to give. */
export function answerDhcp(message: Uint8Array, answers: DhcpAnswers): Uint8Array | undefined {
  if (message.length < FIXED + 4) return undefined;
  const view = viewOf(message);
  if (view.getUint8(0) !== REQUEST || view.getUint8(1) !== 1 || view.getUint8(2) !== 6) return undefined;
  if (view.getUint32(FIXED) !== COOKIE) return undefined;
  const options = readOptions(message.subarray(FIXED + 4));
  const kind = options.get(Option.MessageType)?.[0];
  const server = options.get(Option.Server);
  const guest = answers.guest(message.subarray(CARD, CARD + 6));
  const answer = (reply: number) => replyTo(message, reply, guest, answers);
  const isForUs = server === undefined || addressOf(server) === answers.router;
  switch (kind) {
    case Message.Discover:
      return answer(Message.Offer);
    case Message.Request: {
      if (!isForUs) return undefined;
      const wanted = addressOf(options.get(Option.RequestedAddress)) ?? view.getUint32(12);
      return answer(wanted === guest ? Message.Acknowledge : Message.Refuse);
    }
    case Message.Inform:
      return answer(Message.Acknowledge);
    default:
      return undefined;
  }
}

function readOptions(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at] ?? Option.End;
    if (kind === Option.End) break;
    if (kind === Option.Pad) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    options.set(kind, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

function addressOf(bytes: Uint8Array | undefined): Ipv4 | undefined {
  return bytes?.length === 4 ? viewOf(bytes).getUint32(0) : undefined;
}

function replyTo(request: Uint8Array, kind: number, guest: Ipv4, answers: DhcpAnswers): Uint8Array {
  const bytes = new Uint8Array(300); // the shortest that BOOTP allows (RFC 1542, 2.1)
  const view = viewOf(bytes);
  bytes.set(request.subarray(0, FIXED));
  bytes.fill(0, 44, FIXED); // names
  view.setUint8(0, REPLY);
  view.setUint8(3, 0);
  view.setUint16(8, 0);
  const informs = viewOf(request).getUint32(12) !== 0;
  view.setUint32(16, kind === Message.Refuse || informs ? 0 : guest);
  view.setUint32(20, answers.router);
  view.setUint32(FIXED, COOKIE);
  let at = FIXED + 4;
  const add = (option: number, value: number, width: 1 | 4) => {
    bytes[at] = option;
    bytes[at + 1] = width;
    if (width === 1) view.setUint8(at + 2, value);
    else view.setUint32(at + 2, value);
    at += 2 + width;
  };
  add(Option.MessageType, kind, 1);
  add(Option.Server, answers.router, 4);
  if (kind !== Message.Refuse) {
    add(Option.LeaseTime, LEASE_SECONDS, 4);
    add(Option.SubnetMask, answers.subnetMask, 4);
    add(Option.Router, answers.router, 4);
    add(Option.NameServer, answers.nameServer, 4);
  }
  bytes[at] = Option.End;
  return bytes;
}
