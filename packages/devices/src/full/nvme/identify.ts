/** The data structures of the Identify command (NVM Express 1.4, 5.15): what a driver learns of controller and namespace. */

import { ERROR_LOG_ENTRIES } from "./log-pages.js";
import { BLOCK_EXPONENT, MAX_TRANSFER_EXPONENT, NAMESPACE_ID, type Namespace } from "./namespace.js";
import { COMPLETION_EXPONENT, SUBMISSION_EXPONENT, VERSION } from "./registers.js";

export const IDENTIFY_SIZE = 4096;
/** PCI identity: QEMU's NVMe controller. */
export const PCI_VENDOR = 0x1b36;
export const PCI_SUBSYSTEM_VENDOR = 0x1af4;

const MODEL = "hartvisor NVMe";
/** Firmware revision, of which there is one, in slot 1. */
export const FIRMWARE = "1";
/** Temperature limits in kelvins. */
export const WARNING_TEMPERATURE = 343;
const CRITICAL_TEMPERATURE = 353;

/** Asynchronous event requests that are held at once, and so are aborts (0's based: 4). */
export const EVENT_REQUEST_LIMIT = 3;

/** What makes one controller differ from another. */
export interface NvmeIdentity {
  /** Up to 20 bytes of ASCII. */
  readonly serial: string;
  /** 16 bytes, other ones for each disk of a machine. */
  readonly uuid: Uint8Array;
}

/** Identify Controller (5.15.2.2). */
export function identifyController({ serial, uuid }: NvmeIdentity): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, PCI_VENDOR, true);
  view.setUint16(2, PCI_SUBSYSTEM_VENDOR, true);
  putText(bytes, 4, 20, serial);
  putText(bytes, 24, 40, MODEL);
  putText(bytes, 64, 8, FIRMWARE);
  bytes[77] = MAX_TRANSFER_EXPONENT;
  view.setUint32(80, VERSION, true);
  bytes[111] = 1; // an I/O controller
  bytes[258] = EVENT_REQUEST_LIMIT; // abort commands
  bytes[259] = EVENT_REQUEST_LIMIT;
  bytes[260] = 0x03; // firmware: one slot, read-only
  bytes[261] = 0x04; // log pages are read from any offset on
  bytes[262] = ERROR_LOG_ENTRIES - 1;
  view.setUint16(266, WARNING_TEMPERATURE, true);
  view.setUint16(268, CRITICAL_TEMPERATURE, true);
  bytes[512] = (SUBMISSION_EXPONENT << 4) | SUBMISSION_EXPONENT;
  bytes[513] = (COMPLETION_EXPONENT << 4) | COMPLETION_EXPONENT;
  view.setUint32(516, NAMESPACE_ID, true); // how many there are
  view.setUint16(520, 0x0c, true); // dataset management and write zeroes
  bytes[525] = 0x07; // a volatile write cache, which can be flushed for all namespaces at once
  bytes.set(new TextEncoder().encode(`nqn.2014-08.org.nvmexpress:uuid:${formatUuid(uuid)}`), 768);
  view.setUint16(2048, 2500, true); // the one power state: 25 W
  return bytes;
}

/** Identify Namespace (5.15.2.1). */
export function identifyNamespace({ blocks, isReadOnly }: Namespace): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_SIZE);
  const view = new DataView(bytes.buffer);
  for (const at of [0, 8, 16]) view.setBigUint64(at, BigInt(blocks), true); // size, capacity, in use
  bytes[99] = isReadOnly ? 1 : 0;
  bytes[130] = BLOCK_EXPONENT; // the one format
  return bytes;
}

/** The list of active namespaces after one (5.15.2.3). */
export function namespaceList(after: number): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_SIZE);
  if (after < NAMESPACE_ID) new DataView(bytes.buffer).setUint32(0, NAMESPACE_ID, true);
  return bytes;
}

/** The names of a namespace (5.15.2.4): one, a UUID. */
export function namespaceDescriptors({ uuid }: NvmeIdentity): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_SIZE);
  bytes.set([3, uuid.length]);
  bytes.set(uuid, 4);
  return bytes;
}

/** A UUID made of a text, the same for the same text (version 8 of RFC 9562: the maker's own way). */
export function uuidOf(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) {
    // FNV-1a, begun otherwise for each word.
    let hash = 0x811c9dc5 ^ Math.imul(word, 0x9e3779b1);
    for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
    view.setUint32(4 * word, hash);
  }
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x80);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return bytes;
}

function formatUuid(uuid: Uint8Array): string {
  const digits = [...uuid].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    "-",
  );
}

/** Text is filled up with spaces (1.5). */
function putText(bytes: Uint8Array, at: number, length: number, text: string): void {
  bytes.set(new TextEncoder().encode(text.padEnd(length)).subarray(0, length), at);
}
