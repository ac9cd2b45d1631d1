/** Streams of tar in tests: whole, in pieces, as a list of what is in them. */
import { concatBytes, decodeUtf8 } from '../../src/bytes.ts'
import { exportCommit } from '../../src/container/encapsulate/tar-export.ts'
import { importCommitLayer } from '../../src/container/ostree-tar/ostree-tar.ts'
import type { Platform } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { type TarHeader, TarParser } from '../../src/tar/index.ts'

/** One piece, and it is gone once the next is asked for. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const piece = bytes.slice()
  yield piece
  piece.fill(0xee)
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk.slice())
  return concatBytes(parts)
}

export function memoryRepo(mode: RepoMode = 'bare-user', platform: Platform = nodePlatform): Promise<Repo> {
  return Repo.open(createMemoryStorage({ platform, mode }), platform)
}

/** A repository with the commit of such a stream, and nothing else. */
export async function repoFrom(tar: Uint8Array, mode?: RepoMode, platform?: Platform): Promise<Repo> {
  const repo = await memoryRepo(mode, platform)
  await repo.transaction((tx) => importCommitLayer(repo, tx, once(tar)))
  return repo
}

export function exported(repo: Repo, rev: string): Promise<Uint8Array> {
  return collect(exportCommit(repo, rev))
}

export interface ListedEntry extends Omit<TarHeader, 'path' | 'linkPath'> {
  readonly path: string
  readonly linkPath: string
  readonly body: Uint8Array
}

export function entriesOf(tar: Uint8Array): ListedEntry[] {
  const found: ListedEntry[] = []
  let header: TarHeader | undefined
  let parts: Uint8Array[] = []
  const parser = new TarParser({
    entry(next) {
      header = next
      parts = []
    },
    data(bytes) {
      parts.push(bytes.slice())
    },
    end() {
      if (header === undefined) return
      const { path, linkPath, pax, ...rest } = header
      const records = pax.map(({ key, value }) => ({ key, value: value.slice() }))
      const names = { path: decodeUtf8(path) ?? '', linkPath: decodeUtf8(linkPath) ?? '' }
      found.push({ ...rest, ...names, pax: records, body: concatBytes(parts) })
    },
  })
  parser.push(tar)
  parser.finish()
  return found
}
