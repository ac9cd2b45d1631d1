/** Lists of everything in a directory, to compare two directories. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { start } from './start-program.ts'

/** What is at a path. `xattrs` are lines of `getfattr`. */
export interface Entry {
  readonly type: 'directory' | 'file' | 'symlink' | 'other'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since the epoch, or `now` for a time that is not before the one given to `inventory`. */
  readonly mtime: number | 'now'
  readonly xattrs: readonly string[]
  /** The SHA-256 of the content of a file, or the target of a symbolic link. */
  readonly content: string
}

export type Inventory = ReadonlyMap<string, Entry>

/** Hashes of content by inode, because many files are hard links to the objects of a repository. */
const contents = new Map<string, string>()

/**
 * Lists a directory.
 * @param since seconds since the epoch: later times are shown as `now`
 * @returns entries by path, such as `/usr/bin`, and `/` for the root
 */
export async function inventory(root: string, since = Number.POSITIVE_INFINITY): Promise<Inventory> {
  const xattrs = await xattrsBelow(root)
  const found = new Map<string, Entry>()
  const waiting = ['']
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const full = `${root}${path}`
    const stat = lstatSync(full)
    const type = stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : stat.isSymbolicLink() ? 'symlink' : 'other'
    const mtime = Math.floor(stat.mtimeMs / 1000)
    found.set(path === '' ? '/' : path, {
      type,
      // Symbolic links do not have permissions on Linux.
      mode: type === 'symlink' ? 0 : stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      mtime: mtime < since ? mtime : 'now',
      xattrs: xattrs.get(path) ?? [],
      content: type === 'file' ? contentOf(full, `${stat.dev} ${stat.ino} ${stat.ctimeMs}`) : targetOf(full, type),
    })
    if (type === 'directory') for (const name of readdirSync(full)) waiting.push(`${path}/${name}`)
  }
  const astray = [...xattrs.keys()].filter((path) => !found.has(path === '' ? '/' : path))
  if (astray.length > 0) throw new Error(`${root}: attributes of what is not there: ${astray.join(', ')}`)
  return found
}

function contentOf(path: string, inode: string): string {
  let content = contents.get(inode)
  if (content === undefined) {
    content = createHash('sha256').update(readFileSync(path)).digest('hex')
    contents.set(inode, content)
  }
  return content
}

function targetOf(path: string, type: Entry['type']): string {
  return type === 'symlink' ? readlinkSync(path) : ''
}

async function xattrsBelow(root: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  const dump = await start('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root })
  for (const block of dump.split('\n\n')) {
    const [name, ...values] = block.trimEnd().split('\n')
    if (name === undefined || name === '') continue
    const path = name
      .slice('# file: '.length)
      .replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
    found.set(path === '.' ? '' : `/${path}`, values.sort())
  }
  return found
}

/** Returns an inventory with every entry changed. */
export function changed(from: Inventory, change: (entry: Entry, path: string) => Partial<Entry>): Inventory {
  return new Map(Array.from(from, ([path, entry]) => [path, { ...entry, ...change(entry, path) }]))
}

export const withoutTimes = (from: Inventory): Inventory => changed(from, () => ({ mtime: 0 }))

/** Lists the paths at which two inventories differ, with both entries. */
export function differences(actual: Inventory, expected: Inventory): string[] {
  return [...new Set([...actual.keys(), ...expected.keys()])]
    .map((path) => [path, JSON.stringify(actual.get(path)), JSON.stringify(expected.get(path))] as const)
    .filter(([, a, b]) => a !== b)
    .map(([path, a, b]) => `${path}\n  is        ${a}\n  should be ${b}`)
}
