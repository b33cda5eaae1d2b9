import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { DescriptorChain } from "./descriptor-chain.js";
import { RequestLoop } from "./request-loop.js";
import type { SplitQueue } from "./split-queue.js";

let now = 0;
let taken = 0;
/** A queue that never ends. */
const queue = {
  index: 0,
  pop: () => ({}) as DescriptorChain,
  unpop: () => {},
  askForNotification: () => {},
  publish: () => {},
};
/** Each request takes 3 ms. */
const loop = () => {
  const requests = new RequestLoop(() => {
    taken++;
    now += 3;
  });
  requests.activate([queue as unknown as SplitQueue]);
  return requests;
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(performance, "now").mockImplementation(() => now);
  taken = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it("lets the host have its turn after 8 ms, and goes on", () => {
  loop().notify(0);
  expect(taken).toBe(3);
  vi.advanceTimersToNextTimer();
  expect(taken).toBe(6);
});

it("does no more for a guest that rings again and again meanwhile", () => {
  const requests = loop();
  for (let n = 0; n < 100; n++) requests.notify(0);
  expect([taken, vi.getTimerCount()]).toEqual([3, 1]);
  vi.advanceTimersToNextTimer();
  expect([taken, vi.getTimerCount()]).toEqual([6, 1]);
});

it("does not go on after a reset, nor twice as often for one", () => {
  const requests = loop();
  for (let n = 0; n < 10; n++) {
    requests.notify(0);
    requests.reset();
    requests.activate([queue as unknown as SplitQueue]);
  }
  expect(taken).toBe(30);
  vi.advanceTimersByTime(1);
  expect([taken, vi.getTimerCount()]).toEqual([30, 0]);
});
