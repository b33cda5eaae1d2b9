/** The function that stands in the table where a region was forgotten: it gives every pc back to the interpreter. */
import { ModuleBuilder } from "../wasm/module.js";
import { Op } from "../wasm/opcodes.js";

const INTERPRET = 1;

export function absentRegion(): unknown {
  const module = new ModuleBuilder();
  module.writers.body.append([0, Op.local_get, 0, Op.i64_const, INTERPRET, Op.i64_or, Op.end]);
  module.addFunction();
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 0 });
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 0 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish(0, 0)), { e: { memory, table } });
  return instance.exports["0"];
}
