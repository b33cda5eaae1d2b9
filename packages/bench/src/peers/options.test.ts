import { describe, expect, it } from "vitest";
import { parseOptions } from "./options.js";

const names = (...args: string[]) => parseOptions(args).programs.map(({ name }) => name);

describe("parseOptions", () => {
  it("takes every program, QEMU and five rounds by default", () => {
    const { peers, rounds, engine, boot, programs } = parseOptions([]);
    expect({ peers, rounds, engine, boot }).toEqual({ peers: ["qemu"], rounds: 5, engine: "auto", boot: true });
    expect(programs.length).toBeGreaterThan(20);
  });

  it("takes a whole name for that program alone", () => expect(names("--filter", "lu")).toEqual(["lu"]));
  it("takes a part of names", () => expect(names("--filter", "chase")).toEqual(["chase-small", "chase-large"]));
  it("takes the beginning of a group", () => {
    expect(names("--filter", "floating,crc")).toEqual(["crc", "nbody", "mandelbrot", "lu", "fft"]);
  });
  it("takes the boot by its name", () => expect(parseOptions(["--filter", "boot"]).boot).toBe(true));

  it.each([
    [["--engine", "steam"], "--engine steam: give one of interpreter, jit, auto"],
    [["--rounds", "0"], "--rounds 0: give a whole number above 0"],
    [["--peer", "bochs"], "--peer bochs: give one or more of qemu,v86"],
    [["--filter", "zzz"], "--filter zzz: no program of that name or group"],
    [["--fast"], "bench:peers [--peer"],
  ])("refuses %j", (args, message) => expect(() => parseOptions(args)).toThrow(message));
});
