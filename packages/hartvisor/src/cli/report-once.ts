/** Says what a device's backend has failed with, on stderr. */

/** Kinds of failure that are said, of however many a guest brings about. */
const MAX_KINDS = 32;

/** Says each kind of failure once: a disk that is full fails every request from then on, and the guest hears of each. */
export function reportOnce(name?: string): (error: unknown) => void {
  const reported = new Set<string>();
  return (error) => {
    const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: String(error) };
    const kind = name === undefined ? message : (code ?? message);
    if (reported.has(kind) || reported.size >= MAX_KINDS) return;
    reported.add(kind);
    console.error(`hartvisor: ${name === undefined ? "" : `${name}: `}${message}`);
  };
}
