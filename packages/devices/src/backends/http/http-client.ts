/**
 * Fetches by HTTP for backends: ranges of what lies behind a URL (RFC 9110, 14), and small documents whole. What fails
 * and may pass is tried again; a server that falls silent fails everything that waits for it; nothing that a server
 * sends is kept beyond what was asked for.
 */
import { HartvisorError } from "@hartvisor/core";

/** Requests at once: a browser has six connections to a server by HTTP/1.1, and queues the rest itself. */
const MAX_FETCHES = 8;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_ATTEMPTS = 4;
/** Before the second attempt; twice as long before each further one. */
const DEFAULT_RETRY_MS = 250;
/** What a server says that is busy, or whose own server is (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4). */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** How things are fetched by HTTP. */
export interface HttpClientOptions {
  /** How long a request may get nothing before it fails; where none got anything, all that wait fail. Default: 30,000. */
  readonly timeoutMs?: number;
  /** How often a request is made as long as the server does not answer, or is busy (408, 429, 5xx). Default: 4. */
  readonly attempts?: number;
  /** How long it waits before the second attempt; twice as long before each further one. Default: 250. */
  readonly retryMs?: number;
  /** Default: the host's `fetch`. */
  readonly fetch?: (url: string, init: HttpRequest) => Promise<Response>;
}

/** What a `fetch` is given beside the URL. */
export interface HttpRequest {
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

/** A part of what lies behind a URL. */
export interface HttpRange {
  readonly bytes: Uint8Array;
  /** The length of the whole; undefined where the server keeps it from a page. */
  readonly whole: number | undefined;
  /** What identifies this version of it, if the server says anything of the kind. */
  readonly version: string | null;
}

/** Makes something of a response, whose body it may read up to a bound. */
type ReadResponse<T> = (response: Response, body: (limit: number) => Promise<Uint8Array>) => Promise<T>;

/** A failure that may pass. */
class Passing extends Error {}

/** Fetches from one server, more or less. */
export class HttpClient {
  readonly #options: Required<HttpClientOptions>;
  readonly #active = new Set<AbortController>();
  /** Who waits: for its turn, or to try again. */
  readonly #waiting = new Set<() => void>();
  readonly #turns = new Set<() => void>();
  #free = MAX_FETCHES;
  /** When something has come last, for whatever request. */
  #lastArrival = 0;
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    this.#options = {
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      attempts: options.attempts ?? DEFAULT_ATTEMPTS,
      retryMs: options.retryMs ?? DEFAULT_RETRY_MS,
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    };
  }

  /**
   * Fetches the bytes from `first` to `last`, both included, or fewer where the whole ends before. Who knows how long the
   * whole is and asks for all of it is also served by a server without ranges.
   *
   * @throws HartvisorError `unreadable-file`
   */
  range(url: string, first: number, last: number, expected?: number): Promise<HttpRange> {
    // A range of what is compressed on its way would be one of the compressed bytes.
    const headers = { Range: `bytes=${first}-${last}`, "Accept-Encoding": "identity" };
    return this.#request(url, headers, async (response, body) => {
      const version = response.headers.get("etag") ?? response.headers.get("last-modified");
      if (response.status === 200 && first === 0 && last + 1 === expected) {
        const bytes = await body(expected);
        return { bytes, whole: bytes.length, version };
      }
      if (response.status === 416) throw failure(url, `it ends before byte ${first}`);
      if (response.status !== 206) {
        throw failure(url, response.ok ? "its server does not know range requests" : `HTTP status ${response.status}`);
      }
      const stated = response.headers.get("content-range");
      if (stated === null && response.type === "cors") {
        if (expected === undefined) {
          throw failure(url, "its server must let pages see it (Access-Control-Expose-Headers: Content-Range, ETag)");
        }
      } else if (Number(/^bytes (\d+)-\d+\/\d+$/.exec(stated ?? "")?.[1]) !== first) {
        throw failure(url, "its server sent another range than was asked for");
      }
      const bytes = await body(last - first + 1);
      return { bytes, whole: stated === null ? undefined : Number(stated.split("/")[1]), version };
    });
  }

  /**
   * Fetches all of a document, and where it was in the end.
   *
   * @throws HartvisorError `unreadable-file`, for what is longer than `maxBytes`, too
   */
  document(url: string, maxBytes: number): Promise<{ readonly bytes: Uint8Array; readonly url: string }> {
    return this.#request(url, {}, async (response, body) => {
      if (!response.ok) throw failure(url, `HTTP status ${response.status}`);
      return { bytes: await body(maxBytes), url: response.url || url };
    });
  }

  /** Lets everything fail that is on its way, and all that comes. */
  close(): void {
    this.#isClosed = true;
    this.#abandon();
  }

  /** Makes a request, and again as long as what is wrong may pass. */
  async #request<T>(url: string, headers: Record<string, string>, read: ReadResponse<T>): Promise<T> {
    const { attempts, retryMs } = this.#options;
    for (let n = 1; ; n++) {
      await this.#turn(url);
      try {
        if (this.#isClosed) throw this.#refusal(url);
        return await this.#once(url, headers, read);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        if (n >= attempts || this.#isClosed) throw failure(url, error.message, error.cause ?? error);
      } finally {
        this.#endTurn();
      }
      await this.#pause(url, retryMs * 2 ** (n - 1));
    }
  }

  async #once<T>(url: string, headers: Record<string, string>, read: ReadResponse<T>): Promise<T> {
    const controller = new AbortController();
    const { signal } = controller;
    let response: Response | undefined;
    let silence = setTimeout(() => this.#fallSilent(controller), this.#options.timeoutMs);
    const arrived = () => {
      this.#lastArrival = performance.now();
      clearTimeout(silence);
      silence = setTimeout(() => this.#fallSilent(controller), this.#options.timeoutMs);
    };
    this.#active.add(controller);
    try {
      // A fetch of somebody else's may not know of signals.
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      const work = async () => {
        const answer = await this.#options.fetch(url, { headers, signal });
        response = answer;
        arrived();
        if (PASSING_STATUSES.has(answer.status)) throw new Passing(`HTTP status ${answer.status}`);
        return read(answer, (limit) => bodyOf(answer, url, limit, arrived));
      };
      return await Promise.race([work(), aborted]);
    } catch (error) {
      // What was refused has a body that nobody reads.
      if (response?.body?.locked === false) void response.body.cancel().catch(() => {});
      if (signal.aborted) throw this.#refusal(url);
      if (error instanceof Passing || error instanceof HartvisorError) throw error;
      throw new Passing(reasonOf(error, url), { cause: error });
    } finally {
      clearTimeout(silence);
      this.#active.delete(controller);
    }
  }

  /** Nothing has come for a request: it fails, and where nothing has come for any, so do all. */
  #fallSilent(controller: AbortController): void {
    if (performance.now() - this.#lastArrival >= this.#options.timeoutMs) this.#abandon();
    else controller.abort();
  }

  /** Waits for one of the requests that may be on their way at once to end. */
  async #turn(url: string): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await this.#wait(url, (wake) => {
      this.#turns.add(wake);
      return () => this.#turns.delete(wake);
    });
  }

  /** Gives the turn to who has waited longest. */
  #endTurn(): void {
    const [next] = this.#turns;
    if (next === undefined) this.#free++;
    else {
      this.#turns.delete(next);
      next();
    }
  }

  #pause(url: string, ms: number): Promise<void> {
    return this.#wait(url, (wake) => {
      const timer = setTimeout(wake, ms);
      return () => clearTimeout(timer);
    });
  }

  /** Waits until it is woken, or everything is abandoned. */
  #wait(url: string, begin: (wake: () => void) => () => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(refuse);
        forget();
      };
      const refuse = () => {
        end();
        reject(this.#refusal(url));
      };
      const forget = begin(() => {
        end();
        resolve();
      });
      this.#waiting.add(refuse);
    });
  }

  #abandon(): void {
    for (const controller of this.#active) controller.abort();
    for (const refuse of [...this.#waiting]) refuse();
  }

  #refusal(url: string): HartvisorError {
    const silence = `its server has sent nothing for ${this.#options.timeoutMs / 1000} s`;
    return failure(url, this.#isClosed ? "it was closed" : silence);
  }
}

/** Reads a body to its end, which must come within a bound; `arrived` hears of each part. */
async function bodyOf(response: Response, url: string, limit: number, arrived: () => void): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const next = await reader?.read();
    if (next === undefined || next.done) break;
    arrived();
    chunks.push(next.value);
    length += next.value.length;
    if (length <= limit) continue;
    void reader?.cancel().catch(() => {});
    throw failure(url, `it sent more than ${limit} bytes`);
  }
  const [only] = chunks;
  // A part of something larger would keep that.
  if (chunks.length === 1 && only?.buffer.byteLength === length) return only;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** What cannot be read, in one line. */
export function failure(url: string, problem: string, cause?: unknown): HartvisorError {
  return new HartvisorError("unreadable-file", `cannot read ${url}: ${problem}`, { cause });
}

/** Why a fetch failed: "fetch failed" has it in its cause; browsers do not say, and pages are refused what others are not. */
function reasonOf(error: unknown, url: string): string {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = (reason instanceof Error && reason.message) || String(error);
  const { location } = globalThis as { location?: { readonly origin?: string } };
  if (location?.origin === undefined || new URL(url).origin === location.origin) return message;
  return `${message} (is its server up, and does it let pages of ${location.origin} read it, by Access-Control-Allow-Origin?)`;
}
