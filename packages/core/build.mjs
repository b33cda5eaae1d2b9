/** Builds @hartvisor/core: generates, compiles the interpreter to Wasm, embeds it, bundles. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const node = (script, ...args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });

node(require.resolve("tsx/cli"), "isa/generate/main.ts");

mkdirSync(join(root, "src/generated"), { recursive: true });
const wasm = join(root, "src/generated/interpreter.wasm");
const asc = join(dirname(require.resolve("assemblyscript/package.json")), "bin/asc.js");
// 201 warns of code that is not ready for 64-bit addresses.
node(
  asc,
  "assembly/index.ts",
  "-o",
  wasm,
  "--runtime",
  "stub",
  "-O3",
  "--noAssert",
  "--importMemory",
  "--importTable",
  "--enable",
  "simd",
  "--disableWarning",
  "201",
);
const base64 = readFileSync(wasm).toString("base64");
writeFileSync(
  join(root, "src/generated/interpreter-wasm.ts"),
  `/** assembly/index.ts, compiled and encoded in base64. */\nexport const interpreterWasm =\n  "${base64}";\n`,
);
