import { describe, expect, it } from "vitest";
import { measureHostFunction } from "./host-functions.js";

describe("measureHostFunction", () => {
  it("says how long a call takes, over many of them, and gives back what was needed", async () => {
    let [calls, closed] = [0, false];
    const figures = await measureHostFunction({
      host: async () => ({
        call: () => calls++,
        close: async () => {
          closed = true;
        },
      }),
    });
    expect(figures.ns?.median).toBeGreaterThan(0);
    expect(calls).toBeGreaterThan(figures.operations);
    expect(closed).toBe(true);
  });

  it("waits for what is over later", async () => {
    const call = () => new Promise((resolve) => setTimeout(resolve, 20));
    const { ns } = await measureHostFunction({ host: async () => ({ call, isAsync: true }) });
    expect(ns?.median).toBeGreaterThan(15e6);
  });

  it("throws what the function throws", async () => {
    const call = () => {
      throw new Error("not today");
    };
    await expect(measureHostFunction({ host: async () => ({ call }) })).rejects.toThrow("not today");
  });
});
