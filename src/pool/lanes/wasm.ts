/**
 * Instructions as bytes, nested as expressions are: the code of an operation on a stack machine is
 * that of its operands, then its own. Source of every number here: WebAssembly Core Specification
 * 2.0, chapter 5 (binary format).
 */
export type Code = number | readonly Code[]

/** A local variable or parameter of the function that the code stands in. */
export type Local = number

/** LEB128 of an unsigned integer. */
function unsigned(n: number): Code {
  return n < 0x80 ? [n] : [(n & 0x7f) | 0x80, unsigned(n >>> 7)]
}

/** LEB128 of a signed 32-bit integer. */
function signed(n: number): Code {
  const isLast = n >= -64 && n < 64
  return isLast ? [n & 0x7f] : [(n & 0x7f) | 0x80, signed(n >> 7)]
}

/** What a memory access is told: how it is aligned (log2 of bytes), and what is added. */
const place = (alignLog2: number, offset: number): Code => [alignLog2, unsigned(offset)]
const vector = (opcode: number): Code => [0xfd, unsigned(opcode)]

export const get = (local: Local): Code => [0x20, unsigned(local)]
export const set = (local: Local, value: Code): Code => [value, 0x21, unsigned(local)]
export const call = (index: number, ...values: readonly Code[]): Code => [
  ...values,
  0x10,
  unsigned(index),
]

/** Runs the body, then again while the condition holds after it. */
export const repeatWhile = (condition: Code, body: Code): Code => [
  [0x03, 0x40],
  body,
  condition,
  [0x0d, 0x00],
  0x0b,
]
/** Runs the body while the condition holds, which may be never. */
export const onlyWhile = (condition: Code, body: Code): Code => [
  [condition, 0x04, 0x40],
  repeatWhile(condition, body),
  0x0b,
]

/** 32-bit integers: addresses and counters. */
export const i32 = {
  const: (n: number): Code => [0x41, signed(n | 0)],
  add: (a: Code, b: Code): Code => [a, b, 0x6a],
  isLess: (a: Code, b: Code): Code => [a, b, 0x49],
}

/** 128 bits at an address, which is a multiple of 16. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, vector(0x00), place(4, offset)],
  store: (address: Code, value: Code, offset = 0): Code => [
    address,
    value,
    vector(0x0b),
    place(4, offset),
  ],
  /** The value with one lane replaced by the 32-bit integer there. */
  loadLane: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    vector(0x56),
    place(2, offset),
    lane,
  ],
  storeLane: (address: Code, value: Code, lane: number, offset = 0): Code => [
    address,
    value,
    vector(0x5a),
    place(2, offset),
    lane,
  ],
  and: (a: Code, b: Code): Code => [a, b, vector(0x4e)],
  xor: (a: Code, b: Code): Code => [a, b, vector(0x51)],
}

/** Four 32-bit integers side by side. */
export const i32x4 = {
  splat: (n: Code): Code => [n, vector(0x11)],
  add: (a: Code, b: Code): Code => [a, b, vector(0xae)],
  shiftLeft: (a: Code, bits: number): Code => [a, i32.const(bits), vector(0xab)],
  shiftRight: (a: Code, bits: number): Code => [a, i32.const(bits), vector(0xad)],
  /** Each lane with its bytes in the opposite order. */
  swapBytes: (a: Code, scratch: Local): Code =>
    shuffleBytes(set(scratch, a), scratch, [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]),
}

function shuffleBytes(before: Code, from: Local, bytes: readonly number[]): Code {
  return [before, get(from), get(from), vector(0x0d), bytes]
}

/** A function of 32-bit parameters and no result; its locals are numbered in this order. */
export type FunctionCode = {
  readonly parameters: number
  readonly integers: number
  readonly vectors: number
  readonly body: Code
}

const VALUE_I32 = 0x7f
const VALUE_V128 = 0x7b

/**
 * A module with one memory, exported as `memory`.
 *
 * @param functions called by their place in this list; those with a name are exported under it
 */
export function moduleBytes(
  functions: readonly (FunctionCode & { readonly name?: string })[],
  memoryPages: number,
): Uint8Array<ArrayBuffer> {
  const exported = functions.flatMap(({ name }, index) =>
    name === undefined ? [] : [[text(name), 0x00, unsigned(index)]],
  )
  const types = functions.map(({ parameters }) => [
    0x60,
    list(Array.from({ length: parameters }, () => VALUE_I32)),
    list([]),
  ])
  return toBytes([
    [0x00, 0x61, 0x73, 0x6d],
    [0x01, 0x00, 0x00, 0x00],
    section(1, list(types)),
    section(3, list(functions.map((_, index) => unsigned(index)))),
    section(5, list([[0x01, unsigned(memoryPages), unsigned(memoryPages)]])),
    section(7, list([[text('memory'), 0x02, 0x00], ...exported])),
    section(10, list(functions.map(functionBytes))),
  ])
}

function functionBytes({ integers, vectors, body }: FunctionCode): Code {
  const locals = list([
    [unsigned(integers), VALUE_I32],
    [unsigned(vectors), VALUE_V128],
  ])
  return sized([locals, body, 0x0b])
}

const section = (id: number, content: Code): Code => [id, sized(content)]
const list = (items: readonly Code[]): Code => [unsigned(items.length), items]
const text = (name: string): Code => list([...name].map(char => char.charCodeAt(0)))

function sized(content: Code): Code {
  const bytes = toBytes(content)
  return [unsigned(bytes.length), [...bytes]]
}

function toBytes(code: Code): Uint8Array<ArrayBuffer> {
  const bytes: number[] = []
  const add = (part: Code) => {
    if (typeof part === 'number') bytes.push(part)
    else part.forEach(add)
  }
  add(code)
  return Uint8Array.from(bytes)
}
