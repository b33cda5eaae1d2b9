/** For tests: a server of static files, which can be told to misbehave. */
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What a server can be told to do with the next requests. */
export type Behaviour =
  | "right"
  /** It knows no ranges, and sends everything. */
  | "whole"
  /** It sends another range than it was asked for. */
  | "elsewhere"
  /** It sends less than it says. */
  | "short"
  /** It sends more, without an end. */
  | "endless"
  /** It hangs up in the middle of the body. */
  | "broken"
  /** It hangs up at once. */
  | "down"
  /** It answers nothing, until {@link TestHttpServer.release}. */
  | "silent";

export class TestHttpServer {
  /** By path, such as `/tree.json`. */
  readonly files = new Map<string, Uint8Array>();
  /** Requests: path and range. */
  readonly log: string[] = [];
  behaviour: Behaviour = "right";
  /** Requests that go wrong before it is right again; any number by default. */
  faults = Number.POSITIVE_INFINITY;
  /** A status to answer with instead. */
  status: number | undefined;
  etag = '"1"';
  /** Headers of every answer. */
  headers: Readonly<Record<string, string>> = {};
  readonly #server: Server;
  readonly #held: (() => void)[] = [];

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async open(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<TestHttpServer> {
    const server = new TestHttpServer();
    for (const [path, content] of Object.entries(files)) server.put(path, content);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  put(path: string, content: string | Uint8Array): void {
    this.files.set(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
  }

  /** Serves all that is in a folder of the host. */
  async putFolder(folder: string): Promise<void> {
    for (const name of await readdir(folder, { recursive: true })) {
      const bytes = await readFile(join(folder, name)).catch(() => undefined);
      if (bytes !== undefined) this.files.set(`/${name}`, bytes);
    }
  }

  /** Answers what was kept waiting, and is right from now on. */
  release(): void {
    this.behaviour = "right";
    for (const answer of this.#held.splice(0)) answer();
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
    const range = request.headers.range ?? "";
    this.log.push(`${path} ${range}`.trim());
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    const isWrong = (this.behaviour !== "right" || this.status !== undefined) && this.faults-- > 0;
    const behaviour = isWrong ? this.behaviour : "right";
    if (isWrong && this.status !== undefined) {
      response.writeHead(this.status).end("no");
      return;
    }
    if (behaviour === "down") {
      response.destroy();
      return;
    }
    if (behaviour === "silent") {
      this.#held.push(() => this.#answer(request, response));
      return;
    }
    const file = this.files.get(path);
    if (file === undefined) {
      response.writeHead(404).end("not found");
      return;
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    if (first === undefined || behaviour === "whole") {
      response.writeHead(200, { etag: this.etag }).end(file);
      return;
    }
    const start = Number(first) + (behaviour === "elsewhere" ? 1 : 0);
    if (start >= file.length) {
      response.writeHead(416, { "content-range": `bytes */${file.length}` }).end();
      return;
    }
    const end = Math.min(Number(last) + 1, file.length);
    const headers = { etag: this.etag, "content-range": `bytes ${start}-${end - 1}/${file.length}` };
    const part = file.subarray(start, end);
    if (behaviour === "broken") {
      response.writeHead(206, { ...headers, "content-length": `${part.length}` });
      response.write(part.subarray(0, part.length / 2), () => response.destroy());
      return;
    }
    response.writeHead(206, headers);
    if (behaviour === "endless") {
      const flood = () => {
        while (!response.destroyed && response.write(new Uint8Array(65_536)));
        if (!response.destroyed) response.once("drain", flood);
      };
      flood();
      return;
    }
    response.end(behaviour === "short" ? part.subarray(0, part.length - 1) : part);
  }
}
