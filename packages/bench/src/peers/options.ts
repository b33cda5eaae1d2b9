/** The command line of the peers benchmark. */
import { parseArgs } from "node:util";
import { BOOT, type GuestProgram, PROGRAMS } from "./programs.js";

const USAGE = `bench:peers [--peer qemu,v86] [--engine interpreter|jit|auto] [--node PATH|VERSION] [--rounds N]
            [--filter TEXT,...] [--json FILE] [--list]`;
const ENGINES = ["interpreter", "jit", "auto"];
const DEFAULT_ROUNDS = "5";

/** What to compare with. */
export const PEERS = ["qemu", "v86"] as const;
export type PeerName = (typeof PEERS)[number];

export interface Options {
  readonly peers: readonly PeerName[];
  readonly engine: string;
  readonly node: string | undefined;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly programs: readonly GuestProgram[];
  /** Whether to measure the boot. */
  readonly boot: boolean;
  /** Only name the programs. */
  readonly list: boolean;
}

/**
 * Reads the command line.
 *
 * @throws Error in a line or two that say what would be right
 */
export function parseOptions(args: readonly string[]): Options {
  const { engine, node, json, list, ...values } = readArguments(args);
  if (!ENGINES.includes(engine)) throw new Error(`--engine ${engine}: give one of ${ENGINES.join(", ")}`);
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds ${values.rounds}: give a whole number above 0`);
  }
  const peers = values.peer.split(",").map((name) => {
    const peer = PEERS.find((each) => each === name);
    if (peer === undefined) throw new Error(`--peer ${values.peer}: give one or more of ${PEERS.join(",")}`);
    return peer;
  });
  const isWanted = filter(values.filter);
  const programs = PROGRAMS.filter(({ name, group }) => isWanted(name, group));
  const boot = isWanted(BOOT, BOOT);
  if (programs.length === 0 && !boot) {
    throw new Error(`--filter ${values.filter}: no program of that name or group; see --list`);
  }
  return { peers, engine, node, rounds, json, list, programs, boot };
}

/** A whole name means that program alone ("lu" is not "lua", too), less of one all that hold it; else the beginning of a group. */
function filter(text: string | undefined): (name: string, group: string) => boolean {
  if (text === undefined) return () => true;
  const names = [...PROGRAMS.map(({ name }) => name), BOOT];
  return (name, group) =>
    text.split(",").some((part) => {
      return names.includes(part) ? name === part : name.includes(part) || group.startsWith(part);
    });
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        peer: { type: "string", default: "qemu" },
        engine: { type: "string", default: "auto" },
        node: { type: "string" },
        rounds: { type: "string", default: DEFAULT_ROUNDS },
        filter: { type: "string" },
        json: { type: "string" },
        list: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}
