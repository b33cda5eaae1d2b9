/**
 * Where a guest may connect to. Unless it is allowed, a guest reaches neither
 * the host itself nor the networks around it: only public addresses.
 */
import { HartvisorError } from "@hartvisor/core";
import { type Ipv4, parseIpv4 } from "./packet.js";

/** Which connections a guest may make. A rule is `ADDRESS[/BITS][:PORT[-PORT]]`, such as `10.0.0.0/8:443`, or `*:25`. */
export interface NetworkPolicy {
  /** Allowed whatever else is said. */
  readonly allow?: readonly string[];
  /** Denied unless allowed, beside {@link PRIVATE_NETWORKS}; `*` denies everything. */
  readonly deny?: readonly string[];
}

/**
 * Denied by default: this host, private, shared, link-local (where clouds keep their credentials), multicast and
 * reserved addresses (RFC 6890).
 */
export const PRIVATE_NETWORKS: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

interface Rule {
  readonly network: Ipv4;
  /** How many addresses the network has. */
  readonly size: number;
  readonly firstPort: number;
  readonly lastPort: number;
}

/** A check of addresses and ports. Throws `invalid-argument` for a rule that is none. */
export function networkPolicy({ allow = [], deny = [] }: NetworkPolicy): (address: Ipv4, port: number) => boolean {
  const allowed = allow.map(parseRule);
  const denied = [...deny, ...PRIVATE_NETWORKS].map(parseRule);
  const matches = (address: Ipv4, port: number) => (rule: Rule) =>
    address >= rule.network && address < rule.network + rule.size && port >= rule.firstPort && port <= rule.lastPort;
  return (address, port) => {
    // Nobody is at port 0 (RFC 6335, 6), and hosts refuse to be asked.
    if (port === 0) return false;
    const isMatch = matches(address, port);
    return allowed.some(isMatch) || !denied.some(isMatch);
  };
}

function parseRule(text: string): Rule {
  const refuse = (): never => {
    throw new HartvisorError("invalid-argument", `"${text}" is no network rule: write for example 10.0.0.0/8:443`);
  };
  const match = /^(\*|[\d.]+)(?:\/(\d+))?(?::(\d+)(?:-(\d+))?)?$/.exec(text);
  if (match === null) return refuse();
  const [, host = "", bits, first, last] = match;
  const [firstPort, lastPort] = first === undefined ? [0, 65535] : [Number(first), Number(last ?? first)];
  if (firstPort > lastPort || lastPort > 65535) return refuse();
  if (host === "*") return bits === undefined ? { network: 0, size: 2 ** 32, firstPort, lastPort } : refuse();
  const address = parseIpv4(host);
  const length = bits === undefined ? 32 : Number(bits);
  if (address === undefined || length > 32) return refuse();
  const size = 2 ** (32 - length);
  return { network: address - (address % size), size, firstPort, lastPort };
}
