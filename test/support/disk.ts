/** Directories as plain data: described, compared, and made again. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeFilezHeader } from '../../src/objects/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { loadNative } from '../../src/system/native.ts'
import { isRoot } from './machine.ts'

/** An entry of a directory, as `test/golden/core/checkouts.json` has it, with the hash of the content. */
export interface DiskEntry {
  readonly path: string
  /** All of `st_mode`, octal. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size?: number
  readonly target?: string
  readonly mtime: 0 | 'now'
  readonly hardlink_of?: string
  readonly xattrs_b64?: Record<string, string>
  readonly sha256?: string
}

/** Returns the paths at and below `path`, relative to `root`. */
function walk(root: string, path = ''): string[] {
  const here = join(root, path)
  if (!lstatSync(here).isDirectory()) return [path]
  return [path, ...readdirSync(here).flatMap((name) => walk(root, path === '' ? name : `${path}/${name}`))]
}

const text = new TextDecoder()

/** Reads extended attributes, with values in base64. */
function xattrsOf(path: string): Record<string, string> {
  const all = loadNative()?.readXattrs(path) ?? []
  return Object.fromEntries(all.map(([name, value]) => [text.decode(name), Buffer.from(value).toString('base64')]))
}

/**
 * Describes every entry at and below `root`, sorted by path. The path of `root` itself is `.`.
 * @param repo a repository: entries that are hard links to its files name the file
 */
export function describeDisk(root: string, repo?: string): DiskEntry[] {
  const inodes = new Map<bigint, string>()
  for (const folder of repo === undefined ? [] : ['objects', 'uncompressed-objects-cache']) {
    for (const path of lstatSync(join(repo as string, folder), { throwIfNoEntry: false })
      ? walk(repo as string, folder)
      : []) {
      const stat = lstatSync(join(repo as string, path), { bigint: true })
      if (!stat.isDirectory()) inodes.set(stat.ino, path)
    }
  }
  return walk(root)
    .map((path): DiskEntry => {
      const full = join(root, path)
      const stat = lstatSync(full)
      const linked = inodes.get(lstatSync(full, { bigint: true }).ino)
      const xattrs = xattrsOf(full)
      return {
        path: path === '' ? '.' : path,
        mode: stat.mode.toString(8).padStart(6, '0'),
        uid: stat.uid,
        gid: stat.gid,
        ...(stat.isFile() ? { size: stat.size } : {}),
        ...(stat.isSymbolicLink() ? { target: readlinkSync(full) } : {}),
        mtime: stat.mtimeMs === 0 ? 0 : 'now',
        ...(linked === undefined ? {} : { hardlink_of: linked }),
        ...(Object.keys(xattrs).length === 0 ? {} : { xattrs_b64: xattrs }),
        ...(stat.isFile() ? { sha256: createHash('sha256').update(readFileSync(full)).digest('hex') } : {}),
      }
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** A file of a repository directory, as `test/golden/core/repo-modes.json` has it. */
export interface RepoFile {
  readonly path: string
  /** All of `st_mode`, octal. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly size?: number
  readonly mtime?: 0 | 'now'
  readonly target?: string
  readonly content_b64?: string
  readonly xattrs_b64?: Record<string, string>
}

/** Reads every file below `root`, sorted by path. */
export function readRepoFiles(root: string): RepoFile[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return names.map((path): RepoFile => {
    const full = join(root, path)
    const stat = lstatSync(full)
    const common = { path, mode: stat.mode.toString(8).padStart(6, '0'), uid: stat.uid, gid: stat.gid }
    if (stat.isDirectory()) return common
    if (stat.isSymbolicLink()) return { ...common, target: readlinkSync(full) }
    const xattrs = xattrsOf(full)
    return {
      ...common,
      size: stat.size,
      mtime: stat.mtimeMs === 0 ? 0 : 'now',
      content_b64: readFileSync(full).toString('base64'),
      ...(Object.keys(xattrs).length > 0 ? { xattrs_b64: xattrs } : {}),
    }
  })
}

/**
 * Returns what must be the same in two repositories, short enough to be read in the message of a failing test. Of
 * compressed content that is the content, because Deflate may compress it to other bytes.
 */
export function comparable(file: RepoFile): object {
  const { path, mode, uid, gid, mtime, target, content_b64, xattrs_b64 = {} } = file
  let content: Uint8Array = Buffer.from(content_b64 ?? '', 'base64')
  if (path.endsWith('.filez')) {
    const { info, bodyOffset } = decodeFilezHeader(new Uint8Array(content))
    const body = content.subarray(bodyOffset)
    const inflated = body.length === 0 ? body : nodePlatform.inflateRaw(new Uint8Array(body), info.size)
    content = Buffer.concat([content.subarray(0, bodyOffset), inflated])
  }
  const sha256 = createHash('sha256').update(content).digest('hex')
  return { path, mode, uid, gid, mtime, target, xattrs: xattrs_b64, ...(content_b64 === undefined ? {} : { sha256 }) }
}

/** Writes files below `root`, which must exist. Only root sets owners. */
export function writeRepoFiles(root: string, files: readonly RepoFile[]): void {
  for (const file of files) {
    const path = join(root, file.path)
    const mode = Number.parseInt(file.mode, 8)
    mkdirSync(dirname(path), { recursive: true })
    if ((mode & 0o170000) === 0o040000) mkdirSync(path, { recursive: true })
    else if (file.target !== undefined) symlinkSync(file.target, path)
    else writeFileSync(path, Buffer.from(file.content_b64 ?? '', 'base64'))
    if (isRoot) lchownSync(path, file.uid, file.gid)
    if (file.target !== undefined) continue
    chmodSync(path, mode & 0o7777)
    for (const [name, value] of Object.entries(file.xattrs_b64 ?? {})) {
      loadNative()?.setXattr(path, name, Buffer.from(value, 'base64'))
    }
    if (file.mtime === 0) utimesSync(path, 0, 0)
  }
}
