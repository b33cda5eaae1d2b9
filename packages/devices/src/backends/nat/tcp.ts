/**
 * One TCP connection between the guest and a socket of the host's (RFC 9293,
 * 7323). The link to the guest loses next to nothing and has no queues, so that
 * there is no congestion control: the guest's window is the limit, and what
 * is lost is sent again after a while. The window that the guest sees is what
 * the host's socket has room for.
 */
import type { HostTcpSocket } from "./host-network.js";
import { type Ipv4, TcpFlag, type TcpSegment } from "./packet.js";
import { SendBuffer } from "./send-buffer.js";

/** Bytes that wait on either side of a connection: from the guest in the host's socket, and for the guest here. */
export const TCP_WINDOW = 512 * 1024;
/** Our window's scale: 512 KiB in units of 2^7 fit 16 bits. */
const WINDOW_SCALE = 7;
/** A window that has opened by so much is told. */
const WINDOW_STEP = 64 * 1024;
const OUR_SEGMENT_SIZE = 1460;
const DEFAULT_SEGMENT_SIZE = 536;

/** What is not acknowledged is sent again after this long, twice as long each time, so many times. */
const RETRANSMIT_MS = 400;
const MAX_TRIES = 8;
const DUPLICATES = 3;
/**
 * Bytes of the guest's that are acknowledged at once; fewer wait a moment for more (RFC 9293, 3.8.6.3), because a guest
 * whose last segment is not acknowledged gathers what it writes next.
 */
const ACKNOWLEDGE_BYTES = 16 * 1024;

/** What a connection needs of its network. */
export interface TcpLink {
  /** Bytes of payload that one frame to the guest may have. */
  readonly largestSegment: number;
  /** Sends a segment to the guest; false while it has no room, and then the connection is called back. */
  send(connection: TcpConnection, segment: OutgoingSegment): boolean;
  /** Calls the connection's `acknowledge` in a moment. */
  later(connection: TcpConnection): void;
  /** The connection is over: forget it. */
  remove(connection: TcpConnection): void;
}

/** A segment for the guest. */
export interface OutgoingSegment {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  readonly payload: readonly Uint8Array[];
  readonly length: number;
  /** What one segment may hold; a longer payload is cut by the guest. */
  readonly segmentSize: number;
  /** Options of a SYN. */
  readonly options?: Uint8Array;
}

/** Both ends of a connection as the guest sees it. */
export interface TcpEnds {
  readonly guest: Ipv4;
  readonly guestPort: number;
  readonly remote: Ipv4;
  readonly remotePort: number;
}

/** SYN options: the segment size, and the window scale. */
const SYN_OPTIONS = Uint8Array.of(2, 4, OUR_SEGMENT_SIZE >> 8, OUR_SEGMENT_SIZE & 0xff, 1, 3, 3, WINDOW_SCALE);

type State = "connecting" | "syn-received" | "syn-sent" | "established" | "closed";

/** One connection: events of the host's socket and segments of the guest's go in, segments and bytes come out. */
export class TcpConnection {
  readonly ends: TcpEnds;
  readonly #link: TcpLink;
  readonly #buffer = new SendBuffer();
  #socket: HostTcpSocket | undefined;
  #state: State = "connecting";
  #unacknowledged: number;
  #next: number;
  /** The highest sequence number sent: beyond `next` after going back. */
  #highest: number;
  #guestWindow = 0;
  #guestScale = 0;
  #segmentSize = DEFAULT_SEGMENT_SIZE;
  #expected = 0;
  /** The right edge of the window that the guest was told. */
  #advertised = 0;
  #guestEnded = false;
  #hostEnded = false;
  #isReading = true;
  #owesAcknowledgement = false;
  /** The acknowledgement is not to wait. */
  #isUrgent = false;
  /** What the guest was told that we expect. */
  #acknowledgedTo = 0;
  #largestWindow = 0;
  #duplicates = 0;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param sequence - our initial sequence number */
  constructor(ends: TcpEnds, link: TcpLink, sequence: number) {
    this.ends = ends;
    this.#link = link;
    this.#unacknowledged = sequence >>> 0;
    this.#next = this.#unacknowledged;
    this.#highest = this.#unacknowledged;
  }

  /** The guest wants to connect; the answer comes when the host is connected. */
  open(syn: TcpSegment, socket: HostTcpSocket): void {
    this.#socket = socket;
    this.#synchronize(syn);
  }

  /** Somebody has connected to the host, and the guest is to accept. */
  openToGuest(socket: HostTcpSocket): void {
    this.#socket = socket;
    this.#state = "syn-sent";
    socket.pause();
    this.#sendSyn(TcpFlag.Syn);
  }

  /** The host is connected: so is the guest. */
  connected(): void {
    if (this.#state !== "connecting") return;
    this.#state = "syn-received";
    this.#sendSyn(TcpFlag.Syn | TcpFlag.Acknowledge);
  }

  /** The host's peer sent bytes. */
  data(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    this.#buffer.push(bytes);
    if (this.#isReading && this.#buffer.length >= TCP_WINDOW) {
      this.#isReading = false;
      this.#socket?.pause();
    }
    this.output();
  }

  /** The host's peer has sent all. */
  ended(): void {
    this.#hostEnded = true;
    this.output();
  }

  /** The host's socket has room again. */
  drained(): void {
    if (this.#state !== "established" && this.#state !== "syn-received") return;
    const window = (this.#advertised - this.#expected) | 0;
    if (this.#room() - window < WINDOW_STEP) return;
    this.#oweUrgently();
    this.output();
  }

  /** The host's socket is gone. */
  closed(failed: boolean): void {
    if (this.#state === "closed") return;
    const isDone = this.#hostEnded && !failed;
    if (isDone) return; // what is buffered still goes to the guest
    this.abort();
  }

  /** Ends the connection at once, on both sides. */
  abort(): void {
    if (this.#state === "closed") return;
    if (this.#state !== "syn-sent") {
      const flags = TcpFlag.Reset | TcpFlag.Acknowledge;
      this.#send(flags, this.#next, 0, 0);
    }
    this.drop();
  }

  /** Ends the connection without a word to the guest. */
  drop(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#link.remove(this);
  }

  /** Takes a segment of the guest's. */
  receive(segment: TcpSegment): void {
    const { flags, sequence, acknowledgement } = segment;
    if (flags & TcpFlag.Reset) {
      const isMeant = this.#state === "syn-sent" || ((sequence - this.#expected) | 0) >= 0;
      if (isMeant) this.drop();
      return;
    }
    if (this.#state === "connecting" || this.#state === "closed") return;
    if (this.#state === "syn-sent") {
      this.#accepted(segment);
      return;
    }
    if (flags & TcpFlag.Syn) {
      // The answer to the first one was lost, or this is no segment of ours.
      if (this.#state === "syn-received") this.#sendSyn(TcpFlag.Syn | TcpFlag.Acknowledge);
      else this.#oweUrgently();
      return;
    }
    if ((flags & TcpFlag.Acknowledge) === 0) return;
    const isNews = ((acknowledgement - this.#unacknowledged) | 0) >= 0 && ((this.#highest - acknowledgement) | 0) >= 0;
    if (!isNews && ((acknowledgement - this.#unacknowledged) | 0) > 0) {
      this.#oweUrgently(); // it acknowledges what was never sent
      return;
    }
    if (isNews) this.#acknowledged(segment);
    this.#take(segment);
  }

  /** Sends what there is to send: bytes, the end, an acknowledgement. Called whenever one of them may go. */
  output(): void {
    if (this.#state !== "established") return;
    const start = this.#unacknowledged;
    for (;;) {
      const sent = (this.#next - start) >>> 0;
      const waiting = this.#buffer.length - sent;
      const count = Math.min(waiting, this.#guestWindow - sent, this.#link.largestSegment);
      if (count <= 0) break;
      const isLast = count === waiting;
      // Small pieces of a window that is all but used up make small segments for ever (RFC 9293, 3.8.6.2.1).
      const isSilly = !isLast && sent > 0 && count < Math.min(this.#link.largestSegment, this.#largestWindow / 2);
      if (isSilly) break;
      if (!this.#send(TcpFlag.Acknowledge | (isLast ? TcpFlag.Push : 0), this.#next, sent, count)) return;
      this.#advance(count);
    }
    const isAllSent = (this.#next - start) >>> 0 === this.#buffer.length;
    if (this.#hostEnded && isAllSent && this.#send(TcpFlag.Fin | TcpFlag.Acknowledge, this.#next, 0, 0))
      this.#advance(1);
    if (this.#owesAcknowledgement) {
      const isPatient = !this.#isUrgent && (this.#expected - this.#acknowledgedTo) >>> 0 < ACKNOWLEDGE_BYTES;
      if (isPatient) this.#link.later(this);
      else this.acknowledge();
    }
    if (this.#timer === undefined && (this.#next !== start || this.#buffer.length > 0)) this.#startTimer();
  }

  /** Acknowledges what is owed, if it is still owed. */
  acknowledge(): void {
    if (this.#owesAcknowledgement && this.#state === "established") this.#send(TcpFlag.Acknowledge, this.#next, 0, 0);
  }

  #synchronize(syn: TcpSegment): void {
    this.#expected = (syn.sequence + 1) >>> 0;
    this.#advertised = this.#expected;
    this.#segmentSize = Math.min(Math.max(syn.segmentSize ?? DEFAULT_SEGMENT_SIZE, 64), OUR_SEGMENT_SIZE);
    // RFC 7323, 2.2: either both sides scale, or none. Ours says that it does only to a guest that does.
    this.#guestScale = syn.windowScale ?? 0;
    this.#scales = syn.windowScale !== undefined;
    this.#guestWindow = syn.window;
    this.#acknowledgedTo = this.#expected;
  }

  #scales = false;

  /** The answer to our SYN. */
  #accepted(segment: TcpSegment): void {
    const both = TcpFlag.Syn | TcpFlag.Acknowledge;
    if ((segment.flags & both) !== both || segment.acknowledgement !== this.#highest) return;
    this.#synchronize(segment);
    this.#unacknowledged = segment.acknowledgement;
    this.#establish();
    this.#oweUrgently();
    this.#socket?.resume();
  }

  #establish(): void {
    this.#state = "established";
    this.#stopTimer();
  }

  #acknowledged({ acknowledgement, window, payload }: TcpSegment): void {
    const count = (acknowledgement - this.#unacknowledged) >>> 0;
    const scaled = window << this.#guestScale;
    this.#largestWindow = Math.max(this.#largestWindow, scaled);
    if (count === 0) {
      const isDuplicate = payload.length === 0 && scaled === this.#guestWindow && this.#next !== this.#unacknowledged;
      this.#guestWindow = scaled;
      if (isDuplicate && ++this.#duplicates === DUPLICATES) this.#next = this.#unacknowledged;
      return;
    }
    if (this.#state === "syn-received") {
      this.#unacknowledged = acknowledgement;
      this.#guestWindow = scaled;
      this.#establish();
      return;
    }
    // The end takes a sequence number, too.
    const isEnd = count > this.#buffer.length;
    this.#buffer.drop(Math.min(count, this.#buffer.length));
    this.#unacknowledged = acknowledgement;
    if (((this.#next - acknowledgement) | 0) < 0) this.#next = acknowledgement;
    this.#guestWindow = scaled;
    this.#duplicates = 0;
    this.#stopTimer();
    if (isEnd) this.#isEndAcknowledged = true;
    if (!this.#isReading && this.#buffer.length < TCP_WINDOW / 2) {
      this.#isReading = true;
      this.#socket?.resume();
    }
    this.#closeIfDone();
  }

  #isEndAcknowledged = false;

  /** Takes the bytes and the end that come next; whatever comes too early comes again. */
  #take({ sequence, payload, flags }: TcpSegment): void {
    if (this.#state !== "established") return;
    const hasEnd = (flags & TcpFlag.Fin) !== 0;
    if (payload.length === 0 && !hasEnd) {
      // A keep-alive: nothing new, from before the window (RFC 9293, 3.8.4).
      if (sequence !== this.#expected) this.#oweUrgently();
      return;
    }
    this.#owesAcknowledgement = true;
    const skip = (this.#expected - sequence) | 0;
    if (skip !== 0 || hasEnd) this.#isUrgent = true;
    if (skip < 0 || this.#guestEnded) return;
    const fresh = payload.subarray(Math.min(skip, payload.length));
    const taken = fresh.subarray(0, (this.#advertised - this.#expected) >>> 0);
    if (taken.length > 0) this.#socket?.write(taken);
    this.#expected = (this.#expected + taken.length) >>> 0;
    if (!hasEnd || taken.length < fresh.length || skip > payload.length) return;
    this.#expected = (this.#expected + 1) >>> 0;
    this.#guestEnded = true;
    this.#socket?.end();
    this.#closeIfDone();
  }

  #oweUrgently(): void {
    this.#owesAcknowledgement = true;
    this.#isUrgent = true;
  }

  #closeIfDone(): void {
    if (!this.#guestEnded || !this.#isEndAcknowledged) return;
    if (this.#owesAcknowledgement) this.#send(TcpFlag.Acknowledge, this.#next, 0, 0);
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#link.remove(this);
  }

  /** What the host's socket has room for. */
  #room(): number {
    return TCP_WINDOW - (this.#socket?.backlog ?? 0);
  }

  #advance(count: number): void {
    this.#next = (this.#next + count) >>> 0;
    if (((this.#next - this.#highest) | 0) > 0) this.#highest = this.#next;
  }

  #sendSyn(flags: number): void {
    const options = flags & TcpFlag.Acknowledge && !this.#scales ? SYN_OPTIONS.subarray(0, 4) : SYN_OPTIONS;
    this.#link.send(this, {
      sequence: this.#unacknowledged,
      acknowledgement: this.#expected,
      flags,
      window: 0xffff,
      payload: [],
      length: 0,
      segmentSize: 0,
      options,
    });
    this.#advertised = (this.#expected + 0xffff) >>> 0;
    this.#next = (this.#unacknowledged + 1) >>> 0;
    this.#highest = this.#next;
    this.#startTimer();
  }

  #send(flags: number, sequence: number, from: number, count: number): boolean {
    const edge = (this.#expected + Math.max(0, this.#room())) >>> 0;
    // A window never shrinks (RFC 9293, 3.8.6).
    if (((edge - this.#advertised) | 0) > 0) this.#advertised = edge;
    const window = (this.#advertised - this.#expected) >>> 0;
    const isSent = this.#link.send(this, {
      sequence,
      acknowledgement: this.#expected,
      flags,
      window: Math.min(0xffff, this.#scales ? window >> WINDOW_SCALE : window),
      payload: count > 0 ? this.#buffer.views(from, count) : [],
      length: count,
      segmentSize: this.#segmentSize,
    });
    if (isSent) {
      this.#owesAcknowledgement = false;
      this.#isUrgent = false;
      this.#acknowledgedTo = this.#expected;
    }
    return isSent;
  }

  #startTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#timedOut(), RETRANSMIT_MS * 2 ** Math.min(this.#tries, 5));
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tries = 0;
  }

  #timedOut(): void {
    this.#timer = undefined;
    // A guest that closes its window may keep it closed as long as it likes.
    const isClosedWindow = this.#state === "established" && this.#guestWindow === 0;
    if (++this.#tries > MAX_TRIES && !isClosedWindow) {
      this.abort();
      return;
    }
    if (this.#state === "syn-sent") this.#sendSyn(TcpFlag.Syn);
    else if (this.#state === "syn-received") this.#sendSyn(TcpFlag.Syn | TcpFlag.Acknowledge);
    else {
      this.#next = this.#unacknowledged;
      // A closed window is asked whether it is still closed (RFC 9293, 3.8.6.1).
      const probes = isClosedWindow && this.#buffer.length > 0;
      if (probes && this.#send(TcpFlag.Acknowledge, this.#next, 0, 1)) this.#advance(1);
      this.output();
      if (this.#timer === undefined) this.#startTimer();
    }
  }
}
