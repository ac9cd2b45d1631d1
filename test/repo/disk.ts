/** Directories as plain data, to compare what two programs made. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { loadNative } from '../../src/system/native.ts'

/** As test/golden/core/checkouts.json has it, with the hash of the content. */
export interface DiskEntry {
  readonly path: string
  /** Octal, all of st_mode. */
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

function walk(root: string, path = ''): string[] {
  const here = join(root, path)
  if (!lstatSync(here).isDirectory()) return [path]
  return [path, ...readdirSync(here).flatMap((name) => walk(root, path === '' ? name : `${path}/${name}`))]
}

const text = new TextDecoder()

function xattrsOf(path: string): Record<string, string> {
  const all = loadNative()?.readXattrs(path) ?? []
  return Object.fromEntries(all.map(([name, value]) => [text.decode(name), Buffer.from(value).toString('base64')]))
}

/**
 * Every entry at and below `root`, sorted by path, the root as `.`.
 * @param repo directory whose files are recognised when they are linked
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
