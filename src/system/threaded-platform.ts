/** The platform of Node for programs: compression with the bytes of zlib, which takes long, runs in threads. */

import type { Platform } from '../platform/index.ts'
import { deflateExactly } from '../platform/internal.ts'
import { nodePlatformWith } from '../platform/node.ts'
import { loadLzma } from './liblzma.ts'
import type { DeflateThreads } from './threads/deflate-threads.ts'

let loading: Promise<DeflateThreads | undefined> | undefined

/** Loads the threads, once. @returns `undefined` where there are none */
async function loadThreads(): Promise<DeflateThreads | undefined> {
  const { DeflateThreads, deflateThreads } = await import('./threads/deflate-threads.ts')
  const threads = deflateThreads()
  return threads && new DeflateThreads(threads)
}

async function* exactly(from: AsyncIterable<Uint8Array>, level: number): AsyncGenerator<Uint8Array, void, undefined> {
  loading ??= loadThreads()
  const threads = await loading
  yield* threads === undefined ? deflateExactly(from, level) : threads.deflate(from, level)
}

/**
 * The platform of Node: hashing by node:crypto, compression by node:zlib, or by threads where zlib's bytes are asked for,
 * and xz also by liblzma.
 */
export const threadedPlatform: Platform = { ...nodePlatformWith(exactly), xz: loadLzma }
