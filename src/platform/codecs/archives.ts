/** Decompression of xz and bzip2, whose decoders are loaded when they are needed. */
import type { DecompressOptions, Hasher } from '../interface.ts'
import { type Decoder, drive, type Input } from './decoder.ts'

/**
 * Decompresses a whole stream as `Platform.decompress` does.
 * @param createSha256 starts a SHA-256, which blocks of xz may have as their check
 */
export async function* decompressArchive(
  kind: 'xz' | 'bzip2',
  from: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
  createSha256: () => Hasher,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* drive(kind, await load(kind, createSha256, options.maxDictionary), from, options)
}

async function load(
  kind: 'xz' | 'bzip2',
  createSha256: () => Hasher,
  maxDictionary: number | undefined,
): Promise<(input: Input) => Decoder> {
  if (kind === 'bzip2') return (await import('./bzip2.ts')).bunzip2
  const { unxz } = await import('./xz/unxz.ts')
  return (input) => unxz(input, createSha256, maxDictionary)
}
