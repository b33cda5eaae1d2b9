import { describe, expect, it } from "vitest";
import { EscapeKeys } from "./escape-keys.js";

const split = (...pieces: string[]) => {
  const keys = new EscapeKeys();
  const results = pieces.map((piece) => keys.split(new TextEncoder().encode(piece)));
  return {
    guest: results.map(({ bytes }) => new TextDecoder().decode(bytes)).join(""),
    commands: results.flatMap(({ commands }) => commands),
  };
};

describe("EscapeKeys", () => {
  it("leaves to the guest what does not follow Ctrl-A", () => {
    expect(split("xh\x03\x1b[A ü")).toEqual({ guest: "xh\x03\x1b[A ü", commands: [] });
  });

  it("finds commands between other input, and in two pieces", () => {
    expect(split("a\x01hb\x01", "xc")).toEqual({ guest: "abc", commands: ["help", "quit"] });
  });

  it("sends Ctrl-A for Ctrl-A Ctrl-A and for Ctrl-A a", () => {
    expect(split("\x01\x01x\x01ah")).toEqual({ guest: "\x01x\x01h", commands: [] });
  });

  it("drops any other key after Ctrl-A", () => {
    expect(split("\x01qx")).toEqual({ guest: "x", commands: [] });
  });
});
