/**
 * Errors of file trees, as Linux numbers them (include/uapi/asm-generic/errno.h): what a guest's system call fails
 * with. Both protocols put these numbers on the wire.
 */

/** Error numbers by name. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** The name of an error number. */
export type ErrnoName = keyof typeof Errno;

/** What an operation on a file tree fails with. There is one for each number: a guest's failures are many, and traces cost. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: ErrnoName;
  readonly errno: number;

  private constructor(code: ErrnoName) {
    super(code);
    this.code = code;
    this.errno = Errno[code];
    delete this.stack;
  }

  static readonly #all = new Map<ErrnoName, FileError>();

  /** The error of a name. */
  static of(code: ErrnoName): FileError {
    let error = FileError.#all.get(code);
    if (error === undefined) {
      error = new FileError(code);
      FileError.#all.set(code, error);
    }
    return error;
  }
}

/** The number that a guest gets for whatever was thrown: that of an error with the name of one as its `code`, or EIO. */
export function errnoOf(error: unknown): number {
  if (error instanceof FileError) return error.errno;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" && Object.hasOwn(Errno, code) ? Errno[code as ErrnoName] : Errno.EIO;
}
