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

const signature = ({ parameters, result }: Callee) => `${parameters}>${result}`;

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

/**
 * The functions of the interpreter's that the modules of a translator call, each by one number in all of them: so functions
 * can move from module to module.
 */
export class Callees {
  readonly #callees: Callee[] = [];
  readonly #numbers = new Map<string, number>();

  number(callee: Callee): number {
    const known = this.#numbers.get(callee.name);
    if (known !== undefined) return known;
    const number = this.#callees.push(callee) - 1;
    this.#numbers.set(callee.name, number);
    return number;
  }

  at(number: number): Callee {
    return this.#callees[number] as Callee;
  }
}

/** A function as it stands in the code section of any module with the same {@link Callees}. */
export interface FunctionCode {
  /** Its locals and code. */
  readonly bytes: Uint8Array;
  /** Offsets of branches that are seldom taken. */
  readonly unlikely: readonly number[];
  /** Numbers of the functions that it calls. */
  readonly callees: readonly number[];
}

/** The same, while its bytes lie in the writer of functions. */
interface AddedFunction extends Omit<FunctionCode, "bytes"> {
  readonly begin: number;
  readonly end: number;
}

export class ModuleBuilder {
  readonly writers: Writers;
  readonly #callees: Callees;
  /** Those of the function that is being written. */
  readonly #called = new Set<number>();
  readonly #functions: AddedFunction[] = [];

  /** Begins a module, for which nothing else may use the writers. */
  constructor(writers: Writers = makeWriters(), callees: Callees = new Callees()) {
    this.writers = writers;
    this.#callees = callees;
    for (const writer of Object.values(writers) as ByteWriter[]) writer.reset();
  }

  /** A copy of the functions that were added, which may stand in other modules, too. */
  functions(): readonly FunctionCode[] {
    const bytes = this.writers.functions.view().slice();
    return this.#functions.map(({ begin, end, unlikely, callees }) => ({
      ...{ bytes: bytes.subarray(begin, end), unlikely, callees },
    }));
  }

  /** The index by which code calls a function of the interpreter's. */
  callee(callee: Callee): number {
    const number = this.#callees.number(callee);
    this.#called.add(number);
    return number;
  }

  /**
   * Adds a region's function, whose locals and code are in the three writers as the code section has them, and empties these;
   * `unlikely` are the offsets of branches that are seldom taken.
   */
  addFunction(unlikely: readonly number[] = []): void {
    const { head, body, tail, functions } = this.writers;
    functions.unsigned(head.length + body.length + tail.length);
    const begin = functions.length;
    for (const part of [head, body, tail]) {
      functions.append(part.view());
      part.reset();
    }
    this.#functions.push({ begin, end: functions.length, unlikely, callees: [...this.#called] });
    this.#called.clear();
  }

  /** Adds a function of another module, with the same callees. */
  copyFunction({ bytes, unlikely, callees }: FunctionCode): void {
    const { functions } = this.writers;
    functions.unsigned(bytes.length);
    const begin = functions.length;
    functions.append(bytes);
    this.#functions.push({ begin, end: functions.length, unlikely, callees });
  }

  /** The module's bytes, valid until the writers serve another. Memory and table must have been made with these limits. */
  finish(memoryPages: number, tableSize: number): Uint8Array<ArrayBuffer> {
    const { module: out, section: content } = this.writers;
    const imported = this.#imports();
    const types: Callee[] = [{ name: "", parameters: ["i64", "i32"], result: "i64" }];
    const typeOf = new Map([[signature(types[0] as Callee), REGION_TYPE]]);
    for (const callee of imported)
      if (!typeOf.has(signature(callee))) typeOf.set(signature(callee), types.push(callee) - 1);
    out.append([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, fill: (content: ByteWriter) => void) => {
      content.reset();
      fill(content);
      out.byte(id);
      out.unsigned(content.length);
      out.append(content.view());
    };
    section(1, (content) => {
      content.unsigned(types.length);
      for (const { parameters, result } of types) {
        content.byte(FUNCTION);
        content.unsigned(parameters.length);
        for (const parameter of parameters) content.byte(Type[parameter]);
        content.unsigned(1);
        content.byte(Type[result]);
      }
    });
    section(2, (imports) => {
      imports.unsigned(2 + imported.length);
      for (const callee of imported) {
        imports.name("i");
        imports.name(callee.name);
        imports.byte(0);
        imports.unsigned(typeOf.get(signature(callee)) as number);
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
        exports.unsigned(imported.length + n);
      }
    });
    section(0, (hints) => this.#writeHints(hints, imported.length));
    section(10, (functions) => {
      functions.unsigned(this.#functions.length);
      functions.append(this.writers.functions.view());
    });
    return out.view();
  }

  /** What is imported, by number. Numbers that only other modules use get another import, whose type costs nothing more. */
  #imports(): readonly Callee[] {
    const used = new Set(this.#functions.flatMap(({ callees }) => callees));
    const some = Math.min(...used);
    return Array.from({ length: Math.max(-1, ...used) + 1 }, (_, n) => this.#callees.at(used.has(n) ? n : some));
  }

  /** Branch hints (Branch Hinting proposal): hosts that know them move what is unlikely out of the way. */
  #writeHints(hints: ByteWriter, imported: number): void {
    hints.name("metadata.code.branch_hint");
    hints.unsigned(this.#functions.length);
    for (const [n, { unlikely }] of this.#functions.entries()) {
      hints.unsigned(imported + n);
      hints.unsigned(unlikely.length);
      for (const offset of unlikely) {
        hints.unsigned(offset);
        hints.append([1, 0]);
      }
    }
  }
}
