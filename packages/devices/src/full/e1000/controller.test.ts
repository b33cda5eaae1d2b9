import { beforeEach, describe, expect, it } from "vitest";
import { checksum, Protocol, pseudoHeaderSum, writeIpv4 } from "../../backends/nat/packet.js";
import { checkSequence } from "./frame.js";
import { Register } from "./registers.js";
import { Command, DATA, E1000TestDriver, frameOf, MAC, RECEIVE_RING, RING_SIZE, TRANSMIT_RING } from "./test-driver.js";

const { End, Fcs, Report } = Command;
const IP = 14;
const TCP = 34;
const HEADERS = 54;

let driver: E1000TestDriver;

beforeEach(() => {
  driver = new E1000TestDriver().start();
});

/** An IPv4 and TCP packet as a guest hands it over, or with its checksums done. */
function tcpFrame(payload: number, { flags = 0x19, whole = false } = {}): Uint8Array {
  const frame = new Uint8Array(HEADERS + payload).map((_, n) => n * 7);
  const [source, destination] = [0x0a00020f, 0x0a000202];
  writeIpv4(frame, Uint8Array.from(MAC), new Uint8Array(6), {
    ...{ source, destination, protocol: Protocol.Tcp, length: 20 + payload, identification: 0x1234 },
  });
  const view = new DataView(frame.buffer);
  view.setUint32(TCP + 4, 0xffff_fff0);
  view.setUint8(TCP + 12, 0x50);
  view.setUint8(TCP + 13, flags);
  view.setUint16(TCP + 16, pseudoHeaderSum(source, destination, Protocol.Tcp, 20 + payload));
  if (whole) view.setUint16(TCP + 16, checksum(frame.subarray(TCP)));
  return frame;
}

/** Whether both checksums of a packet are right. */
function areSumsRight(frame: Uint8Array): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset);
  const pseudo = pseudoHeaderSum(view.getUint32(26), view.getUint32(30), Protocol.Tcp, frame.length - TCP);
  return checksum(frame.subarray(IP, TCP)) === 0 && checksum(frame.subarray(TCP), pseudo) === 0;
}

describe("the EEPROM", () => {
  const read = (address: number) => {
    driver.write(Register.EERD, (address << 8) | 1);
    return driver.read(Register.EERD);
  };

  it("holds the MAC address, the card's identity and a checksum", () => {
    expect(read(0)).toBe(0x5452_0010);
    expect([1, 2, 0x0d].map((address) => read(address) >>> 16)).toEqual([0x1200, 0x5634, 0x100e]);
    let sum = 0;
    for (let n = 0; n < 64; n++) sum += read(n) >>> 16;
    expect(sum & 0xffff).toBe(0xbaba);
  });

  it("is read bit by bit, too", () => {
    const wires = (value: number) => driver.write(Register.EECD, value);
    wires(0x40);
    expect(driver.read(Register.EECD) & 0x3c0).toBe(0x1c0);
    const clock = (bit: number) => {
      wires(0x42 | (bit << 2));
      wires(0x43 | (bit << 2));
      const out = (driver.read(Register.EECD) >>> 3) & 1;
      wires(0x42 | (bit << 2));
      return out;
    };
    for (const bit of [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]) clock(bit); // idle, read, address 1
    expect((driver.read(Register.EECD) >>> 3) & 1).toBe(0);
    let words = 0;
    for (let n = 0; n < 32; n++) words = words * 2 + clock(0);
    expect(words).toBe(0x1200_5634);
    wires(0x40);
    for (const bit of [1, 0, 1, 0, 0, 0, 0, 0, 1]) clock(bit); // a write is not understood
    expect(clock(0)).toBe(1);
  });

  it("gives the first receive address at each reset", () => {
    driver.write(Register.RAL, 0);
    driver.write(Register.CTRL, 0x0400_0000);
    expect([driver.read(Register.RAL), driver.read(Register.RAL + 4)]).toEqual([0x1200_5452, 0x8000_5634]);
  });
});

describe("the PHY", () => {
  const mdi = (operation: number, register: number, value = 0, address = 1) => {
    driver.write(Register.MDIC, ((operation << 26) | (address << 21) | (register << 16) | value) >>> 0);
    return driver.read(Register.MDIC);
  };

  it("is found where it is, and nowhere else", () => {
    expect([mdi(2, 2) & 0xffff, mdi(2, 3) & 0xffff]).toEqual([0x0141, 0x0c20]);
    expect([mdi(2, 1) >>> 28, mdi(2, 1, 0, 2) >>> 28]).toEqual([1, 5]);
  });

  it("has a link while there is a cable and power", () => {
    const state = () => [mdi(2, 1) & 4, driver.read(Register.STATUS) & 2];
    expect(state()).toEqual([4, 2]);
    driver.read(Register.ICR);
    driver.card.link = false;
    expect([...state(), driver.read(Register.ICR)]).toEqual([0, 0, 4]);
    driver.card.link = true;
    mdi(1, 0, 0x0800);
    expect(state()).toEqual([0, 0]);
    mdi(1, 0, 0x1340);
    expect(state()).toEqual([4, 2]);
    expect(mdi(2, 0) & 0xffff).toBe(0x1140);
  });

  it("interrupts at the end of a transfer if it was asked to", () => {
    driver.read(Register.ICR);
    driver.write(Register.MDIC, (0x2000_0000 | (2 << 26) | (1 << 21)) >>> 0);
    expect(driver.read(Register.ICR)).toBe(0x200);
  });
});

describe("registers", () => {
  it("are reached through I/O space, too", () => {
    driver.card.writeIo(0, 4, Register.VET);
    driver.card.writeIo(4, 4, 0x8100);
    expect([driver.read(Register.VET), driver.card.readIo(4, 4), driver.card.readIo(0, 4)]).toEqual([
      0x8100,
      0x8100,
      Register.VET,
    ]);
    expect(driver.card.readIo(0, 2)).toBe(0);
  });

  it("keep the bits that they have", () => {
    driver.write(Register.TDLEN, 0xffff_ffff);
    driver.write(0x0f00, 0xffff_ffff);
    expect([driver.read(Register.TDLEN), driver.read(0x0f00), driver.read(Register.PBA)]).toEqual([
      0xf_ff80, 0, 0x0010_0030,
    ]);
  });

  it("are as after power-on when the card was reset, and the network knows that its driver is gone", () => {
    expect(driver.seen).toBeDefined();
    driver.write(Register.CTRL, 0x0400_0000);
    expect([driver.read(Register.RCTL), driver.read(Register.TDBAL), driver.seen]).toEqual([0, 0, undefined]);
  });
});

describe("interrupts", () => {
  it("are driven for causes that are not masked, until they are read", () => {
    driver.write(Register.ICS, 0x14);
    expect(driver.interrupt).toBe(false);
    driver.write(Register.IMS, 0x10);
    expect([driver.interrupt, driver.read(Register.IMS)]).toEqual([true, 0x10]);
    expect([driver.read(Register.ICR), driver.interrupt, driver.read(Register.ICR)]).toEqual([0x14, false, 0]);
    driver.write(Register.ICS, 0x10);
    driver.write(Register.IMC, 0x10);
    expect(driver.interrupt).toBe(false);
  });

  it("are acknowledged by writing, too", () => {
    driver.write(Register.ICS, 0x14);
    driver.write(Register.ICR, 0x10);
    expect(driver.read(Register.ICR)).toBe(4);
  });

  it("keep the distance that the guest wants", () => {
    driver.write(Register.IMS, 0x10);
    driver.write(Register.ITR, 100);
    driver.write(Register.ICS, 0x10);
    expect(driver.interrupt).toBe(true);
    driver.read(Register.ICR);
    driver.write(Register.ICS, 0x10);
    driver.timer.pass(25_599);
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(1);
    expect(driver.interrupt).toBe(true);
  });

  it("wait for more packets as long as the guest says", () => {
    driver.start({ causes: 0x81 });
    driver.write(Register.RDTR, 10);
    driver.write(Register.RADV, 15);
    driver.give(4);
    driver.seen?.deliver([frameOf(100)]);
    driver.timer.pass(10_000);
    driver.seen?.deliver([frameOf(100)]);
    driver.timer.pass(5_000);
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(360); // 15 units of 1.024 us since the first
    expect([driver.interrupt, driver.read(Register.ICR) & 0x80]).toEqual([true, 0x80]);
    driver.write(Register.TIDV, 8);
    driver.legacy(frameOf(60), End | Fcs | Report | Command.Delay);
    driver.send();
    expect(driver.interrupt).toBe(false);
    driver.timer.pass(8192);
    expect([driver.interrupt, driver.read(Register.ICR) & 1]).toEqual([true, 1]);
    driver.seen?.deliver([frameOf(100)]);
    driver.write(Register.RDTR, 0x8000_000a);
    expect(driver.interrupt).toBe(true);
  });
});

describe("the transmitter", () => {
  it("sends frames of one descriptor and of several, and reports those that it was asked to", () => {
    const first = driver.legacy(frameOf(70));
    driver.legacy(frameOf(80), 0, DATA + 0x1000);
    driver.legacy(Uint8Array.of(1, 2, 3), End | Fcs, DATA + 0x2000);
    driver.read(Register.ICR);
    driver.send();
    expect(driver.frames).toEqual([frameOf(70), Uint8Array.of(...frameOf(80), 1, 2, 3)]);
    expect([driver.memory.load32(first + 12), driver.memory.load32(first + 28)]).toEqual([1, 0]);
    expect([driver.read(Register.TDH), driver.read(Register.ICR)]).toEqual([3, 3]);
    expect(driver.log).toEqual(["flush"]);
  });

  it("pads what is too short, takes a check sequence of the guest's off, and inserts a VLAN tag", () => {
    driver.write(Register.CTRL, 0x4000_0241);
    driver.write(Register.VET, 0x8100);
    driver.legacy(frameOf(20));
    driver.legacy(frameOf(74), End, DATA + 0x1000);
    const at = driver.legacy(frameOf(64), End | Fcs | Command.Vlan, DATA + 0x2000);
    driver.memory.store32(at + 12, 0x2005_0000);
    driver.send();
    const [short, own, tagged] = driver.frames;
    expect(short).toEqual(Uint8Array.of(...frameOf(20), ...new Array(40).fill(0)));
    expect(own).toEqual(frameOf(70));
    expect(tagged).toEqual(
      Uint8Array.of(...frameOf(64).subarray(0, 12), 0x81, 0, 0x20, 5, ...frameOf(64).subarray(12)),
    );
  });

  it("inserts a checksum where a legacy descriptor says", () => {
    const frame = tcpFrame(33);
    const at = driver.legacy(frame, End | Fcs | Command.Checksum, DATA, (TCP + 16) << 16);
    driver.memory.store32(at + 12, TCP << 8);
    driver.send();
    expect(areSumsRight(driver.frames[0] ?? frame)).toBe(true);
    driver.legacy(frame, End | Fcs | Command.Checksum, DATA, 255 << 16);
    driver.send();
    expect(driver.frames[1]).toEqual(frame);
  });

  it("inserts checksums as a context says", () => {
    const frame = tcpFrame(40);
    new DataView(frame.buffer).setUint16(IP + 10, 0xffff);
    driver.context(((TCP - 1) << 16) | ((IP + 10) << 8) | IP, ((TCP + 16) << 8) | TCP, 3);
    driver.data(frame.subarray(0, 50), 0, 3);
    driver.data(frame.subarray(50), End | Fcs, 0, DATA + 0x1000);
    driver.send();
    expect(areSumsRight(driver.frames[0] ?? frame)).toBe(true);
    driver.data(frame, End | Fcs, 0);
    driver.send();
    expect(driver.frames[1]).toEqual(frame);
  });

  it("sends the segments of a packet in as few frames as there can be", () => {
    const payload = 100_000;
    const frame = tcpFrame(payload);
    const view = new DataView(frame.buffer);
    view.setUint16(IP + 2, 0);
    view.setUint16(IP + 10, 0);
    view.setUint16(TCP + 16, pseudoHeaderSum(view.getUint32(26), view.getUint32(30), Protocol.Tcp, 0));
    const command = Fcs | Command.Segment;
    driver.context(((TCP - 1) << 16) | ((IP + 10) << 8) | IP, ((TCP + 16) << 8) | TCP, 7, HEADERS, 1460);
    driver.data(frame.subarray(0, 30), command, 3);
    driver.data(frame.subarray(30, 60_000), command, 0, DATA + 0x1000);
    driver.data(frame.subarray(60_000), End | command, 0, DATA + 0x2_0000);
    driver.send();
    const first = 44 * 1460; // as many whole segments as an IP packet holds
    const [one, two] = driver.frames as [Uint8Array, Uint8Array];
    expect(driver.frames.map(({ length }) => length)).toEqual([HEADERS + first, HEADERS + payload - first]);
    expect(driver.frames.map(areSumsRight)).toEqual([true, true]);
    const fieldsOf = (bytes: Uint8Array) => {
      const header = new DataView(bytes.buffer);
      return [header.getUint16(IP + 2), header.getUint16(IP + 4), header.getUint32(TCP + 4), header.getUint8(TCP + 13)];
    };
    expect(fieldsOf(one)).toEqual([40 + first, 0x1234, 0xffff_fff0, 0x10]);
    expect(fieldsOf(two)).toEqual([40 + payload - first, 0x1234 + 44, first - 0x10, 0x19]);
    expect([...one.subarray(HEADERS), ...two.subarray(HEADERS)]).toEqual([...frame.subarray(HEADERS)]);
    expect([driver.read(0x40d4), driver.read(0x40f8)]).toEqual([69, 1]);
  });

  it("tags every frame of a packet of segments as its first descriptor says", () => {
    driver.write(Register.CTRL, 0x4000_0241);
    driver.write(Register.VET, 0x8100);
    driver.context(0, 0, 7, HEADERS, 1460);
    const first = driver.data(tcpFrame(0), Command.Segment | Command.Vlan);
    driver.memory.store32(first + 12, 0x0007_0000);
    driver.data(new Uint8Array(80_000), End | Fcs | Command.Segment, 0, DATA + 0x1000);
    driver.send();
    expect(driver.frames.map((frame) => [...frame.subarray(12, 16)])).toEqual([
      [0x81, 0, 0, 7],
      [0x81, 0, 0, 7],
    ]);
  });

  it.each([
    ["outside RAM", 0x1000],
    ["that ends outside RAM", 0x803f_fff0],
    ["far away", 2 ** 63],
  ])("does not send what lies %s, and goes on", (_, address) => {
    driver.descriptor(address, ((End | Fcs | Report) << 24) | 60);
    driver.legacy(frameOf(60));
    driver.send();
    expect(driver.frames).toEqual([frameOf(60)]);
  });

  it("does not send what is longer than a frame can be", () => {
    driver.descriptor(DATA, 16_000);
    driver.descriptor(DATA, ((End | Fcs) << 24) | 289);
    driver.legacy(frameOf(60));
    driver.send();
    expect(driver.frames).toEqual([frameOf(60)]);
  });

  it.each([
    ["outside RAM", () => driver.write(Register.TDBAL, 0x1000)],
    ["that ends outside RAM", () => driver.write(Register.TDBAL, 0x803f_fff0)],
    ["without length", () => driver.write(Register.TDLEN, 0)],
    ["whose tail lies behind its end", () => driver.write(Register.TDT, RING_SIZE)],
    ["whose head lies behind its end", () => driver.write(Register.TDH, 0xffff)],
  ])("stands still with a ring %s, of which the host hears once", (_, spoil) => {
    spoil();
    driver.write(Register.TDT, driver.read(Register.TDT) || 1);
    driver.write(Register.TDT, driver.read(Register.TDT));
    expect([driver.frames, driver.failures.length]).toEqual([[], 1]);
    driver.start();
    driver.legacy(frameOf(60));
    driver.send();
    expect(driver.frames).toHaveLength(1);
  });

  it("lets the host have its turn while a guest sends without end", () => {
    const memory = driver.memory;
    driver.start({ descriptors: 4096 });
    for (let n = 0; n < 4096; n++) {
      memory.store64(DATA + 16 * n, DATA);
      memory.store32(DATA + 16 * n + 8, (((End | Fcs) << 24) | 16_000) >>> 0);
    }
    driver.write(Register.TDBAL, DATA);
    driver.write(Register.TDT, 4095);
    const sent = driver.frames.length;
    expect(sent).toBeLessThan(1100);
    driver.timer.pass(1);
    expect(driver.frames).toHaveLength(4095);
  });

  it("keeps half a packet over save and restore", () => {
    driver.legacy(frameOf(80), 0);
    driver.send();
    const other = new E1000TestDriver({}, driver.memory);
    other.card.restore(structuredClone(driver.card.save()));
    expect(other.card.save()).toEqual(driver.card.save());
    driver.legacy(Uint8Array.of(1, 2, 3), End | Fcs);
    other.write(Register.TDT, 2);
    expect(other.frames).toEqual([Uint8Array.of(...frameOf(80), 1, 2, 3)]);
  });

  it("loses what it sends while the cable is out", () => {
    driver.card.link = false;
    const at = driver.legacy(frameOf(60));
    driver.send();
    expect([driver.frames, driver.memory.load32(at + 12)]).toEqual([[], 1]);
  });
});

describe("the receiver", () => {
  it("puts a frame into buffers, padded, with its check sequence unless that is stripped", () => {
    driver.start({ receive: 0x8000 });
    driver.give(2);
    expect(driver.seen?.deliver([frameOf(30).subarray(0, 14), frameOf(30).subarray(14)])).toBe(true);
    const { length, status, bytes } = driver.received(0);
    expect([length, status & 3]).toEqual([64, 3]);
    expect(bytes.subarray(0, 60)).toEqual(Uint8Array.of(...frameOf(30), ...new Array(30).fill(0)));
    expect(new DataView(bytes.buffer).getUint32(60, true)).toBe(checkSequence(bytes, 60));
    driver.write(Register.RCTL, 0x0400_8002);
    driver.seen?.deliver([frameOf(61)]);
    expect(driver.received(1)).toMatchObject({ length: 61, bytes: frameOf(61) });
    expect([driver.read(Register.RDH), driver.read(Register.ICR) & 0x80]).toEqual([2, 0x80]);
  });

  it("knows the check sequence of IEEE 802.3", () => {
    expect(checkSequence(new TextEncoder().encode("123456789"), 9)).toBe(0xcbf4_3926);
    // A check sequence behind its bytes leaves the same rest, whatever they are.
    for (const length of [60, 61, 62, 63]) {
      for (const start of [0, 1]) {
        const bytes = frameOf(80).subarray(start, start + length + 4);
        new DataView(bytes.buffer, start).setUint32(length, checkSequence(bytes, length), true);
        expect(checkSequence(bytes, length + 4)).toBe(0x2144_df1c);
      }
    }
  });

  it("spreads a long frame over buffers", () => {
    driver.start({ receive: 0x0403_8020 }); // 256 bytes each, and long packets
    driver.give(4);
    driver.seen?.deliver([frameOf(600)]);
    const parts = [0, 1, 2].map((n) => driver.received(n));
    expect(parts.map(({ length, status }) => [length, status & 3])).toEqual([
      [256, 1],
      [256, 1],
      [88, 3],
    ]);
    expect(Uint8Array.of(...parts.flatMap(({ bytes }) => [...bytes]))).toEqual(frameOf(600));
    driver.seen?.deliver([frameOf(3000)]);
    expect(driver.read(Register.RDH)).toBe(3);
  });

  it("keeps a frame for later while there is no room, and tells when there is", () => {
    expect(driver.seen?.deliver([frameOf(60)])).toBe(false);
    driver.log.length = 0;
    driver.give(1);
    expect(driver.log).toEqual(["ready"]);
    expect(driver.seen?.deliver([frameOf(60)])).toBe(true);
  });

  it("keeps a frame for later while the machine has no memory for it", () => {
    driver.give(1);
    driver.memory.hasFrames = false;
    driver.log.length = 0;
    expect(driver.seen?.deliver([frameOf(60)])).toBe(false);
    expect(driver.log).toEqual([]);
    driver.memory.hasFrames = true;
    for (const retry of driver.memory.retries) retry();
    expect(driver.log).toEqual(["ready"]);
    expect(driver.seen?.deliver([frameOf(60)])).toBe(true);
  });

  it.each<[string, readonly number[], number, boolean]>([
    ["its own address", MAC, 0, true],
    ["another's", [0x52, 0x54, 0, 0x12, 0x34, 0x57], 0, false],
    ["another's, while it is promiscuous", [0x52, 0x54, 0, 0x12, 0x34, 0x57], 0x8, true],
    ["all", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0x8000, true],
    ["all, which it does not want", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0, false],
    ["a group", [1, 0, 0x5e, 0, 0, 1], 0, false],
    ["a group, as all of them", [1, 0, 0x5e, 0, 0, 1], 0x10, true],
    ["a group in its hash table", [1, 0, 0x5e, 0, 0x10, 2], 0, true],
    ["a group in its hash table, hashed otherwise", [1, 0, 0x5e, 0, 0x10, 2], 0x3000, false],
  ])("takes a frame to %s or not", (_, to, control, isTaken) => {
    driver.start({ receive: 0x0400_0000 | control });
    driver.write(Register.MTA + 4 * 1, 1 << 1); // hash 0x21: the upper twelve bits of 0x0210
    driver.give(1);
    expect(driver.seen?.deliver([frameOf(60, to)])).toBe(true);
    expect(driver.read(Register.RDH)).toBe(isTaken ? 1 : 0);
  });

  it("filters VLANs, and takes their tags off", () => {
    const frame = frameOf(70, MAC, 0x8100);
    frame.set([0x20, 5], 14);
    driver.start({ receive: 0x0404_0000 });
    driver.write(Register.VET, 0x8100);
    driver.give(3);
    driver.seen?.deliver([frame]);
    expect(driver.read(Register.RDH)).toBe(0);
    driver.write(Register.VFTA, 1 << 5);
    driver.seen?.deliver([frame]);
    expect(driver.received(0)).toMatchObject({ length: 70, bytes: frame });
    driver.write(Register.CTRL, 0x4000_0241);
    driver.seen?.deliver([frame]);
    const { status, special, bytes } = driver.received(1);
    expect([status & 8, special]).toEqual([8, 0x2005]);
    expect(bytes).toEqual(Uint8Array.of(...frame.subarray(0, 12), ...frame.subarray(16)));
  });

  it("does the checksum that its network has left, and says what it has checked", () => {
    driver.write(Register.RXCSUM, 0x30e);
    driver.give(3);
    driver.seen?.deliver([tcpFrame(100)], { checksumStart: TCP, checksumOffset: 16, segmentSize: 0 });
    const { status, bytes, sum } = driver.received(0);
    expect([status & 0x6464, areSumsRight(bytes), sum]).toEqual([0x60, true, checksum(bytes.subarray(14))]);
    const broken = tcpFrame(100, { whole: true });
    broken[HEADERS] = ~(broken[HEADERS] ?? 0);
    driver.seen?.deliver([broken]);
    expect(driver.received(1).status & 0x6464).toBe(0x2060);
    driver.seen?.deliver([frameOf(60)]);
    expect(driver.received(2).status & 0x64).toBe(0);
  });

  it("says that data are bad where their buffer is no RAM", () => {
    driver.give(1, 0x1000);
    driver.seen?.deliver([frameOf(60)]);
    expect(driver.received(0).status & 0x8003).toBe(0x8003);
  });

  it("loses frames while its ring cannot be used", () => {
    driver.write(Register.RDBAL, 0x1000);
    driver.give(1, DATA);
    expect([driver.seen?.deliver([frameOf(60)]), driver.failures.length]).toEqual([true, 1]);
  });

  it("tells of few buffers and of small packets", () => {
    driver.write(Register.RSRPD, 100);
    driver.give(5);
    driver.read(Register.ICR);
    driver.seen?.deliver([frameOf(200)]);
    expect(driver.read(Register.ICR)).toBe(0x90); // half of the ring is left
    driver.seen?.deliver([frameOf(100)]);
    expect(driver.read(Register.ICR)).toBe(0x1_0080);
  });
});

it("counts packets and bytes, and forgets what was read", () => {
  driver.give(2);
  driver.seen?.deliver([frameOf(60)]);
  driver.seen?.deliver([frameOf(1514, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])]);
  driver.legacy(frameOf(100));
  driver.send();
  const received = [0x40d0, 0x4074, 0x4078, 0x405c, 0x4070, 0x40c0, 0x40c4].map((at) => driver.read(at));
  expect(received).toEqual([2, 2, 1, 1, 1, 64 + 1518, 0]);
  expect([driver.read(0x40d0), driver.read(0x40c0), driver.read(0x40d4), driver.read(0x40dc)]).toEqual([0, 0, 1, 1]);
});

it("goes on after save and restore", () => {
  driver.give(2);
  driver.write(Register.IMS, 0x80);
  driver.card.link = false;
  const saved = structuredClone(driver.card.save());
  driver.card.reset();
  driver.card.link = true;
  driver.card.restore(saved);
  expect([driver.card.save(), driver.card.link, driver.seen !== undefined]).toEqual([saved, false, true]);
  driver.card.link = true;
  driver.seen?.deliver([frameOf(60)]);
  expect([driver.interrupt, driver.received(0).length]).toEqual([true, 60]);
  expect(() => new E1000TestDriver({ mac: "52:54:00:12:34:57" }).card.restore(saved)).toThrow(/MAC address/);
});

it("begins nothing while it is quiesced", async () => {
  await driver.card.quiesce();
  driver.give(1);
  driver.legacy(frameOf(60));
  driver.send();
  expect([driver.seen?.deliver([frameOf(60)]), driver.frames]).toEqual([false, []]);
  driver.card.resume();
  expect([driver.frames.length, driver.log.includes("ready")]).toEqual([1, true]);
});

it("lets no more pass than its rate", async () => {
  driver = new E1000TestDriver({ rateLimit: { fromGuest: 1000 } }).start();
  for (let n = 0; n < 3; n++) driver.legacy(frameOf(300));
  driver.send();
  expect(driver.frames).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 900));
  expect(driver.frames).toHaveLength(3);
});

it.each(["52:54:00", "53:54:00:12:34:56"])("cannot have the address %s", (mac) => {
  expect(() => new E1000TestDriver({ mac })).toThrow(/no MAC address/);
});

it("has rings where the test thinks they are", () => {
  expect([driver.read(Register.TDBAL), driver.read(Register.RDBAL)]).toEqual([TRANSMIT_RING, RECEIVE_RING]);
});
