/** Stable, documented reasons for a {@link HartvisorError}. */
export type ErrorCode =
  | "invalid-argument"
  | "invalid-image"
  | "out-of-memory"
  | "unreadable-file"
  | "unsupported"
  | "invalid-state"
  | "download-failed"
  | "exec-failed"
  | "timeout";

/**
 * Every failure that this library reports to its user. The message is one line
 * that names the wrong value and what would be right; `cause` holds the
 * original error where there is one. What a guest does wrong is never a
 * HartvisorError: it is an event of its machine.
 */
export class HartvisorError extends Error {
  override readonly name = "HartvisorError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
