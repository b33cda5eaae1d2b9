#!/usr/bin/env node
/** The `hartvisor` command. What it does is in `cli/`; this file only starts it. */
import { main } from "./cli/main.js";
import { enableWasmFeatures } from "./host/node/v8-flags.js";

enableWasmFeatures();

await main(process.argv.slice(2));
