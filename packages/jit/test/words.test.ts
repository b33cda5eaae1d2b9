/** Which words are extended again though they are already. */
import { expect, it } from "vitest";
import { wordCopies } from "../src/lower/words.js";
import { grow } from "./grow.js";

/** The offsets of the copies in the block with which a program begins. */
function copies(source: string): number[] {
  return [...wordCopies(grow(`${source}\nret`).blocks.get(0)?.instructions ?? [])];
}

it.each([
  "lw a0, 0(a1)",
  "lbu a0, 0(a1)",
  "lhu a0, 0(a1)",
  "addw a0, a1, a2",
  "srliw a0, a1, 3",
  "lui a0, 0x80000",
  "sltu a0, a1, a2",
  "slti a0, a1, 7",
  "mulw a0, a1, a2",
])("%s leaves a word", (line) => {
  expect(copies(`${line}\naddiw a0, a0, 0`)).toEqual([4]);
});

it.each([
  "ld a0, 0(a1)",
  "lwu a0, 0(a1)",
  "add a0, a1, a2",
  "addi a0, a1, 1",
  "srli a0, a1, 1",
  "xor a0, a1, a2",
  "auipc a0, 0",
])("%s may leave something else", (line) => {
  expect(copies(`${line}\naddiw a0, a0, 0`)).toEqual([]);
});

it.each(["and", "or", "xor"])("%s of two words is one", (operation) => {
  expect(copies(`lw a0, 0(a1)\nsrliw a2, a3, 1\n${operation} a0, a0, a2\naddiw a0, a0, 0`)).toEqual([12]);
});

it("a register is what it was set to last", () => {
  expect(copies("lw a0, 0(a1)\nadd a0, a0, a1\naddiw a0, a0, 0")).toEqual([]);
});

it("a copy is a word that is copied again", () => {
  expect(copies("lw a0, 0(a1)\naddiw a2, a0, 0\naddiw a3, a2, 0")).toEqual([4, 8]);
});

it("addiw that adds something extends anew", () => {
  expect(copies("lw a0, 0(a1)\naddiw a0, a0, 1")).toEqual([]);
});
