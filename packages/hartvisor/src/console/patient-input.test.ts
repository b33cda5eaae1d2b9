import { beforeEach, describe, expect, it } from "vitest";
import { PatientInput } from "./patient-input.js";

const bytes = Uint8Array.of(1, 2, 3);

describe("PatientInput", () => {
  let uart: { isListening: boolean; taken: number; receive(bytes: Uint8Array): number };
  let waiting: (() => void)[];
  let pumped: number;
  let input: PatientInput;

  const aMomentLater = () => {
    for (const callback of waiting.splice(0)) callback();
  };

  beforeEach(() => {
    uart = {
      isListening: false,
      taken: 0,
      receive(given) {
        this.taken += given.length;
        return given.length;
      },
    };
    waiting = [];
    pumped = 0;
    input = new PatientInput(
      uart,
      (callback) => waiting.push(callback),
      () => pumped++,
    );
  });

  it("holds input back while nobody listens", () => {
    expect(input.receive(bytes)).toBe(0);
    expect(uart.taken).toBe(0);
  });

  it("gives it once the guest has listened for a moment", () => {
    uart.isListening = true;
    input.becameReady();
    expect(pumped).toBe(0);
    aMomentLater();
    expect(pumped).toBe(1);
    expect(input.receive(bytes)).toBe(3);
  });

  it("is not taken in by a driver that probes the interrupt enables", () => {
    uart.isListening = true;
    input.becameReady();
    uart.isListening = false;
    aMomentLater();
    expect(pumped).toBe(0);
    expect(input.receive(bytes)).toBe(0);
  });

  it("holds back again after the guest closed the port", () => {
    uart.isListening = true;
    input.becameReady();
    aMomentLater();
    uart.isListening = false;
    expect(input.receive(bytes)).toBe(0);
    uart.isListening = true;
    expect(input.receive(bytes)).toBe(0);
    aMomentLater();
    expect(input.receive(bytes)).toBe(3);
  });
});
