/** Tlock and Tgetlock: POSIX record locks. Linux's client asks again after 30 seconds where it has to wait for one, so that it waits here. */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later } from "../../backends/files/later.js";
import type { FileLock, LockHolder } from "../../backends/files/locks.js";
import { MAX_PATH_BYTES, nameLength } from "../../backends/files/names.js";
import type { FileNode } from "../../backends/files/tree.js";
import { type MessageReader, MessageWriter } from "./message.js";

const LockType = { Read: 0, Write: 1, Unlock: 2 } as const;
const LockStatus = { Success: 0, Blocked: 1 } as const;
/** Flag of a Tlock: whoever wants the lock waits for it. */
const BLOCK = 1;

/** Tlock: type[1] flags[4], then the range and who wants it. One that waits does so under the message's tag. */
export function lock(locks: LockHolder, node: FileNode, message: MessageReader, tag: number): Later<MessageWriter> {
  const type = message.u8();
  const waits = (message.u32() & BLOCK) !== 0;
  const wanted = readLock(message, type);
  if (type === LockType.Unlock) {
    locks.release(node, wanted);
    return new MessageWriter().u8(LockStatus.Success);
  }
  return after(waits ? locks.takeLater(node, wanted, tag) : locks.take(node, wanted), (isTaken) =>
    new MessageWriter().u8(isTaken ? LockStatus.Success : LockStatus.Blocked),
  );
}

/** Tgetlock: what stands in the way of a lock, or that nothing does. */
export function getLock(locks: LockHolder, node: FileNode, message: MessageReader): MessageWriter {
  const type = message.u8();
  const wanted = readLock(message, type);
  const conflict = locks.conflict(node, wanted);
  const answer = new MessageWriter();
  const { start, end, owner, isExclusive } = conflict ?? wanted;
  const [process = "0", ...client] = owner.split(" ");
  answer.u8(conflict === undefined ? LockType.Unlock : isExclusive ? LockType.Write : LockType.Read);
  answer.u64(start).u64(end === Number.POSITIVE_INFINITY ? 0 : end - start);
  return answer.u32(Number(process)).string(client.join(" "));
}

/** start[8] length[8] proc_id[4] client_id[s]; a length of 0 is up to the end. */
function readLock(message: MessageReader, type: number): FileLock {
  if (type > LockType.Unlock) throw FileError.of("EINVAL");
  const [start, length] = [message.offset(), message.u64()];
  const [process, client] = [message.u32(), message.string()];
  if (nameLength(client) > MAX_PATH_BYTES) throw FileError.of("EINVAL");
  const end = length === 0 ? Number.POSITIVE_INFINITY : start + length;
  return { start, end, isExclusive: type === LockType.Write, owner: `${process} ${client}` };
}
