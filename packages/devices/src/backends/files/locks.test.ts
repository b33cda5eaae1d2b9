import { beforeEach, describe, expect, it } from "vitest";
import { type FileLock, LockHolder } from "./locks.js";
import { MemoryTree } from "./memory-tree.js";
import type { FileNode } from "./tree.js";

let node: FileNode;
beforeEach(() => {
  node = new MemoryTree().root;
});

const range = (start: number, end: number, isExclusive = true, owner = "1"): FileLock => ({
  start,
  end,
  isExclusive,
  owner,
});

describe("who waits for a lock", () => {
  it("has it when the last that is in the way is given up", async () => {
    const [one, other] = [new LockHolder(), new LockHolder()];
    one.take(node, range(0, 10));
    one.take(node, range(20, 30));
    const order: string[] = [];
    const waited = Promise.resolve(other.takeLater(node, range(0, 30), 1)).then((isTaken) => order.push(`${isTaken}`));
    one.release(node, range(0, 10));
    await Promise.resolve();
    order.push("half");
    one.release(node, range(20, 30));
    await waited;
    expect(order).toEqual(["half", "true"]);
    expect(one.take(node, range(5, 6))).toBe(false);
    other.end();
  });

  it("has it when the other makes do with less, or is gone", async () => {
    const [one, other] = [new LockHolder(), new LockHolder()];
    one.take(node, range(0, 10));
    const shared = other.takeLater(node, range(0, 10, false), 1);
    one.take(node, range(0, 10, false));
    expect(await shared).toBe(true);
    const alone = other.takeLater(node, range(0, 10), 2);
    one.end();
    expect(await alone).toBe(true);
    other.end();
  });

  it("is served in turn, where one is in the way of the next", async () => {
    const [one, first, second] = [new LockHolder(), new LockHolder(), new LockHolder()];
    one.take(node, range(0, 10));
    const waits = [first.takeLater(node, range(0, 10), 1), second.takeLater(node, range(0, 10), 1)];
    one.release(node, range(0, 10));
    expect(await waits[0]).toBe(true);
    expect(second.take(node, range(0, 10))).toBe(false);
    first.release(node, range(0, 10));
    expect(await waits[1]).toBe(true);
    second.end();
  });

  it("goes without when told so, or when its session ends", async () => {
    const [one, other] = [new LockHolder(), new LockHolder()];
    one.take(node, range(0, 10));
    const [first, second] = [other.takeLater(node, range(0, 10), 1), other.takeLater(node, range(0, 10), 2)];
    other.endWaits(1);
    expect(await first).toBe(false);
    other.end();
    expect(await second).toBe(false);
    one.release(node, range(0, 10));
    expect(one.take(node, range(0, 10))).toBe(true);
    one.end();
  });

  it("does not wait where 32 of its guest do", () => {
    const [one, other] = [new LockHolder(), new LockHolder()];
    one.take(node, range(0, 10));
    const waits = Array.from({ length: 33 }, (_, n) => other.takeLater(node, range(0, 10), n));
    expect(waits.filter((wait) => wait instanceof Promise).length).toBe(32);
    expect(waits[32]).toBe(false);
    one.end();
    other.end();
  });
});
