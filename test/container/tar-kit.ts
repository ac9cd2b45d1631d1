/** Helpers for tar streams in tests. */
import { concatBytes, decodeUtf8 } from '../../src/bytes.ts'
import { exportCommit } from '../../src/container/encapsulate/tar-export.ts'
import { importCommitLayer } from '../../src/container/ostree-tar/ostree-tar.ts'
import type { Platform } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type RepoMode } from '../../src/repo/index.ts'
import { type TarHeader, TarParser } from '../../src/tar/index.ts'

/** Yields all bytes as one piece, which is overwritten when the next piece is requested. */
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

/** Creates a repository in memory that has only the commit of a tar stream. */
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
