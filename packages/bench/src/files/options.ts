/** The command line of `npm run bench:files`. */
import { parseArgs } from "node:util";

const USAGE = `bench:files [--peer ours-9p,qemu-9p,virtiofsd] [--rounds N] [--directories N] [--engine interpreter|jit|auto]
            [--node PATH|VERSION]`;
const ENGINES = ["interpreter", "jit", "auto"];

/** What hartvisor with virtio-fs is compared with: itself with 9p, QEMU with its own 9p, and QEMU with virtiofsd. */
export const PEERS = ["ours-9p", "qemu-9p", "virtiofsd"] as const;
export type PeerName = (typeof PEERS)[number];

export interface Options {
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  /** Directories of the tree, of 100 files each. */
  readonly directories: number;
  readonly engine: string;
  readonly node: string | undefined;
}

/**
 * Reads the command line.
 *
 * @throws Error in a line or two that say what would be right
 */
export function parseOptions(args: readonly string[]): Options {
  const { engine, node, ...values } = readArguments(args);
  if (!ENGINES.includes(engine)) throw new Error(`--engine ${engine}: give one of ${ENGINES.join(", ")}`);
  const peers = values.peer.split(",").map((name) => {
    const peer = PEERS.find((each) => each === name);
    if (peer === undefined) throw new Error(`--peer ${values.peer}: give one or more of ${PEERS.join(",")}`);
    return peer;
  });
  return {
    ...{ peers, engine, node },
    rounds: count("rounds", values.rounds),
    directories: count("directories", values.directories),
  };
}

function count(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`--${name} ${text}: give a whole number above 0`);
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        peer: { type: "string", default: "qemu-9p,virtiofsd" },
        rounds: { type: "string", default: "3" },
        directories: { type: "string", default: "100" },
        engine: { type: "string", default: "auto" },
        node: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}
