/**
 * SHA-256 in WebAssembly, which hashes twice as fast as JavaScript does. The module is generated here: 16
 * rounds are written out, whose message schedule is in local variables, and a loop repeats them. It stays below 4 KiB,
 * which pages of every browser may compile at once. Source: FIPS 180-4; the binary format of WebAssembly 1.0.
 *
 * Memory of the module:
 *
 *        0   32  the state, 8 × uint32
 *       64  256  the constants K, 64 × uint32
 *     1024       blocks of 64 bytes
 */

export const STATE_AT = 0
export const CONSTANTS_AT = 64
export const BLOCKS_AT = 1024
const PAGE = 65_536
const PAGES = 2
/** Bytes of blocks that the memory has room for. */
export const BLOCKS_BYTES = PAGE

/** The loaded module. */
export interface Sha256Module {
  readonly memory: Uint8Array
  /** Adds blocks of 64 bytes at `BLOCKS_AT` to the state. */
  readonly compress: (blocks: number) => void
}

// Local variables: the argument, the address of the block, 4 × the round, the working variables a to h, w0 to w15, and masks
// of bytes.
const BLOCKS = 0
const ADDRESS = 1
const ROUND = 2
const WORKING = 3
const SCHEDULE = 11
const EVEN_BYTES = 27
const ODD_BYTES = 28
const LOCALS = 28
const [ADD, AND, OR, XOR, SHR_U, ROTR] = [0x6a, 0x71, 0x72, 0x73, 0x76, 0x78] as const

const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const tee = (local: number): number[] => [0x22, local]
const constant = (value: number): number[] => [0x41, ...signed(value)]
const load = (offset: number): number[] => [0x28, 2, ...unsigned(offset)]
const store = (offset: number): number[] => [0x36, 2, ...unsigned(offset)]
const rotr = (local: number, bits: number): number[] => [...get(local), ...constant(bits), ROTR]
const working = (index: number, round: number): number => WORKING + ((index - round + 64) % 8)
const word = (index: number): number => SCHEDULE + (index % 16)

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...unsigned(Math.floor(value / 128))]
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}

/** The XOR of two rotations and a third one or a shift. */
function mixed(local: number, one: number, two: number, three: number, last: number = ROTR): number[] {
  return [...rotr(local, one), ...rotr(local, two), XOR, ...get(local), ...constant(three), last, XOR]
}

/** Reads a word of the block in big-endian order, and leaves it on the stack. */
function readWord(index: number): number[] {
  return [
    ...[...get(ADDRESS), ...load(4 * index), ...tee(word(index))],
    ...[...constant(8), ROTR, ...get(ODD_BYTES), AND],
    ...[...rotr(word(index), 24), ...get(EVEN_BYTES), AND, OR],
    ...tee(word(index)),
  ]
}

/** Replaces the word of 16 rounds ago, and leaves the new one on the stack. */
function nextWord(index: number): number[] {
  return [
    ...get(word(index)),
    ...[...mixed(word(index + 14), 17, 19, 10, SHR_U), ADD],
    ...[...get(word(index + 9)), ADD],
    ...[...mixed(word(index + 1), 7, 18, 3, SHR_U), ADD],
    ...tee(word(index)),
  ]
}

/** A round. Its word is on the stack. */
function round(index: number): number[] {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = Array.from({ length: 8 }, (_, i) =>
    working(i, index),
  )
  return [
    // h = h + K + w + Σ1(e) + Ch(e, f, g)
    ...[...get(h), ADD, ...get(ROUND), ...load(CONSTANTS_AT + 4 * index), ADD],
    ...[...mixed(e, 6, 11, 25), ADD],
    ...[...get(f), ...get(g), XOR, ...get(e), AND, ...get(g), XOR, ADD],
    ...[...tee(h), ...get(d), ADD, ...set(d)],
    // h = h + Σ0(a) + Maj(a, b, c)
    ...[...get(h), ...mixed(a, 2, 13, 22), ADD],
    ...[...get(a), ...get(b), XOR, ...get(c), AND, ...get(a), ...get(b), AND, XOR, ADD],
    ...set(h),
  ]
}

function compressBody(): number[] {
  const sixteen = Array.from({ length: 16 }, (_, i) => i)
  const eight = sixteen.slice(0, 8)
  const loop = [0x03, 0x40]
  const end = 0x0b
  const branchIf = [0x0d, 0]
  return [
    ...[...constant(BLOCKS_AT), ...set(ADDRESS)],
    ...[...constant(0x00ff00ff), ...set(EVEN_BYTES), ...constant(~0x00ff00ff), ...set(ODD_BYTES)],
    ...loop,
    ...eight.flatMap((i) => [...constant(0), ...load(STATE_AT + 4 * i), ...set(WORKING + i)]),
    ...[...constant(0), ...set(ROUND)],
    ...sixteen.flatMap((i) => [...readWord(i), ...round(i)]),
    ...loop,
    ...[...get(ROUND), ...constant(64), ADD, ...set(ROUND)],
    ...sixteen.flatMap((i) => [...nextWord(i), ...round(i)]),
    ...[...get(ROUND), ...constant(192), 0x48, ...branchIf, end], // less than, signed
    ...eight.flatMap((i) => {
      const sum = [...constant(0), ...load(STATE_AT + 4 * i), ...get(WORKING + i), ADD]
      return [...constant(0), ...sum, ...store(STATE_AT + 4 * i)]
    }),
    ...[...get(ADDRESS), ...constant(64), ADD, ...set(ADDRESS)],
    ...[...get(BLOCKS), ...constant(-1), ADD, 0x22, BLOCKS, ...branchIf, end],
    end,
  ]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): number[] {
  return [text.length, ...Array.from(text, (letter) => letter.charCodeAt(0))]
}

/** Generates the module. It exports `memory` and `compress`. */
export function sha256Binary(): Uint8Array<ArrayBuffer> {
  const i32 = 0x7f
  const body = [1, ...unsigned(LOCALS), i32, ...compressBody()]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, i32, 0]), // the type of functions of one int32 without a result
    ...section(3, [1, 0]),
    ...section(5, [1, 1, PAGES, PAGES]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('compress'), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ])
}
