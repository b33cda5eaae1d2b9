/** Which errors of the file system a caller expects. */

/** Makes a function for `catch` that passes over errors with these codes, and throws all others. */
export function unless(...codes: string[]): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}
