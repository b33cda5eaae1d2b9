import { HartvisorError } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { Uart16550 } from "./device.js";

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

let line: boolean;
let sent: number[];
let readyCalls: number;
let uart: Uart16550;

function makeUart(): Uart16550 {
  return new Uart16550({
    output: (byte) => sent.push(byte),
    interrupt: {
      set: (level) => {
        line = level;
      },
    },
    onReceiveReady: () => {
      readyCalls++;
    },
  });
}

beforeEach(() => {
  line = false;
  sent = [];
  readyCalls = 0;
  uart = makeUart();
});

const read = (register: number) => uart.read(register, 1);
const write = (register: number, value: number) => uart.write(register, 1, value);
const bytes = (count: number) => Uint8Array.from({ length: count }, (_, index) => index + 1);

describe("transmitting", () => {
  it("sends a byte at once and is always ready for the next", () => {
    write(THR, 0x41);
    write(THR, 0x42);
    expect(sent).toEqual([0x41, 0x42]);
    expect(read(LSR)).toBe(0x60);
  });

  it("raises the interrupt when enabled, once more after each byte, and clears it when IIR is read", () => {
    write(IER, 0x02);
    expect(line).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(line).toBe(false);
    expect(read(IIR)).toBe(0x01);
    write(THR, 0x41);
    expect(line).toBe(true);
  });

  it("raises it again when it is disabled and enabled, as drivers test for", () => {
    write(IER, 0x02);
    read(IIR);
    write(IER, 0x00);
    write(IER, 0x02);
    expect(read(IIR)).toBe(0x02);
  });

  it("drops it when it is disabled", () => {
    write(IER, 0x02);
    write(IER, 0x00);
    expect(line).toBe(false);
    expect(read(IIR)).toBe(0x01);
  });

  it("sends the low byte of a wide access", () => {
    uart.write(THR, 4, 0x1234_5641);
    expect(sent).toEqual([0x41]);
  });
});

describe("listening", () => {
  it("begins with the interrupt for received data, and says so", () => {
    expect(uart.isListening).toBe(false);
    write(IER, 0x01);
    expect(uart.isListening).toBe(true);
    expect(readyCalls).toBe(1);
    write(IER, 0x00);
    expect(uart.isListening).toBe(false);
  });

  it("begins when the guest polls the line status without transmitting", () => {
    for (let n = 0; n < 15; n++) read(LSR);
    expect(uart.isListening).toBe(false);
    read(LSR);
    expect(uart.isListening).toBe(true);
    expect(readyCalls).toBe(1);
  });

  it("is not what a guest does that looks before it transmits", () => {
    for (let n = 0; n < 100; n++) {
      read(LSR);
      write(THR, 0x41);
    }
    expect(uart.isListening).toBe(false);
  });
});

describe("receiving", () => {
  it("holds one byte without the FIFO and takes no more", () => {
    expect(uart.receive(bytes(3))).toBe(1);
    expect(uart.receive(bytes(3))).toBe(0);
    expect(read(LSR) & 0x01).toBe(0x01);
    expect(read(RBR)).toBe(1);
    expect(read(LSR) & 0x01).toBe(0);
  });

  it("holds sixteen bytes with the FIFO and gives them in order", () => {
    write(FCR, 0x01);
    expect(uart.receive(bytes(20))).toBe(16);
    expect(Array.from({ length: 16 }, () => read(RBR))).toEqual([...bytes(16)]);
    expect(read(LSR) & 0x01).toBe(0);
    expect(read(RBR)).toBe(0);
  });

  it("tells the host once when room appears in a full FIFO", () => {
    write(FCR, 0x01);
    uart.receive(bytes(16));
    read(RBR);
    read(RBR);
    expect(readyCalls).toBe(1);
  });

  it("lets the host refill from within that call", () => {
    const rest = [...bytes(40)];
    uart = new Uart16550({
      output: () => {},
      interrupt: { set: () => {} },
      onReceiveReady: () => rest.splice(0, uart.receive(Uint8Array.from(rest))),
    });
    write(FCR, 0x01);
    rest.splice(0, uart.receive(Uint8Array.from(rest)));
    expect(Array.from({ length: 40 }, () => read(RBR))).toEqual([...bytes(40)]);
  });

  it.each([
    [0x00, 1],
    [0x40, 4],
    [0x80, 8],
    [0xc0, 14],
  ])(
    "with FCR %#x identifies a timeout below the trigger level of %i bytes and data from there on",
    (level, trigger) => {
      write(FCR, 0x01 | level);
      write(IER, 0x01);
      if (trigger > 1) {
        uart.receive(bytes(trigger - 1));
        expect(line).toBe(true);
        expect(read(IIR)).toBe(0xcc);
      }
      uart.receive(bytes(1));
      expect(read(IIR)).toBe(0xc4);
      while (read(LSR) & 0x01) read(RBR);
      expect(line).toBe(false);
      expect(read(IIR)).toBe(0xc1);
    },
  );

  it("raises no interrupt for data unless enabled", () => {
    uart.receive(bytes(1));
    expect(line).toBe(false);
    write(IER, 0x01);
    expect(line).toBe(true);
  });

  it("drops the FIFO's bytes when the guest clears it, and tells the host", () => {
    write(FCR, 0x01);
    uart.receive(bytes(16));
    write(FCR, 0x03);
    expect(read(LSR) & 0x01).toBe(0);
    expect(readyCalls).toBe(1);
  });

  it("drops the FIFO's bytes when the FIFO is switched on or off", () => {
    uart.receive(bytes(1));
    write(FCR, 0x01);
    expect(read(LSR) & 0x01).toBe(0);
    uart.receive(bytes(5));
    write(FCR, 0x00);
    expect(read(LSR) & 0x01).toBe(0);
    expect(read(IIR)).toBe(0x01);
  });

  it("ignores the trigger level and clear bits while FCR's enable bit is not written", () => {
    uart.receive(bytes(1));
    write(FCR, 0xc2);
    expect(read(LSR) & 0x01).toBe(1);
    expect(uart.save().fcr).toBe(0);
  });
});

describe("interrupt priority", () => {
  it("reports line status before data before the transmitter before the modem", () => {
    write(FCR, 0x01);
    write(MCR, 0x10);
    for (const byte of bytes(17)) write(THR, byte);
    write(IER, 0x0f);
    expect(read(IIR)).toBe(0xc6);
    expect(read(LSR)).toBe(0x63);
    expect(read(IIR)).toBe(0xc4);
    write(FCR, 0x03);
    expect(read(IIR)).toBe(0xc2);
    expect(read(IIR)).toBe(0xc0);
    expect(line).toBe(true);
    read(MSR);
    expect(read(IIR)).toBe(0xc1);
    expect(line).toBe(false);
  });
});

describe("loopback", () => {
  it("shows RTS and OUT2 as CTS and DCD, as 8250 drivers probe", () => {
    write(MCR, 0x1a);
    expect(read(MSR) & 0xf0).toBe(0x90);
    write(MCR, 0x15);
    expect(read(MSR) & 0xf0).toBe(0x60);
    write(MCR, 0x08);
    expect(read(MSR) & 0xf0).toBe(0xb0);
  });

  it("notes which modem inputs changed until MSR is read", () => {
    write(MCR, 0x1f);
    expect(read(MSR)).toBe(0xf0);
    write(MCR, 0x10);
    expect(read(MSR)).toBe(0x0f);
    expect(read(MSR)).toBe(0x00);
  });

  it("feeds sent bytes to the receiver instead of the host", () => {
    write(MCR, 0x10);
    write(THR, 0x55);
    expect(sent).toEqual([]);
    expect(read(RBR)).toBe(0x55);
  });

  it("loses the newest byte of a full FIFO and sets overrun until LSR is read", () => {
    write(FCR, 0x01);
    write(MCR, 0x10);
    for (const byte of bytes(17)) write(THR, byte);
    expect(read(LSR) & 0x02).toBe(0x02);
    expect(read(LSR) & 0x02).toBe(0);
    expect(Array.from({ length: 16 }, () => read(RBR))).toEqual([...bytes(16)]);
  });

  it("overwrites the one byte without a FIFO and sets overrun", () => {
    write(MCR, 0x10);
    write(THR, 1);
    write(THR, 2);
    expect(read(LSR) & 0x03).toBe(0x03);
    expect(read(RBR)).toBe(2);
  });

  it("takes no input from the host until it ends", () => {
    write(MCR, 0x10);
    expect(uart.receive(bytes(1))).toBe(0);
    write(MCR, 0x00);
    expect(readyCalls).toBe(1);
    expect(uart.receive(bytes(1))).toBe(1);
  });
});

describe("probing", () => {
  it("keeps four bits of IER", () => {
    write(IER, 0xff);
    expect(read(IER)).toBe(0x0f);
  });

  it("shows the FIFO bits of a 16550A in IIR, and no 16750's", () => {
    write(FCR, 0x21);
    expect(read(IIR) >> 5).toBe(6);
    expect(read(IIR) >> 6).toBe(3);
  });

  it("has a divisor latch behind DLAB", () => {
    write(LCR, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1), read(LCR)]).toEqual([0x34, 0x12, 0x83]);
    write(LCR, 0x03);
    expect([read(1), sent]).toEqual([0, []]);
  });

  it("keeps the scratch register and five bits of MCR", () => {
    write(SCR, 0xa5);
    write(MCR, 0xef);
    expect([read(SCR), read(MCR)]).toEqual([0xa5, 0x0f]);
  });

  it("reads zero beyond its registers and ignores writes there and to LSR and MSR", () => {
    for (const offset of [LSR, MSR, 8, 0x41, 0xff]) uart.write(offset, 4, 0xffff_ffff);
    expect([8, 0x41, 0xff].map((offset) => uart.read(offset, 4))).toEqual([0, 0, 0]);
    expect([read(LSR), read(MSR), sent]).toEqual([0x60, 0xb0, []]);
  });
});

describe("lifecycle", () => {
  it("returns to the power-on state at reset", () => {
    const fresh = uart.save();
    write(FCR, 0xc1);
    write(IER, 0x0f);
    write(LCR, 0x80);
    write(0, 0xff);
    uart.receive(bytes(16));
    readyCalls = 0;
    uart.reset();
    expect(uart.save()).toEqual(fresh);
    expect(line).toBe(false);
    expect(readyCalls).toBe(1);
  });

  it("goes on after save and restore as if nothing had happened", () => {
    write(FCR, 0x81);
    write(MCR, 0x1b);
    for (const byte of bytes(17)) write(THR, byte);
    write(IER, 0x07);
    write(SCR, 0x77);
    const saved = structuredClone(uart.save());
    const original = [IIR, LSR, IIR, MSR, RBR, IIR, SCR, IER, MCR].map(read);
    line = false;
    uart = makeUart();
    uart.restore(saved);
    expect(uart.save()).toEqual(saved);
    expect(line).toBe(true);
    expect([IIR, LSR, IIR, MSR, RBR, IIR, SCR, IER, MCR].map(read)).toEqual(original);
  });

  it("is not changed by later reads of a state it saved", () => {
    uart.receive(bytes(1));
    const saved = uart.save();
    read(RBR);
    expect(saved.received).toEqual(bytes(1));
  });

  it.each([
    ["no object", null],
    ["another version", { version: 2 }],
    ["a missing field", { scr: undefined }],
    ["a field too many", { extra: 1 }],
    ["bits IER does not have", { ier: 0x10 }],
    ["bits FCR does not keep", { fcr: 0x03 }],
    ["FCR bits without the FIFO", { fcr: 0xc0 }],
    ["a fraction", { lcr: 0.5 }],
    ["a negative number", { mcr: -1 }],
    ["a divisor over 16 bits", { divisor: 0x10000 }],
    ["a number for a boolean", { overrun: 1 }],
    ["more bytes than the FIFO holds", { received: new Uint8Array(17) }],
    ["two bytes without a FIFO", { received: new Uint8Array(2), fcr: 0 }],
    ["a plain array", { received: [1] }],
  ])("refuses to restore %s, and stays as it was", (_, change) => {
    write(FCR, 0x01);
    write(SCR, 1);
    const before = uart.save();
    const state = change && { ...before, ...change };
    expect(() => uart.restore(state as typeof before)).toThrow(HartvisorError);
    expect(uart.save()).toEqual(before);
  });

  it("describes itself as QEMU does", () => {
    const context = { hartCount: 1, phandle: (label: string) => (label === "plic" ? 5 : 0) };
    expect(uart.deviceTree(context)).toEqual([
      {
        name: "serial@10000000",
        properties: {
          compatible: "ns16550a",
          reg: [0x1000_0000n, 0x100n],
          "clock-frequency": 3686400,
          "interrupt-parent": 5,
          interrupts: 10,
        },
      },
    ]);
  });
});
