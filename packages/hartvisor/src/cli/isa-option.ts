/** `--isa`: whether the machine has what a program needs. Takes the strings that compilers and Spike take. */
import { extensionNames, HartvisorError, isaString } from "@hartvisor/core";

/** Letters and names that stand for others (Unprivileged ISA, ch. 36). */
const IMPLIED: Readonly<Record<string, readonly string[]>> = {
  g: ["i", "m", "a", "f", "d", "zicsr", "zifencei"],
  b: ["zba", "zbb", "zbs"],
};

/** Parts of larger extensions, and privilege modes, that the machine has under no name of their own. */
const PARTS = ["s", "u", "zmmul", "zaamo", "zalrsc", "zca", "zcd"];

/** Throws HartvisorError `invalid-argument` for what is no RV64 ISA string, `unsupported` for what the machine lacks. */
export function checkIsa(isa: string): void {
  const has = new Set([...extensionNames(true), ...PARTS]);
  const missing = parseIsa(isa).filter((name) => !has.has(name));
  if (missing.length === 0) return;
  throw new HartvisorError(
    "unsupported",
    `--isa ${isa}: the machine lacks ${missing.join(", ")}; it is ${isaString(true)}`,
  );
}

/** Names of the extensions in an ISA string, lower case, without versions. */
function parseIsa(isa: string): string[] {
  const [base = "", ...long] = isa.toLowerCase().split("_");
  const letters = /^rv64([ieg](?:\d+p\d+)?)((?:[a-y](?:\d+p\d+)?)*)((?:z[a-z0-9]+)?)$/.exec(base);
  if (letters === null || long.some((name) => !/^[a-z][a-z0-9]*$/.test(name))) {
    throw new HartvisorError(
      "invalid-argument",
      `--isa ${isa}: not an RV64 ISA string; write for example "rv64gc_zba"`,
    );
  }
  const single = `${letters[1]}${letters[2]}`.replaceAll(/\d+p\d+/g, "");
  const names = [...single, ...[letters[3] ?? "", ...long].filter((name) => name !== "")];
  return names.flatMap((name) => {
    const bare = name.replace(/(?<=[a-z])\d+p\d+$/, "");
    return IMPLIED[bare] ?? [bare];
  });
}
