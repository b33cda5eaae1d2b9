/** Sharing a thread with the host: yielding to its event loop, and sleeping until something happens. */

/** Lets the host's event loop turn once. */
export function yieldToHost(): Promise<void> {
  const immediate = (globalThis as { setImmediate?: (callback: () => void) => unknown }).setImmediate;
  return new Promise((resolve) => {
    if (immediate !== undefined) immediate(resolve);
    else {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    }
  });
}

/** A sleep that can be cut short. */
export class Sleeper {
  #end: (() => void) | undefined;

  /** Resolves after `ms` milliseconds, or earlier when woken. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), ms);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }
}
