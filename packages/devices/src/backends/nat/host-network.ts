/** What user-mode NAT needs of its host: sockets and names. Each runtime has an adapter; addresses are IPv4. */
import type { Ipv4 } from "./packet.js";

/** A TCP connection of the host's. */
export interface HostTcpSocket {
  /** Sends bytes, which are the socket's to keep. */
  write(bytes: Uint8Array): void;
  /** Bytes that were written and are still with this process. */
  readonly backlog: number;
  /** No more will be written. */
  end(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

/** What a TCP connection tells of itself. */
export interface HostTcpEvents {
  connected(): void;
  data(bytes: Uint8Array): void;
  /** The peer has sent all that it will. */
  ended(): void;
  /** Some of the backlog is gone. */
  drained(): void;
  /** It is over, by an error or not. */
  closed(failed: boolean): void;
}

/** A socket of the host's for datagrams to one peer. */
export interface HostUdpSocket {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** A port of the host's on which it listens. */
export interface HostListener {
  /** The port, which the host has chosen where 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

/** The sockets and names of a host. */
export interface HostNetwork {
  connectTcp(address: Ipv4, port: number, events: HostTcpEvents): HostTcpSocket;
  /** Datagrams to one peer, and from there. */
  connectUdp(address: Ipv4, port: number, received: (bytes: Uint8Array) => void): HostUdpSocket;
  /** Rejects where the host cannot. */
  listenTcp(address: string, port: number, accept: (socket: HostTcpSocket) => HostTcpEvents): Promise<HostListener>;
  /** Datagrams from any peer, by a key of its own. */
  listenUdp(
    address: string,
    port: number,
    received: (peer: string, bytes: Uint8Array) => void,
  ): Promise<HostListener & { send(peer: string, bytes: Uint8Array): void }>;
  /** IPv4 addresses of a name; rejects where there is no such name. */
  resolve(name: string): Promise<readonly Ipv4[]>;
}
