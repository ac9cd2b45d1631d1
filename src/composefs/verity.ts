/**
 * fs-verity digests as the kernel computes them: SHA-256, blocks of 4,096 bytes, no salt.
 *
 * The data are hashed block by block; the hashes are concatenated and hashed block by block again, until one hash is
 * left. The digest is the SHA-256 of a descriptor with that root hash and the length.
 *
 * Source: Linux, Documentation/filesystems/fsverity.rst.
 */

import type { Checksum, Content } from '../bytes.ts'
import { fromHex } from '../bytes.ts'
import type { Hasher, Platform } from '../platform/index.ts'

const BLOCK = 4096
const HASH = 32
/** Bytes of the descriptor, and the offsets in it. */
const DESCRIPTOR = 256
const DATA_SIZE_AT = 8
const ROOT_HASH_AT = 16

/** One level of the hash tree: the hashes of one block that is not full yet. */
interface Level {
  readonly block: Uint8Array
  /** Bytes used of `block`. */
  used: number
  /** Hashes that this level has had in all. */
  count: number
}

/** Computes the fs-verity digest of data that come piece by piece. Memory: 4 KiB for each factor 128 of the size. */
export class VerityHasher implements Hasher {
  readonly #platform: Platform
  readonly #partial = new Uint8Array(BLOCK)
  readonly #levels: Level[] = []
  #used = 0
  #size = 0

  constructor(platform: Platform) {
    this.#platform = platform
  }

  update(bytes: Uint8Array): void {
    this.#size += bytes.length
    let at = 0
    if (this.#used > 0) {
      at = Math.min(BLOCK - this.#used, bytes.length)
      this.#partial.set(bytes.subarray(0, at), this.#used)
      this.#used += at
      if (this.#used < BLOCK) return
      this.#hashBlock(this.#partial, 0)
      this.#used = 0
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#hashBlock(bytes.subarray(at, at + BLOCK), 0)
    this.#partial.set(bytes.subarray(at))
    this.#used = bytes.length - at
  }

  digest(): Checksum {
    if (this.#used > 0) this.#hashBlock(this.#partial.fill(0, this.#used), 0)
    const descriptor = new Uint8Array(DESCRIPTOR)
    const view = new DataView(descriptor.buffer)
    view.setUint8(0, 1) // version of the descriptor
    view.setUint8(1, 1) // SHA-256
    view.setUint8(2, Math.log2(BLOCK))
    view.setBigUint64(DATA_SIZE_AT, BigInt(this.#size), true)
    descriptor.set(this.#rootHash(), ROOT_HASH_AT)
    return this.#platform.sha256(descriptor)
  }

  /** Returns the hash that is left at the top: zeros for no data, else that of the only block of the highest level. */
  #rootHash(): Uint8Array {
    let root: Uint8Array = new Uint8Array(HASH)
    // Filling up one level may add a level above it, which the loop then reaches.
    for (let i = 0; i < this.#levels.length; i++) {
      const { block, used, count } = this.#levels[i] as Level
      root = block.subarray(0, HASH)
      if (count > 1 && used < BLOCK) this.#hashBlock(block.fill(0, used), i + 1)
    }
    return root
  }

  /** Hashes a whole block, and adds the hash to a level. */
  #hashBlock(block: Uint8Array, into: number): void {
    let level = this.#levels[into]
    if (level === undefined) {
      level = { block: new Uint8Array(BLOCK), used: 0, count: 0 }
      this.#levels.push(level)
    }
    if (level.used === BLOCK) level.used = 0
    level.block.set(fromHex(this.#platform.sha256(block)), level.used)
    level.used += HASH
    level.count++
    if (level.used === BLOCK) this.#hashBlock(level.block, into + 1)
  }
}

/** Returns the fs-verity digest of `content`, as hex. */
export async function verityDigest(platform: Platform, content: Content): Promise<Checksum> {
  const hasher = new VerityHasher(platform)
  if (content instanceof Uint8Array) hasher.update(content)
  else for await (const chunk of content) hasher.update(chunk)
  return hasher.digest()
}
