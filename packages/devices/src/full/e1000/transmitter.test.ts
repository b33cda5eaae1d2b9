import { beforeEach, describe, expect, it } from "vitest";
import { Protocol, pseudoHeaderSum } from "../../backends/nat/packet.js";
import { Register } from "./registers.js";
import {
  areSumsRight,
  Command,
  DATA,
  E1000TestDriver,
  frameOf,
  HEADERS,
  IP,
  RING_SIZE,
  TCP,
  tcpFrame,
} from "./test-driver.js";

const { End, Fcs, Report } = Command;

let driver: E1000TestDriver;

beforeEach(() => {
  driver = new E1000TestDriver().start();
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
