/**
 * A commit as a tar archive: GNU tar, the very bytes libarchive makes of it for `ostree export`.
 *
 *   ./            the root; or the prefix by itself, where there is one
 *   a  b/  b/c    below it files first, then directories; the prefix stands before each name as it is
 *
 * Every entry has the time of the commit. The format has no place for extended attributes, and a file that the commit
 * has twice is there twice. Names and link targets above 100 bytes go before the header, in an entry of their own.
 *
 * Source: ostree-repo-libarchive.c (ostree_repo_export_tree_to_archive, file_to_archive_entry_common); libarchive,
 * archive_write_set_format_gnutar.c.
 */

import { type Checksum, encodeUtf8 } from '../../bytes.ts'
import { IoError } from '../../errors.ts'
import { type DirMeta, isSymlink } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { END_OF_ARCHIVE, HeaderBlock, paddingFor, SlabBuffer } from '../../tar/index.ts'
import { commitRoot, lookupPath, type TreeEntry, walkTree } from '../core/path.ts'
import type { Repo } from '../repo.ts'

export interface ExportTarOptions extends Pick<ProgressOptions, 'signal'> {
  /** The directory to export in place of the root. */
  readonly subpath?: string | undefined
  /** Put before each path, without a slash between. */
  readonly prefix?: string | undefined
}

/** Bytes of the name and link name fields. */
const FIELD = 100
/** Content of so many bytes goes out as it is, rather than be copied. */
const LARGE = 1 << 16
const LARGEST_TIME = 8 ** 11 - 1
const LONG_NAME = encodeUtf8('././@LongLink')
const ROOT = encodeUtf8('root')
const WHEEL = encodeUtf8('wheel')
const NUL = Uint8Array.of(0)

/**
 * The archive, its end included, in pieces that may be reused once the next is asked for.
 * @throws {RefNotFoundError}, {ObjectNotFoundError}; {PathNotFoundError}, {IoError} `Not a directory` for the subpath
 */
export async function* exportTar(
  repo: Repo,
  rev: string,
  { subpath, prefix = '', signal }: ExportTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const commit = await repo.resolve(rev)
  const time = timeField((await repo.readCommit(commit)).timestamp)
  const root = await commitRoot(repo.objects, commit)
  const start = subpath === undefined ? root : await lookupPath(repo.objects, root, subpath)
  if (start.kind === 'file') throw new IoError('Not a directory', 'ENOTDIR', start.path)
  const cut = start.path === '/' ? 1 : start.path.length + 1
  const metas = new Map<Checksum, DirMeta>()
  const out = new SlabBuffer()
  for await (const entry of walkTree(repo.objects, start, { signal })) {
    const path = pathOf(entry, prefix, cut)
    if (entry.kind === 'directory') {
      const meta = metas.get(entry.meta) ?? (await repo.readDirMeta(entry.meta))
      metas.set(entry.meta, meta)
      putHeader(out, { ...meta, type: 'directory', path, target: '', size: 0, time })
    } else {
      const reading = repo.objects.readFile(entry.checksum)
      const { header, size, body } = reading instanceof Promise ? await reading : reading
      putHeader(out, { ...header, type: isSymlink(header) ? 'symlink' : 'file', path, size, time })
      if (body instanceof Uint8Array) {
        if (body.length < LARGE) out.put(body)
        else {
          yield* out.all()
          yield body
        }
      } else {
        for await (const piece of body) {
          out.put(piece)
          if (out.hasFull) yield* out.full()
        }
      }
      out.put(paddingFor(size))
    }
    if (out.hasFull) yield* out.full()
  }
  out.put(END_OF_ARCHIVE)
  yield* out.full()
  yield out.rest()
}

function pathOf({ kind, path }: TreeEntry, prefix: string, cut: number): string {
  const full = `${prefix}${path.slice(cut)}`
  if (full === '') return './'
  return kind === 'directory' && !full.endsWith('/') ? `${full}/` : full
}

/** What has no octal digits becomes the nearest that has. */
function timeField(timestamp: bigint): number {
  const seconds = Number(BigInt.asIntN(64, timestamp))
  return Math.min(Math.max(seconds, 0), LARGEST_TIME)
}

interface EntryFields {
  readonly type: 'file' | 'directory' | 'symlink'
  readonly path: string
  readonly target: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly size: number
  readonly time: number
}

/** The header in the making: nothing of it is left behind once it is put. */
const block = new HeaderBlock('gnu')

function putHeader(out: SlabBuffer, { type, path, target, uid, gid, mode, size, time }: EntryFields): void {
  const name = encodeUtf8(path)
  const linkName = encodeUtf8(target)
  putLong(out, 'K', linkName, linkName)
  putLong(out, 'L', name, linkName)
  block.clear()
  block.name = name.subarray(0, FIELD)
  block.linkName = linkName.subarray(0, FIELD)
  block.mode = mode & 0o7777
  block.uid = uid
  block.gid = gid
  block.size = size
  block.mtime = time
  block.type = type
  out.put(block.sealed(6))
}

/** The entry that carries a text too long for its field; nothing where it fits. */
function putLong(out: SlabBuffer, type: 'K' | 'L', text: Uint8Array, linkName: Uint8Array): void {
  if (text.length <= FIELD) return
  const size = text.length + 1
  block.clear()
  block.name = LONG_NAME
  block.linkName = linkName.subarray(0, FIELD)
  block.mode = 0
  block.uid = 0
  block.gid = 0
  block.size = size
  block.userName = ROOT
  block.groupName = WHEEL
  block.type = type
  for (const bytes of [block.sealed(6), text, NUL, paddingFor(size)]) out.put(bytes)
}
