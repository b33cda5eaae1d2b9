/**
 * What a file loses when it is written or cut short: set-user-id and set-group-id, so that nobody runs what another has
 * put there. A kernel that took HANDLE_KILLPRIV_V2 says with a request when that is due, instead of asking for attributes
 * first; on a change of owners trees do it by themselves (chown(2)).
 */
import { Errno, errnoOf } from "../../backends/files/errno.js";
import { after, type Later } from "../../backends/files/later.js";
import {
  type FileNode,
  type FileStat,
  FileType,
  type OpenFile,
  PERMISSION_BITS,
  TYPE_BITS,
} from "../../backends/files/tree.js";

/** Flags that say so: of OPEN and CREATE (`open_flags`), WRITE (`write_flags`) and SETATTR (`valid`). */
export const KillPrivileges = { Open: 1 << 0, Write: 1 << 2, SetAttr: 1 << 11 } as const;

const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;
const CAPABILITIES = "security.capability";

/** Takes the bits away, if it has them. */
export function dropSetId(file: OpenFile | FileNode): Later<void> {
  return after(file.stat(), (stat) => after(dropSetIdOf(file, stat), () => {}));
}

/** The same for a file of which this is known; what is known then. */
export function dropSetIdOf(file: OpenFile | FileNode, stat: FileStat): Later<FileStat> {
  if ((stat.mode & TYPE_BITS) !== FileType.Regular) return stat;
  // Without execution by the group the second bit stands for mandatory locks.
  const dropped = SET_USER_ID | (stat.mode & GROUP_EXECUTE ? SET_GROUP_ID : 0);
  if ((stat.mode & dropped) === 0) return stat;
  return file.change({ mode: stat.mode & PERMISSION_BITS & ~dropped });
}

/** Takes away what a program may do beyond its user (capabilities(7)), if it has it. */
export function dropCapabilities(node: FileNode): Later<void> {
  const absent = (error: unknown) => {
    if (errnoOf(error) !== Errno.ENODATA) throw error;
  };
  try {
    const removed = node.removeAttribute(CAPABILITIES);
    return removed instanceof Promise ? removed.catch(absent) : undefined;
  } catch (error) {
    absent(error);
  }
}
