/** User-mode NAT over the sockets of Node, Deno and Bun. */
import { type NatNetwork, type NatOptions, natNetwork } from "@hartvisor/devices";
import { nodeNetwork } from "./host-network.js";

/**
 * A network for one card, behind NAT: DHCP, DNS, connections out, and ports of the host's in.
 *
 * @throws HartvisorError `invalid-argument` for a rule that is none, or a port that cannot be listened on
 */
export function nat(options: Omit<NatOptions, "host"> = {}): Promise<NatNetwork> {
  return natNetwork({ ...options, host: nodeNetwork });
}
