/**
 * A module of regions: functions of one type, exported by number, that import
 * the machine's memory, the table of regions, and what they call of the
 * interpreter (Core Specification, 5.5).
 */
import { Type, type ValueType } from "./opcodes.js";
import { ByteWriter } from "./writer.js";

/** A function of the interpreter's that regions call. */
export interface Callee {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result: ValueType;
}

/**
 * A helper of one and the same type: (address, value, detail), of which it need not use all. For each type of function that
 * a module imports, some hosts (V8 in Node 20) compile a wrapper when they compile the module.
 */
export const helper = (name: string): Callee => ({ name, parameters: ["i64", "i64", "i32"], result: "i32" });

const FUNCTION = 0x60;
const ANYFUNC = 0x70;

/** The type of every region: (pc: i64, stack: i32) -> i64. */
export const REGION_TYPE = 0;

/** Writers that keep their room from one function, and one module, to the next. */
export interface Writers {
  /** The three parts of the function that is being written, which are made in another order than they stand. */
  readonly head: ByteWriter;
  readonly body: ByteWriter;
  readonly tail: ByteWriter;
  /** The functions that are done. */
  readonly functions: ByteWriter;
  readonly section: ByteWriter;
  readonly module: ByteWriter;
}

export function makeWriters(): Writers {
  const writer = () => new ByteWriter();
  return {
    ...{ head: writer(), body: writer(), tail: writer() },
    ...{ functions: writer(), section: writer(), module: writer() },
  };
}

export class ModuleBuilder {
  readonly writers: Writers;
  readonly #types: Callee[] = [{ name: "", parameters: ["i64", "i32"], result: "i64" }];
  readonly #typeIndex = new Map<string, number>([["i64,i32>i64", REGION_TYPE]]);
  readonly #callees: { readonly callee: Callee; readonly type: number }[] = [];
  readonly #calleeIndex = new Map<string, number>();
  readonly #functions: { readonly bytes: number; readonly unlikely: readonly number[] }[] = [];

  /** Begins a module, for which nothing else may use the writers. */
  constructor(writers: Writers = makeWriters()) {
    this.writers = writers;
    for (const writer of Object.values(writers) as ByteWriter[]) writer.reset();
  }

  /** Bytes of a function that was added: its locals and code. */
  functionBytes(number: number): number {
    return this.#functions[number]?.bytes ?? 0;
  }

  /** The index by which code calls a function of the interpreter's. */
  callee(callee: Callee): number {
    const known = this.#calleeIndex.get(callee.name);
    if (known !== undefined) return known;
    const key = `${callee.parameters}>${callee.result}`;
    let type = this.#typeIndex.get(key);
    if (type === undefined) {
      type = this.#types.push(callee) - 1;
      this.#typeIndex.set(key, type);
    }
    const index = this.#callees.push({ callee, type }) - 1;
    this.#calleeIndex.set(callee.name, index);
    return index;
  }

  /**
   * Adds a region's function, whose locals and code are in the three writers as the code section has them, and empties these;
   * `unlikely` are the offsets of branches that are seldom taken.
   */
  addFunction(unlikely: readonly number[] = []): void {
    const { head, body, tail, functions } = this.writers;
    const bytes = head.length + body.length + tail.length;
    functions.unsigned(bytes);
    for (const part of [head, body, tail]) {
      functions.append(part.view());
      part.reset();
    }
    this.#functions.push({ bytes, unlikely });
  }

  /** The module's bytes, valid until the writers serve another. Memory and table must have been made with these limits. */
  finish(memoryPages: number, tableSize: number): Uint8Array<ArrayBuffer> {
    const { module: out, section: content } = this.writers;
    out.append([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, fill: (content: ByteWriter) => void) => {
      content.reset();
      fill(content);
      out.byte(id);
      out.unsigned(content.length);
      out.append(content.view());
    };
    section(1, (types) => {
      types.unsigned(this.#types.length);
      for (const { parameters, result } of this.#types) {
        types.byte(FUNCTION);
        types.unsigned(parameters.length);
        for (const parameter of parameters) types.byte(Type[parameter]);
        types.unsigned(1);
        types.byte(Type[result]);
      }
    });
    section(2, (imports) => {
      imports.unsigned(2 + this.#callees.length);
      for (const { callee, type } of this.#callees) {
        imports.name("i");
        imports.name(callee.name);
        imports.byte(0);
        imports.unsigned(type);
      }
      imports.name("e");
      imports.name("memory");
      imports.append([2, 1]); // with a maximum
      imports.unsigned(memoryPages);
      imports.unsigned(memoryPages);
      imports.name("e");
      imports.name("table");
      imports.append([1, ANYFUNC, 0]);
      imports.unsigned(tableSize);
    });
    section(3, (functions) => {
      functions.unsigned(this.#functions.length);
      for (let n = 0; n < this.#functions.length; n++) functions.unsigned(REGION_TYPE);
    });
    section(7, (exports) => {
      exports.unsigned(this.#functions.length);
      for (let n = 0; n < this.#functions.length; n++) {
        exports.name(String(n));
        exports.byte(0);
        exports.unsigned(this.#callees.length + n);
      }
    });
    section(0, (hints) => this.#writeHints(hints));
    section(10, (functions) => {
      functions.unsigned(this.#functions.length);
      functions.append(this.writers.functions.view());
    });
    return out.view();
  }

  /** Branch hints (Branch Hinting proposal): hosts that know them move what is unlikely out of the way. */
  #writeHints(hints: ByteWriter): void {
    hints.name("metadata.code.branch_hint");
    hints.unsigned(this.#functions.length);
    for (const [n, { unlikely }] of this.#functions.entries()) {
      hints.unsigned(this.#callees.length + n);
      hints.unsigned(unlikely.length);
      for (const offset of unlikely) {
        hints.unsigned(offset);
        hints.append([1, 0]);
      }
    }
  }
}
