/**
 * Exports a commit as a GNU tar archive, byte for byte as libarchive writes it for `ostree export`.
 *
 *   ./            the root, or the prefix if one is given
 *   a  b/  b/c    in each directory first the files, then the subdirectories; each name is preceded by the prefix
 *
 * Every entry has the timestamp of the commit. Extended attributes are dropped, since the format cannot store them. A
 * regular file that occurs several times is written once; later entries are hard links to the first (as since libostree
 * 2023.7). A name or link target above 100 bytes is written before
 * the header, as an entry of its own.
 *
 * Source: ostree-repo-libarchive.c (ostree_repo_export_tree_to_archive, file_to_archive_entry_common); libarchive,
 * archive_write_set_format_gnutar.c.
 */

import { type Checksum, encodeUtf8 } from '../../bytes.ts'
import { IoError } from '../../errors.ts'
import { type DirMeta, isSymlink } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { END_OF_ARCHIVE, HeaderBlock, paddingFor } from '../../tar/index.ts'
import { SlabBuffer } from '../../tar/internal.ts'
import { commitRoot, lookupPath, type TreeEntry, walkTree } from '../core/path.ts'
import type { Repo } from '../repo.ts'

/** Options of `exportTar`: the directory to export, and the names in the archive. */
export interface ExportTarOptions extends ProgressOptions {
  /** Directory to export instead of the root. */
  readonly subpath?: string | undefined
  /** Text to prepend to each path, without a slash between. */
  readonly prefix?: string | undefined
}

/** Entries after which the export reports its progress. */
const ENTRIES_PER_REPORT = 1024
/** Bytes of the name and link name fields. */
const FIELD = 100
/** Content of at least this many bytes is yielded without being copied. */
const LARGE = 1 << 16
/** Largest value of the mtime field, in seconds: 11 octal digits. */
const MAX_TIME = 8 ** 11 - 1
const LONG_NAME = encodeUtf8('././@LongLink')
const ROOT = encodeUtf8('root')
const WHEEL = encodeUtf8('wheel')
const NUL = Uint8Array.of(0)

/**
 * Yields the archive, including its end. Each chunk is valid until the next one is requested.
 * @throws {RefNotFoundError} when `rev` does not exist
 * @throws {ObjectNotFoundError} when an object is missing
 * @throws {PathNotFoundError} or {IoError} `Not a directory` when the subpath does not exist or is a file
 */
export async function* exportTar(
  repo: Repo,
  rev: string,
  { subpath, prefix = '', signal, onProgress }: ExportTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const commit = await repo.resolve(rev)
  const time = timeField((await repo.readCommit(commit)).timestamp)
  const root = await commitRoot(repo.objects, commit)
  const start = subpath === undefined ? root : await lookupPath(repo.objects, root, subpath)
  if (start.kind === 'file') throw new IoError('Not a directory', 'ENOTDIR', start.path)
  const cut = start.path === '/' ? 1 : start.path.length + 1
  const metas = new Map<Checksum, DirMeta>()
  const out = new SlabBuffer()
  /** Names in the archive of the regular files written so far, by checksum. */
  const written = new Map<Checksum, string>()
  let done = 0
  for await (const entry of walkTree(repo.objects, start, { signal })) {
    if (++done % ENTRIES_PER_REPORT === 0) onProgress?.({ kind: 'entries', done })
    const path = pathOf(entry, prefix, cut)
    if (entry.kind === 'directory') {
      const meta = metas.get(entry.meta) ?? (await repo.readDirMeta(entry.meta))
      metas.set(entry.meta, meta)
      putHeader(out, { ...meta, type: 'directory', path, target: '', size: 0, time })
    } else {
      const first = written.get(entry.checksum)
      if (first !== undefined) {
        const { header } = await repo.objects.statFile(entry.checksum)
        putHeader(out, { ...header, type: 'hardlink', path, target: first, size: 0, time })
        if (out.hasFull) yield* out.full()
        continue
      }
      const reading = repo.objects.readFile(entry.checksum)
      const { header, size, body } = reading instanceof Promise ? await reading : reading
      if (isSymlink(header)) putHeader(out, { ...header, type: 'symlink', path, size, time })
      else {
        putHeader(out, { ...header, type: 'file', path, target: '', size, time })
        written.set(entry.checksum, path)
      }
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
  onProgress?.({ kind: 'entries', done })
  out.put(END_OF_ARCHIVE)
  yield* out.full()
  yield out.rest()
}

/** Returns the name of an entry. @param cut length of the part of its path to replace with the prefix */
function pathOf({ kind, path }: TreeEntry, prefix: string, cut: number): string {
  const full = `${prefix}${path.slice(cut)}`
  if (full === '') return './'
  return kind === 'directory' && !full.endsWith('/') ? `${full}/` : full
}

/** Limits a timestamp to what the mtime field can hold. @returns seconds since the epoch */
function timeField(timestamp: bigint): number {
  const seconds = Number(BigInt.asIntN(64, timestamp))
  return Math.min(Math.max(seconds, 0), MAX_TIME)
}

interface EntryFields {
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink'
  readonly path: string
  readonly target: string
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly size: number
  readonly time: number
}

/** Buffer for one header, reused for all; `out.put` copies it. */
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

/** Writes the entry with a name (`L`) or link target (`K`) that is too long for its field, if it is. */
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
