import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HttpClient, type HttpRequest } from "./http-client.js";

const SILENT = "http://x/silent";
const RIGHT = "http://x/right";
let asked: string[];
let client: HttpClient;

/** A server that answers one of two requests. */
async function get(url: string, { signal }: HttpRequest): Promise<Response> {
  asked.push(url);
  if (url === SILENT) {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }
  return new Response("ok", { status: 206, headers: { "content-range": "bytes 0-1/2" } });
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  client = new HttpClient({ fetch: get, timeoutMs: 1000 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Asks for something; what became of it, when it has. */
function ask(url: string): { outcome?: string } {
  const request: { outcome?: string } = {};
  client.range(url, 0, 1).then(
    ({ bytes }) => {
      request.outcome = new TextDecoder().decode(bytes);
    },
    (error: Error) => {
      request.outcome = error.message;
    },
  );
  return request;
}

const silence = `cannot read ${SILENT}: its server has sent nothing for 1 s`;

describe("a client of a server that sends nothing", () => {
  it("makes eight requests at once, and gives up all that wait", async () => {
    const requests = Array.from({ length: 20 }, () => ask(SILENT));
    await vi.advanceTimersByTimeAsync(999);
    expect(requests.map(({ outcome }) => outcome)).toEqual(requests.map(() => undefined));
    await vi.advanceTimersByTimeAsync(1);
    expect(requests.map(({ outcome }) => outcome)).toEqual(requests.map(() => silence));
    expect(asked.length).toBe(8);
  });

  it("gives up one request that gets nothing while others do", async () => {
    const stuck = ask(SILENT);
    for (let n = 0; n < 9; n++) {
      await vi.advanceTimersByTimeAsync(100);
      const other = ask(RIGHT);
      await vi.advanceTimersByTimeAsync(0);
      expect([stuck.outcome, other.outcome]).toEqual([undefined, "ok"]);
    }
    const waiting = ask(SILENT);
    await vi.advanceTimersByTimeAsync(100);
    expect([stuck.outcome, waiting.outcome]).toEqual([silence, undefined]);
  });

  it("makes requests as before when that is over", async () => {
    for (let n = 0; n < 20; n++) ask(SILENT);
    await vi.advanceTimersByTimeAsync(1000);
    const request = ask(RIGHT);
    await vi.advanceTimersByTimeAsync(0);
    expect(request.outcome).toBe("ok");
  });

  it("waits for nothing when it is closed", async () => {
    const requests = Array.from({ length: 20 }, () => ask(SILENT));
    client.close();
    requests.push(ask(RIGHT));
    await vi.advanceTimersByTimeAsync(0);
    expect(new Set(requests.map(({ outcome }) => outcome?.replace(/.*: /, "")))).toEqual(new Set(["it was closed"]));
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("waits longer before each further attempt, and says in the end what was wrong", async () => {
  const busy = new HttpClient({ fetch: async () => new Response("", { status: 503 }), retryMs: 100, attempts: 3 });
  let outcome = "";
  const times: number[] = [];
  const begin = performance.now();
  const get = busy.range(RIGHT, 0, 1).catch((error: Error) => {
    outcome = error.message;
    times.push(performance.now() - begin);
  });
  await vi.advanceTimersByTimeAsync(1000);
  await get;
  expect([outcome, times]).toEqual([`cannot read ${RIGHT}: HTTP status 503`, [300]]);
});
