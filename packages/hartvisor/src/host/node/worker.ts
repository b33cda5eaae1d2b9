/**
 * Threads as Node, Deno and Bun have them. The module is asked of the process instead of imported, because a page imports
 * this file, too.
 */
import type { Worker as NodeWorker } from "node:worker_threads";
import type { Endpoint, Thread } from "../thread.js";

type WorkerThreads = typeof import("node:worker_threads");

function workerThreads(): WorkerThreads | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => WorkerThreads | undefined };
  };
  return process?.getBuiltinModule?.("node:worker_threads");
}

/** Starts the machine's worker; undefined where there is no `node:worker_threads`. */
export function startNodeWorker(): Thread | undefined {
  const threads = workerThreads();
  if (threads === undefined) return undefined;
  // The process's own arguments are not for this script: Node refuses a worker under --input-type.
  const worker: NodeWorker = new threads.Worker(new URL("./worker.js", import.meta.url), { execArgv: [] });
  return {
    post: (message) => worker.postMessage(message),
    listen: (onMessage) => void worker.on("message", onMessage),
    onFailure: (listener) => {
      worker.on("error", (error) => listener(error instanceof Error ? error : new Error(String(error))));
      worker.on("messageerror", listener);
      worker.on("exit", (code) => listener(new Error(`it ended with status ${code}`)));
    },
    keepAlive: (isWanted) => {
      if (isWanted) worker.ref();
      else worker.unref();
    },
    terminate: () => void worker.terminate(),
  };
}

/** In a worker of Node's: the end that leads to the thread that started it. */
export function nodeEndpoint(): Endpoint | undefined {
  const port = workerThreads()?.parentPort;
  if (port === undefined || port === null) return undefined;
  return {
    post: (message) => port.postMessage(message),
    listen: (onMessage) => void port.on("message", onMessage),
  };
}
