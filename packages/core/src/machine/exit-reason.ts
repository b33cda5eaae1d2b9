/** Why a machine stopped for good. */
export type ExitReason =
  /** The guest powered off; `exitCode` is 0 unless it reported a failure. */
  | { readonly kind: "poweroff"; readonly exitCode: number }
  /** The guest asked for a restart; a new machine is the way to give it one. */
  | { readonly kind: "reboot" }
  /** No instruction of the guest can ever run again. */
  | { readonly kind: "crash"; readonly message: string }
  /** A limit of the machine's options was reached. */
  | { readonly kind: "limit"; readonly limit: "instructions" | "wall-time" }
  /** The host destroyed the machine. */
  | { readonly kind: "destroyed" };
