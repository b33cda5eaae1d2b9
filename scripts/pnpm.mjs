/** The package manager of this workspace, which npm fetches by name. */
export const PNPM = "pnpm@12.21.0";
