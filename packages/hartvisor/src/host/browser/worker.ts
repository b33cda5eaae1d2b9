/** Threads as web pages have them. */
import type { Thread } from "../thread.js";

/** Starts the machine's worker; undefined where there is no `Worker`. */
export function startWebWorker(): Thread | undefined {
  if (typeof Worker === "undefined") return undefined;
  // Bundlers know a worker's script by this very form.
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return {
    post: (message) => worker.postMessage(message),
    listen: (onMessage) => {
      worker.onmessage = ({ data }) => onMessage(data);
    },
    onFailure: (listener) => {
      // A script that cannot be loaded is an event without words.
      worker.onerror = (event) => listener(new Error(event.message ?? "its script cannot be loaded"));
      worker.onmessageerror = () => listener(new Error("a message cannot be read"));
    },
    keepAlive: () => {},
    terminate: () => worker.terminate(),
  };
}
