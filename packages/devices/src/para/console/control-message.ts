/** Control messages of a virtio console (virtio 1.2, 5.3.6.2): which port, what event, a value, and sometimes more. */
import type { DescriptorChain } from "../virtio/descriptor-chain.js";

/** What a message says. */
export const ControlEvent = {
  DeviceReady: 0,
  PortAdd: 1,
  PortRemove: 2,
  PortReady: 3,
  ConsolePort: 4,
  Resize: 5,
  PortOpen: 6,
  PortName: 7,
} as const;

/** A message about a port. */
export interface ControlMessage {
  readonly port: number;
  readonly event: number;
  readonly value: number;
}

const SIZE = 8;

/** Writes a message, and what follows it. */
export function controlMessage(
  { port, event, value }: ControlMessage,
  rest: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(SIZE + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, port, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  bytes.set(rest, SIZE);
  return bytes;
}

/** Reads a driver's message; undefined where the buffer is too short for one. */
export function parseControl(chain: DescriptorChain): ControlMessage | undefined {
  const view = new DataView(new ArrayBuffer(SIZE));
  if (chain.read(0, new Uint8Array(view.buffer)) < SIZE) return undefined;
  return { port: view.getUint32(0, true), event: view.getUint16(4, true), value: view.getUint16(6, true) };
}
