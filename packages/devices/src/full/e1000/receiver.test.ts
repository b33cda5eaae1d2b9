import { beforeEach, describe, expect, it } from "vitest";
import { checksum } from "../../backends/nat/packet.js";
import { checkSequence } from "./frame.js";
import { Register } from "./registers.js";
import { areSumsRight, DATA, E1000TestDriver, frameOf, HEADERS, MAC, TCP, tcpFrame } from "./test-driver.js";

let driver: E1000TestDriver;

beforeEach(() => {
  driver = new E1000TestDriver().start();
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
