/**
 * Refs as files: `refs/heads/NAME` contains the checksum of a commit and a newline; an alias is a relative symbolic link
 * to another ref. They are written in `tmp/` and renamed, because every file below `refs/` is listed as a ref.
 *
 * Source: ostree-repo-refs.c, _ostree_repo_write_ref, write_checksum_file_at, _ostree_repo_update_refs.
 */

import {
  lstatSync,
  mkdirSync,
  opendirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  type Stats,
  statSync,
  utimesSync,
} from 'node:fs'
import { compareUtf8, encodeUtf8, escapeUtf8 } from '../../../bytes.ts'
import { InvalidNameError, IoError } from '../../../errors.ts'
import { parseChecksum } from '../../../objects/index.ts'
import { errnoText, unless, withIo } from '../../../system/errno.ts'
import { readWholeFollowing, removeFile, replaceFile, replaceLink, syncDirectory } from '../../../system/file-io.ts'
import type { RefPath, RefStore, RefTarget } from '../../core/interface.ts'
import { type RefView, requireNoRefConflict } from '../../refs/ref-conflicts.ts'
import { isRefPart } from '../../refs/refs.ts'
import { fileText } from './file-text.ts'

type RefUpdates = ReadonlyMap<RefPath, RefTarget | undefined>

const ALWAYS_THERE = ['heads', 'remotes']
const NOTHING_THERE = ['ENOENT', 'ENOTDIR']
const BELOW_REFS: ReadonlySet<string> = new Set(['heads', 'remotes', 'mirrors'])
/** Paths that only directories can have. A symbolic link there leads to the refs; in other places it is an alias. */
const DIRECTORY_PLACES = /^(?:heads|(?:remotes|mirrors)(?:\/[^/]+)?)$/
/** Characters of an invalid ref file that are kept, for listings and messages. */
const SHOWN = 4096
/** Largest size of the name of a file on Linux, in bytes (NAME_MAX). */
const MAX_NAME_BYTES = 255

export class FsRefs implements RefStore, RefView {
  readonly #root: string
  readonly #requireWritable: (call?: string) => void
  readonly #fsync: () => boolean

  /** @param root path of the repository */
  constructor(root: string, requireWritable: (call?: string) => void, fsync: () => boolean) {
    this.#root = root
    this.#requireWritable = requireWritable
    this.#fsync = fsync
  }

  read(path: RefPath): RefTarget | undefined {
    const stat = this.#stat(path, 'openat')
    if (stat === undefined || this.#leadsToDirectory(path, stat)) return undefined
    const file = this.#file(path)
    if (stat.isSymbolicLink()) {
      const alias = resolveAlias(
        path,
        withIo(shown(path), () => escapeUtf8(readlinkSync(file, 'buffer'))),
      )
      if (alias !== undefined) return { alias }
    }
    const bytes = readWholeFollowing(file)
    if (bytes === undefined) return undefined
    return { commit: parseChecksum(fileText(bytes, shown(path)).trimEnd().slice(0, SHOWN)) }
  }

  has(path: RefPath): boolean {
    const stat = this.#stat(path)
    if (stat === undefined || stat.isDirectory()) return false
    return !stat.isSymbolicLink() || !DIRECTORY_PLACES.test(path) || !this.#isDirectory(path)
  }

  /**
   * Looks at the file of a ref, or the symbolic link of an alias. `undefined` if there is none.
   * @param call what messages name: ostree opens a ref to read it, and looks at its status to list it
   */
  #stat(path: RefPath, call = 'fstatat'): Stats | undefined {
    try {
      return unless(NOTHING_THERE, shown(path), () => lstatSync(this.#file(path)))
    } catch (error) {
      if (error instanceof IoError && error.data.errno === 'ENAMETOOLONG') throw tooLong(call, shown(path))
      throw error
    }
  }

  /** @throws {IoError} when the directory of all local refs or of all remotes is missing: the repository is damaged */
  list(prefix: RefPath): RefPath[] {
    if (ALWAYS_THERE.includes(prefix)) withIo(shown(prefix), () => opendirSync(this.#file(prefix)).closeSync())
    return this.has(prefix) ? [prefix] : this.below(prefix)
  }

  /** Tells whether a symbolic link in the place of a ref is above a path: what lies there belongs to another directory. */
  #isBelowAlias(path: RefPath): boolean {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const above = path.slice(0, end)
      if (!DIRECTORY_PLACES.test(above) && this.#stat(above)?.isSymbolicLink()) return true
    }
    return false
  }

  #leadsToDirectory(path: RefPath, stat: Stats): boolean {
    return stat.isDirectory() || (stat.isSymbolicLink() && this.#isDirectory(path))
  }

  /** Tells whether a path is a directory, or a symbolic link to one. */
  #isDirectory(path: RefPath): boolean {
    return unless(NOTHING_THERE, shown(path), () => statSync(this.#file(path)))?.isDirectory() === true
  }

  /**
   * Lists the refs below a directory. The directory itself, `refs/remotes/REMOTE` and `refs/mirrors/COLLECTION` may be
   * symbolic links to directories.
   * @throws {IoError} `Is a directory` if a symbolic link in the place of a ref leads to a directory
   */
  below(path: RefPath): RefPath[] {
    const found: RefPath[] = []
    const visit = (at: RefPath): void => {
      const entries = unless(NOTHING_THERE, shown(at), () => readdirSync(this.#file(at), { withFileTypes: true }))
      for (const entry of entries ?? []) {
        // Other programs may leave files here whose names are not valid for refs, such as those that begin with a dot.
        if (!isRefPart(entry.name)) continue
        const child = `${at}/${entry.name}`
        if (entry.isDirectory()) visit(child)
        else if (!entry.isSymbolicLink() || !this.#isDirectory(child)) found.push(child)
        else if (DIRECTORY_PLACES.test(child)) visit(child)
        else throw new IoError(errnoText('EISDIR'), 'EISDIR', shown(child))
      }
    }
    if (this.#isDirectory(path)) visit(path)
    return found.sort(compareUtf8)
  }

  write(path: RefPath, target: RefTarget | undefined): void {
    this.#requireWritable(target === undefined ? `unlink(${shortName(path)})` : 'open(O_TMPFILE)')
    this.update(new Map([[path, target]]), this.#fsync())
  }

  /** @throws {ConflictError} if the updates cannot all be made, {InvalidNameError} for a path or alias out of `refs/` */
  requireNoConflict(updates: RefUpdates): void {
    for (const [path, target] of updates) {
      this.#file(path)
      if (target !== undefined && 'alias' in target) requireLocal(path, target.alias)
    }
    requireNoRefConflict(this, updates)
  }

  /** Deletes refs, then writes refs. @throws as `requireNoConflict`; nothing has changed then */
  update(updates: RefUpdates, fsync: boolean): void {
    if (updates.size === 0) return
    for (const path of updates.keys()) if (isTooLong(path)) throw tooLong('fstatat', shortName(path))
    this.requireNoConflict(updates)
    for (const [path, target] of updates) {
      if (target === undefined && this.has(path) && !this.#isBelowAlias(path)) removeFile(this.#file(path), shown(path))
    }
    for (const [path, target] of updates) {
      if (target !== undefined) this.#put(path, target, fsync)
    }
    this.#touch()
  }

  #put(path: RefPath, target: RefTarget, fsync: boolean): void {
    const file = this.#file(path)
    const directory = file.slice(0, file.lastIndexOf('/'))
    const tmp = `${this.#root}/tmp`
    withIo(shown(path), () => mkdirSync(directory, { recursive: true, mode: 0o777 }))
    // Directories stay when their last ref is deleted. An empty one does not prevent a ref of its name.
    removeEmptyTree(file)
    if ('commit' in target) {
      replaceFile(file, encodeUtf8(`${target.commit}\n`), { tmp, fsync, shown: shown(path) })
    } else {
      replaceLink(file, relativeAlias(path, target.alias), tmp, shown(path))
    }
    if (fsync) withIo(shown(path), () => syncDirectory(directory))
  }

  /** Sets the time of the repository directory, which programs watch for changes of refs. */
  #touch(): void {
    const now = Date.now() / 1000
    withIo(undefined, () => utimesSync(this.#root, now, now))
  }

  /** Returns the path of a ref's file. Checks only that it lies below `refs/`; the grammar is checked in refs/refs.ts. */
  #file(path: RefPath): string {
    if (path.includes('\0') || path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
      throw new InvalidNameError(path, `Invalid ref name ${path}`)
    }
    return `${this.#root}/refs/${path}`
  }
}

function shown(path: RefPath): string {
  return `refs/${path}`
}

/** Returns the path below the directory of the remote, or of the local refs. */
function shortName(path: RefPath): string {
  return path.replace(/^(?:heads|remotes\/[^/]+)\//, '')
}

/** Tells whether Linux allows no file of that name. */
function isTooLong(path: RefPath): boolean {
  // Each UTF-16 unit takes 1 to 3 bytes of UTF-8.
  return path.length * 3 > MAX_NAME_BYTES && path.split('/').some((part) => encodeUtf8(part).length > MAX_NAME_BYTES)
}

function tooLong(call: string, path: string): IoError {
  return new IoError(`${call}(${path}): ${errnoText('ENAMETOOLONG')}`, 'ENAMETOOLONG', path)
}

function requireLocal(path: RefPath, alias: RefPath): void {
  if (path.startsWith('heads/') && alias.startsWith('heads/')) return
  throw new InvalidNameError(alias, `Invalid alias ${path} of ${alias}: only local refs may be or have one`)
}

/** Returns the ref that the symbolic link of an alias names. `undefined` if it leads out of `refs/`. */
function resolveAlias(path: RefPath, target: string): RefPath | undefined {
  if (target.startsWith('/')) return undefined
  const parts = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.length > 1 && BELOW_REFS.has(parts[0] as string) ? parts.join('/') : undefined
}

/** Returns the target of an alias's symbolic link, as libostree writes it: `../main` for `heads/a/b` and `heads/main`. */
function relativeAlias(path: RefPath, alias: RefPath): string {
  const depth = path.split('/').length - 2
  return '../'.repeat(depth) + alias.slice('heads/'.length)
}

function removeEmptyTree(path: string): void {
  const entries = unless([...NOTHING_THERE, 'ELOOP'], path, () => readdirSync(path, { withFileTypes: true }))
  if (entries === undefined || !lstatSync(path).isDirectory()) return
  for (const entry of entries) if (entry.isDirectory()) removeEmptyTree(`${path}/${entry.name}`)
  unless(['ENOTEMPTY', 'EEXIST', 'ENOENT'], path, () => rmdirSync(path))
}
