/** A second thread of the host, by whatever it has for one. */
import { HartvisorError } from "@hartvisor/core";
import { startWebWorker } from "./browser/worker.js";
import { nodeEndpoint, startNodeWorker } from "./node/worker.js";

/** One end of the channel between two threads. */
export interface Endpoint {
  post(message: unknown): void;
  /** Called with each message, in the order in which they were posted. */
  listen(onMessage: (message: unknown) => void): void;
}

/** A worker that was started, seen from the thread that started it. */
export interface Thread extends Endpoint {
  /** Called if the worker ends by itself or a message cannot be read. */
  onFailure(listener: (error: Error) => void): void;
  /** Whether the process stays alive while the worker does. */
  keepAlive(isWanted: boolean): void;
  terminate(): void;
}

/** Starts the worker that runs a machine. Throws `unsupported` where the host has no threads. */
export function startMachineThread(): Thread {
  const thread = startNodeWorker() ?? startWebWorker();
  if (thread !== undefined) return thread;
  throw new HartvisorError("unsupported", 'this host has no workers for thread: "worker"; Node has from 20.16 on');
}

/** In a worker: the end that leads to the thread that started it. */
export function ownEndpoint(): Endpoint {
  return (
    nodeEndpoint() ?? {
      post: (message) => postMessage(message),
      listen: (onMessage) => addEventListener("message", ({ data }) => onMessage(data)),
    }
  );
}
