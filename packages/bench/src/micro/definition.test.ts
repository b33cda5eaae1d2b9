import { TECHNIQUES } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { type BenchmarkDefinition, defineBenchmark } from "./definition.js";

const definition: BenchmarkDefinition = {
  name: "mine",
  group: "Mine",
  title: "A thing of mine",
  explanation: "It does something.",
  guest: { elf: "mine.elf" },
  operations: 100,
};

describe("defineBenchmark", () => {
  it("runs a benchmark under every technique, unless told otherwise", () => {
    expect(defineBenchmark(definition)).toMatchObject({ techniques: TECHNIQUES, engines: ["interpreter", "auto"] });
    expect(defineBenchmark({ ...definition, techniques: ["direct"] }).techniques).toEqual(["direct"]);
  });

  it("takes what it has made before", () => {
    const benchmark = defineBenchmark(definition);
    expect(defineBenchmark(benchmark)).toEqual(benchmark);
  });

  it.each([
    ["a name with spaces", { name: "my benchmark" }, /^benchmark my benchmark: a name is/],
    ["no title", { title: "" }, "benchmark mine: it has no title"],
    ["no explanation", { explanation: undefined }, "benchmark mine: it has no explanation"],
    ["no operations", { operations: 0 }, /operations: 0: give a whole number above 0/],
    ["half an operation", { operations: 0.5 }, /operations: 0.5/],
    ["no guest", { guest: undefined }, /guest: give/],
    ["an argument of two words", { guest: { elf: "x", arguments: ["a b"] } }, /"a b" is no word/],
    ["an unknown technique", { techniques: ["magic"] }, /technique magic: give some of direct, trap-and-emulate/],
    ["an unknown engine", { engines: ["steam"] }, /engine steam: give some of interpreter, jit, auto/],
    ["a command that is a string", { guest: { command: "ls" } }, /give a function/],
  ])("refuses %s", (_, wrong, message) => {
    expect(() => defineBenchmark({ ...definition, ...wrong } as BenchmarkDefinition)).toThrow(message);
  });

  it.each([undefined, null, 3])("refuses %s", (value) => {
    expect(() => defineBenchmark(value as never)).toThrow(`${value} is no definition of a benchmark`);
  });
});
