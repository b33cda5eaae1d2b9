/**
 * Hostile stations on a switch: frames that are cut, tagged, forged and left
 * unfinished, and streams of garbage. Nothing throws, tables and queues stay bounded,
 * and no frame of an access port leaves its VLAN.
 */
import type { FrameOffload, NetworkBackend } from "@hartvisor/core";
import type { PortVlans } from "../src/backends/switch/port.js";
import { FrameReader } from "../src/backends/switch/stream-link.js";
import { MAX_ADDRESSES_PER_PORT, NetworkSwitch } from "../src/backends/switch/switch.js";
import { Random } from "./random.js";

const PORTS: readonly PortVlans[] = [
  { vlan: 10 },
  { vlan: 10 },
  { vlan: 20 },
  { trunk: [10, 20] },
  { trunk: "all", native: 1 },
];
/** In the source address of frames from access ports: the byte that holds their VLAN. */
const ORIGIN = 7;
const FRAMES_PER_CHECK = 1000;

export interface SwitchReport {
  readonly frames: number;
  /** Frames that got through, each, on average: more than one where they went to all. */
  readonly share: number;
  readonly dropped: number;
}

/** Sends frames; throws where the switch breaks a promise. */
export function runSwitchCampaign({ frames, seed }: { readonly frames: number; readonly seed: number }): SwitchReport {
  const random = new Random(seed);
  const lan = new NetworkSwitch({ now: () => random.below(1_000_000) });
  let delivered = 0;
  const connect = (backend: NetworkBackend, vlans: PortVlans) =>
    backend.connect({
      largestSegment: random.pick([0, 1460, 65000]),
      deliver: ([bytes], offload) => {
        if (random.once(50)) return false;
        delivered++;
        const origin = bytes?.[ORIGIN] ?? 0;
        if ("vlan" in vlans && origin !== 0 && origin !== vlans.vlan) {
          throw new Error(`a frame of VLAN ${origin} came to VLAN ${vlans.vlan}`);
        }
        const isCut = (offload?.segmentSize ?? 0) === 0;
        if (isCut && (bytes?.length ?? 0) > 1518) throw new Error("a frame is too long");
        return true;
      },
    });
  const cards = PORTS.map((vlans) => {
    const backend = lan.card(vlans);
    connect(backend, vlans);
    return { backend, vlans };
  });
  let reader = new FrameReader();
  for (let n = 0; n < frames; n++) {
    const { backend, vlans } = random.pick(cards);
    backend.receive(
      frameOf(random, "vlan" in vlans ? (vlans.vlan ?? 0) : 0),
      random.once(3) ? offloadOf(random) : undefined,
    );
    if (random.once(8)) backend.flush();
    if (random.once(20)) backend.ready();
    if (random.once(500)) connect(backend, vlans);
    if (random.once(4)) reader = read(reader, random);
    if (n % FRAMES_PER_CHECK === 0 && lan.stats.addresses > PORTS.length * MAX_ADDRESSES_PER_PORT) {
      throw new Error(`the switch knows ${lan.stats.addresses} addresses`);
    }
  }
  const dropped = Object.values(lan.stats.dropped).reduce((sum, count) => sum + count, 0);
  return { frames, share: delivered / frames, dropped };
}

function frameOf(random: Random, origin: number): Uint8Array {
  const length = random.once(10) ? random.below(70_000) : random.once(10) ? random.below(20) : 60 + random.below(1500);
  const bytes = new Uint8Array(length).fill(random.below(256));
  const address = () => [
    random.pick([0x52, 0x52, 0x52, 0x01, 0xff, 0]),
    origin,
    0,
    0,
    random.below(4),
    random.below(256),
  ];
  bytes.set([...address(), ...address()].slice(0, length));
  if (random.once(8)) bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff].slice(0, length));
  const tag = [0x81, 0, random.below(256), random.pick([0, 1, 10, 20, 30, 255])];
  const ip = [8, 0, 0x45, 0, random.below(256), random.below(256), 0, 0, random.pick([0, 0x40, 0x20]), 0, 64, 6];
  if (length >= 80) bytes.set(random.once(2) ? [...tag, ...ip] : ip, 12);
  return bytes;
}

const offloadOf = (random: Random): FrameOffload => ({
  checksumStart: random.pick([0, 14, 34, 38, random.below(70_000)]),
  checksumOffset: random.pick([0, 6, 16, random.below(65_536)]),
  segmentSize: random.pick([0, 1, 536, 1460, random.below(65_536)]),
});

/** Gives a reader of streams a piece; one whose stream has ended is replaced. */
function read(reader: FrameReader, random: Random): FrameReader {
  const length = random.below(200);
  const head = random.pick([length, length, 0, random.below(2 ** 31), 65_553]);
  const bytes = new Uint8Array(4 + random.below(220)).fill(7);
  if (random.once(2)) new DataView(bytes.buffer).setUint32(0, head);
  try {
    for (const frame of reader.push(bytes)) {
      if (frame.length === 0 || frame.length > 65_553) throw new RangeError("a frame of no length that frames have");
    }
    return reader;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return new FrameReader();
  }
}
