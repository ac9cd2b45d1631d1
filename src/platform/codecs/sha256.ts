/** SHA-256 for the portable platform: in WebAssembly, or in JavaScript where a page may not compile that. */

import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { type Checksum, toHex } from '../../bytes.ts'
import type { Hasher } from '../interface.ts'
import { BLOCKS_AT, BLOCKS_BYTES, CONSTANTS_AT, type Sha256Module, STATE_AT, sha256Binary } from './sha256-module.ts'

const BLOCK = 64

/** Returns the first 32 bits after the point of a root. */
function fraction(root: number): number {
  return Math.floor((root - Math.floor(root)) * 2 ** 32)
}

/** Returns the first primes. */
function primes(count: number): number[] {
  const found: number[] = []
  for (let next = 2; found.length < count; next++) if (found.every((prime) => next % prime !== 0)) found.push(next)
  return found
}

/** Loads the module. `undefined` if the runtime has no WebAssembly, or a policy of the page forbids it. */
export function loadSha256(): Sha256Module | undefined {
  if (typeof WebAssembly === 'undefined') return undefined
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(sha256Binary()))
    const memory = new Uint8Array((exports['memory'] as WebAssembly.Memory).buffer)
    const view = new DataView(memory.buffer)
    for (const [i, prime] of primes(64).entries())
      view.setUint32(CONSTANTS_AT + 4 * i, fraction(Math.cbrt(prime)), true)
    const module = { memory, compress: exports['compress'] as (blocks: number) => void }
    // The constants come from functions that a runtime may round as it likes.
    const sample = Uint8Array.from({ length: 100 }, (_, i) => i)
    return hashOf(new WasmHasher(module), sample) === hashOf(new NobleHasher(), sample) ? module : undefined
  } catch {
    return undefined
  }
}

/** The state before the first block, as the memory of the module has it. */
const START = new Uint8Array(Uint32Array.from(primes(8), (prime) => fraction(Math.sqrt(prime))).buffer)

/** A hasher of a module that all of them share: each keeps its state and an unfinished block. */
export class WasmHasher implements Hasher {
  readonly #module: Sha256Module
  readonly #state = new Uint8Array(START)
  readonly #block = new Uint8Array(BLOCK)
  #filled = 0
  #length = 0

  constructor(module: Sha256Module) {
    this.#module = module
  }

  update(bytes: Uint8Array): void {
    this.#length += bytes.length
    let at = 0
    if (this.#filled > 0) {
      at = Math.min(BLOCK - this.#filled, bytes.length)
      this.#block.set(bytes.subarray(0, at), this.#filled)
      this.#filled += at
      if (this.#filled < BLOCK) return
      this.#compress(this.#block)
      this.#filled = 0
    }
    const whole = bytes.length - ((bytes.length - at) % BLOCK)
    if (whole > at) this.#compress(bytes.subarray(at, whole))
    this.#block.set(bytes.subarray(whole))
    this.#filled = bytes.length - whole
  }

  /** Adds whole blocks. */
  #compress(bytes: Uint8Array): void {
    const { memory, compress } = this.#module
    memory.set(this.#state, STATE_AT)
    for (let at = 0; at < bytes.length; at += BLOCKS_BYTES) {
      const part = bytes.subarray(at, at + BLOCKS_BYTES)
      memory.set(part, BLOCKS_AT)
      compress(part.length / BLOCK)
    }
    this.#state.set(memory.subarray(STATE_AT, STATE_AT + 32))
  }

  digest(): Checksum {
    const length = this.#length
    const padding = new Uint8Array((this.#filled < 56 ? BLOCK : 2 * BLOCK) - this.#filled)
    padding[0] = 0x80
    const view = new DataView(padding.buffer)
    view.setUint32(padding.length - 8, Math.floor(length / 2 ** 29))
    view.setUint32(padding.length - 4, (length % 2 ** 29) * 8)
    this.update(padding)
    const digest = new DataView(new ArrayBuffer(32))
    const words = new Uint32Array(this.#state.buffer)
    for (const [i, one] of words.entries()) digest.setUint32(4 * i, one)
    return toHex(new Uint8Array(digest.buffer)) as Checksum
  }
}

class NobleHasher implements Hasher {
  readonly #hash = nobleSha256.create()

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  digest(): Checksum {
    return toHex(this.#hash.digest()) as Checksum
  }
}

function hashOf(hasher: Hasher, bytes: Uint8Array): Checksum {
  hasher.update(bytes)
  return hasher.digest()
}

let loaded: { readonly module: Sha256Module | undefined } | undefined

/** Creates a hasher. The module is loaded when the first one is made. */
export function createSha256(): Hasher {
  loaded ??= { module: loadSha256() }
  return loaded.module === undefined ? new NobleHasher() : new WasmHasher(loaded.module)
}
