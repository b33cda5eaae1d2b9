/** The options of a machine's network card, and what they open on the host. */
import { createWriteStream } from "node:fs";
import { HartvisorError } from "@hartvisor/core";
import { NetworkSwitch, type PortForward } from "@hartvisor/devices";
import { type Command, InvalidArgumentError, Option } from "commander";
import { e1000, type PluggableDevice, virtioNet } from "../devices.js";
import { joinSwitch } from "../host/node/named-switch.js";
import { nat } from "../host/node/nat.js";
import { checkWritable } from "./files.js";

/** What --net asks for. */
export interface NetChoice {
  /** Where the card is plugged in. */
  readonly to: "nat" | "none" | { readonly switchName: string; readonly vlan: number; readonly hasNat: boolean };
  readonly isE1000: boolean;
}

/** As commander hands them over. */
export interface NetworkFlags {
  readonly net: NetChoice;
  readonly forward?: readonly PortForward[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly capture?: string;
}

/** A network, and the card that is plugged into it. */
export interface OpenNetwork {
  /** Undefined: there is none. */
  readonly card: (() => PluggableDevice) | undefined;
  close(): Promise<void>;
}

/** Adds --net, --forward, --allow, --deny and --capture; `net` is what --net is by default. */
export function addNetworkOptions(command: Command, net: "nat" | "none"): Command {
  const more = (text: string, before: readonly string[] = []) => [...before, text];
  return command
    .addOption(
      new Option(
        "--net <nat|switch:name|none>",
        "nat: a network card with DHCP, DNS and connections out through this host. switch:NAME[,vlan=N][,nat]: a card on a switch that machines of this user share by its name; nat plugs such a network in there, for all of them. With ,e1000 the card is one, not virtio's",
      )
        .argParser(parseNet)
        .default({ to: net, isE1000: false }, net),
    )
    .option(
      "--forward <[address:]host:guest[/udp]>",
      "lead a port of this host (127.0.0.1 unless an address says otherwise) to one of the guest's",
      (text: string, before: readonly PortForward[] = []) => [...before, parseForward(text)],
    )
    .option("--allow <network[:port]>", "let the guest connect there; by default only to public addresses", more)
    .option("--deny <network[:port]>", "do not let it, unless allowed; * for everything", more)
    .option("--capture <file>", "write what passes the network card, as pcapng");
}

function parseNet(text: string): NetChoice {
  const [, kind, switchName, suffixes = ""] =
    /^(nat|none|switch:([A-Za-z0-9._-]{1,32}))((?:,(?:vlan=\d{1,4}|nat|e1000))*)$/.exec(text) ?? [];
  const options = suffixes.split(",").slice(1);
  const vlan = Number(options.find((option) => option.startsWith("vlan="))?.slice(5) ?? 1);
  const isE1000 = options.includes("e1000");
  const isRepeated = new Set(options.map((option) => option.split("=")[0])).size !== options.length;
  const isKnown = kind !== undefined && !isRepeated && vlan >= 1 && vlan <= 4094;
  if (isKnown && switchName !== undefined) {
    return { to: { switchName, vlan, hasNat: options.includes("nat") }, isE1000 };
  }
  if (isKnown && kind === "nat" && options.every((option) => option === "e1000")) return { to: "nat", isE1000 };
  if (isKnown && kind === "none" && options.length === 0) return { to: "none", isE1000 };
  throw new InvalidArgumentError("Write nat, nat,e1000 or none, or for example switch:lab,vlan=10 or switch:lab,nat.");
}

function parseForward(text: string): PortForward {
  const match = /^(?:(.+):)?(\d+):(\d+)(\/udp|\/tcp)?$/.exec(text);
  if (match === null || Number(match[2]) === 0) {
    throw new InvalidArgumentError("Write for example 8080:80, or 0.0.0.0:5353:53/udp.");
  }
  const [, address, host, guest, protocol] = match;
  return {
    host: Number(host),
    guest: Number(guest),
    protocol: protocol === "/udp" ? "udp" : "tcp",
    ...(address !== undefined && { address }),
  };
}

/**
 * Opens what the flags name.
 *
 * @throws HartvisorError for what cannot be opened; nothing is left open then
 */
export async function openNetwork(flags: NetworkFlags): Promise<OpenNetwork> {
  const { to, isE1000 } = flags.net;
  const card = isE1000 ? e1000 : virtioNet;
  const opened: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const giveBack of opened.splice(0).reverse()) await giveBack();
  };
  try {
    if (to === "none" || (to !== "nat" && !to.hasNat)) {
      const unused = (["forward", "allow", "deny", "capture"] as const).find((name) => flags[name] !== undefined);
      if (unused !== undefined) throw new HartvisorError("invalid-argument", `--${unused} needs --net nat`);
    }
    if (to === "none") return { card: undefined, close };
    if (to === "nat") return { card: card({ backend: await openNat(flags, opened) }), close };
    const lan = new NetworkSwitch();
    const { vlan, hasNat, switchName } = to;
    if (hasNat) lan.plug(await openNat(flags, opened), { vlan });
    const joined = await joinSwitch(lan, switchName);
    opened.push(() => joined.leave());
    return { card: card({ backend: lan.card({ vlan }), mac: randomMac() }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openNat({ forward, allow, deny, capture }: NetworkFlags, opened: (() => Promise<unknown>)[]) {
  const file = capture === undefined ? undefined : await openCapture(capture);
  if (file !== undefined) opened.push(() => new Promise<void>((done) => file.end(done)));
  const network = await nat({
    ...(forward && { forward }),
    policy: { ...(allow && { allow }), ...(deny && { deny }) },
    ...(file && { capture: (bytes) => void file.write(bytes) }),
  });
  opened.push(() => network.close());
  return network;
}

async function openCapture(path: string) {
  await checkWritable(path);
  return createWriteStream(path).on("error", (error) =>
    console.error(`hartvisor: --capture ${path}: ${error.message}`),
  );
}

/** An address for one card, of the kind that makers do not give out (IEEE 802, 8.4). */
function randomMac(): string {
  const bytes = [0x52, 0x54, ...crypto.getRandomValues(new Uint8Array(4))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
