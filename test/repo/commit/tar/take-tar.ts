/** Imports archives into a repository in memory, and lists the files of the tree. */
import type { Checksum } from '../../../../src/bytes.ts'
import { DirMeta, type Xattrs } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { importTar } from '../../../../src/repo/commit/commit.ts'
import {
  createMemoryStorage,
  type ModifierOptions,
  MutableTree,
  Repo,
  type RepoMode,
  type TarInputOptions,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../../../src/repo/index.ts'
import { CommitModifier } from '../../../../src/repo/internal.ts'
import { type TarEntry, tarBytes } from '../../../support/tar-bytes.ts'

export interface TakeOptions extends TarInputOptions {
  readonly mode?: RepoMode
  readonly modifier?: ModifierOptions
  /** Size in bytes of the pieces in which the archive comes. */
  readonly chunk?: number
  /** Entries of an archive that is imported before into the same tree. */
  readonly below?: readonly TarEntry[]
}

export interface Taken {
  readonly commit: Checksum
  /** Lines of `mode uid:gid path [xattrs] [= content or target]`. */
  readonly listing: readonly string[]
}

/** Yields bytes in pieces. */
export async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  // All pieces are in the same buffer, which the interface allows.
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xee)
  }
}

/** Imports an archive. */
export async function take(entries: readonly TarEntry[] | Uint8Array, options: TakeOptions = {}): Promise<Taken> {
  const {
    mode = 'archive',
    autocreateParents = true,
    rename,
    maxLinkMemory,
    lastEntryWins,
    chunk = 10240,
    below,
  } = options
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
  const modifier = options.modifier && new CommitModifier(repo, options.modifier)
  const tx = await repo.begin()
  try {
    const into = new MutableTree()
    if (below !== undefined) await importTar(repo, tx, chunks(tarBytes(below), chunk), { autocreateParents, into })
    const bytes = entries instanceof Uint8Array ? entries : tarBytes(entries)
    const tree = await importTar(repo, tx, chunks(bytes, chunk), {
      autocreateParents,
      rename,
      maxLinkMemory,
      lastEntryWins,
      modifier,
      into,
    })
    const commit = await writeCommit(tx, { root: await writeTree(tx, tree), timestamp: 0n })
    const listing: string[] = []
    await list(tx, tree, '/', listing)
    return { commit, listing }
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

async function list(tx: Transaction, tree: MutableTree, path: string, into: string[]): Promise<void> {
  const { uid, gid, mode, xattrs } = DirMeta.decode(await tx.readMeta('dirmeta', tree.meta as Checksum))
  into.push(`${mode.toString(8)} ${uid}:${gid} ${path}${shown(xattrs)}`)
  const prefix = path === '/' ? '/' : `${path}/`
  for (const [name, checksum] of [...tree.files].sort()) {
    const { header, body, size } = await tx.readFile(checksum)
    const content = body instanceof Uint8Array ? new TextDecoder().decode(body.subarray(0, 20)) : `${size}`
    const owner = `${header.mode.toString(8)} ${header.uid}:${header.gid}`
    into.push(`${owner} ${prefix}${name}${shown(header.xattrs)} = ${header.target || content}`)
  }
  for (const [name, child] of [...tree.dirs].sort(([a], [b]) => (a < b ? -1 : 1)))
    await list(tx, child, prefix + name, into)
}

function shown(xattrs: Xattrs): string {
  return xattrs
    .map(([name, value]) => ` ${Buffer.from(name).toString()}:${Buffer.from(value).toString('latin1')}`)
    .join('')
}

/** Imports an archive. @returns its listing without modes and owners */
export async function paths(entries: readonly TarEntry[], options?: TakeOptions): Promise<string[]> {
  const { listing } = await take(entries, options)
  return listing.map((line) => line.replace(/^\d+ \d+:\d+ /, ''))
}
