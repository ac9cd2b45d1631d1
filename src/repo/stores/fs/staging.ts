/**
 * Where the objects of a transaction lie until it commits:
 *
 *   tmp/staging-BOOTID-XXXXXX-lock      locked while the directory is in use
 *   tmp/staging-BOOTID-XXXXXX/
 *     ab/cdef….file                     what a transaction of libostree left behind, complete: used again
 *     unsealed/ab/cdef….file            ours
 *     unsealed/commits/CHECKSUM.commit  ours, moved into the repository last
 *     unsealed/stream-N                 content whose checksum is not known yet
 *
 * libostree gives an object its name only when it is complete, and takes over any directory of this kind whose owner is
 * gone. Objects here are written under their names straight away, for that is a system call less; so they are kept one
 * directory deeper, where libostree does not look, and what a killed process left there is thrown away.
 *
 * Without the native provider nothing can be locked; the directory then has a name nobody takes over.
 *
 * Source: ostree-repo-commit.c, ostree_repo_prepare_transaction; ostree-repo.c, _ostree_repo_allocate_tmpdir.
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { ConflictError } from '../../../errors.ts'
import { type ObjectName, parseLoosePath } from '../../../objects/index.ts'
import { errnoOf, ioError, unless, withIo } from '../../../system/errno.ts'
import { randomName, removeFile } from '../../../system/file-io.ts'
import type { Native } from '../../../system/native.ts'

export const STAGING_PREFIX = 'staging-'
const LOCK_SUFFIX = '-lock'
const UNLOCKED_PREFIX = 'unlocked-'
const UNSEALED = 'unsealed'
const COMMITS = 'commits'
const MAX_ATTEMPTS = 100
const LOCK_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW

/** Reads the identity of the running kernel: staging of another boot may have lost data and is not used again. */
export function readBootId(): string {
  return (
    unless(['ENOENT', 'EACCES'], undefined, () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? ''
  )
}

export interface StagingPlace {
  /** The `tmp` of the repository. */
  readonly tmp: string
  readonly bootId: string
  readonly native: Native | undefined
}

export class Staging {
  /** `tmp/staging-…`, absolute. */
  readonly path: string
  readonly commits: string
  /** Complete objects of an earlier transaction of libostree. */
  readonly inherited: readonly ObjectName[]
  readonly #unsealed: string
  #kept = false
  readonly #lock: HeldFile | undefined
  /** By the first byte of the checksum, in hex. */
  readonly #directories = new Map<string, string>()
  #streams = 0

  private constructor(path: string, lock: HeldFile | undefined, inherited: readonly ObjectName[]) {
    this.path = path
    this.#lock = lock
    this.inherited = inherited
    this.#unsealed = `${path}/${UNSEALED}`
    this.commits = `${this.#unsealed}/${COMMITS}`
    mkdirSync(this.#unsealed)
    mkdirSync(this.commits)
  }

  /** @throws {IoError} */
  static begin(place: StagingPlace): Staging {
    return withIo(
      'tmp',
      () => takeOver(place, (path, lock, inherited) => new Staging(path, lock, inherited)) ?? Staging.#make(place),
    )
  }

  static #make({ tmp, bootId, native }: StagingPlace): Staging {
    const prefix = native === undefined ? UNLOCKED_PREFIX : `${STAGING_PREFIX}${bootId}-`
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const path = `${tmp}/${prefix}${randomName()}`
      const made = unless(['EEXIST'], 'tmp', () => {
        mkdirSync(path, 0o775)
        return true
      })
      if (!made) continue
      if (native === undefined) return new Staging(path, undefined, [])
      const lock = tryHold(path + LOCK_SUFFIX, native)
      // Between the two calls somebody may have taken it over, and may have removed it again.
      if (lock === undefined) continue
      if (isOwnDirectory(path)) return new Staging(path, lock, [])
      lock.release()
    }
    throw new ConflictError(tmp, `No free name for a staging directory after ${MAX_ATTEMPTS} attempts`)
  }

  /** Of an object that is not a commit. Makes the directory when it is the first one there. */
  objectPath(checksum: string, suffix: string): string {
    const head = checksum.slice(0, 2)
    let directory = this.#directories.get(head)
    if (directory === undefined) {
      const made = `${this.#unsealed}/${head}`
      // After a checkpoint it may still be there: what had nothing to publish is not renamed.
      const fresh = unless(['EEXIST'], 'tmp', () => {
        mkdirSync(made, 0o777)
        return true
      })
      if (!fresh && !isOwnDirectory(made)) throw new ConflictError(made, `${made} is no directory`)
      directory = made
      this.#directories.set(head, directory)
    }
    return `${directory}/${checksum.slice(2)}.${suffix}`
  }

  commitPath(checksum: string): string {
    return `${this.commits}/${checksum}.commit`
  }

  inheritedPath(checksum: string, suffix: string): string {
    return `${this.path}/${checksum.slice(0, 2)}/${checksum.slice(2)}.${suffix}`
  }

  /** A new path for content that has no name yet. */
  streamPath(): string {
    return `${this.#unsealed}/stream-${this.#streams++}`
  }

  /** The directories of objects, with their names in `objects/`; they may be moved away as a whole. */
  *directories(): Iterable<{ name: string; path: string }> {
    const inherited = new Set(this.inherited.map(({ checksum }) => checksum.slice(0, 2)))
    for (const name of inherited) yield { name, path: `${this.path}/${name}` }
    for (const [name, path] of this.#directories) yield { name, path }
  }

  /** What `directories` gave has been moved. */
  published(): void {
    this.#directories.clear()
  }

  /** What is staged stays when this is removed, as if the process had ended: a later transaction may use it. */
  keep(): void {
    this.#kept = true
  }

  /** Removes the directory with all that is in it, and gives up the lock. */
  remove(): void {
    try {
      if (!this.#kept) rmSync(this.path, { recursive: true, force: true })
    } catch (error) {
      throw ioError(error, this.path)
    } finally {
      this.#lock?.release()
    }
  }
}

/** A lock file held by this process; it is gone when it is not held. */
interface HeldFile {
  release(): void
}

/** @returns `undefined` when somebody else holds it */
function tryHold(path: string, native: Native): HeldFile | undefined {
  const fd = openSync(path, LOCK_FLAGS, 0o600)
  // A lock on a file that its last holder has removed meanwhile is a lock on nothing.
  if (!native.lock(fd, 'exclusive') || fstatSync(fd).nlink === 0) {
    closeSync(fd)
    return undefined
  }
  return {
    release() {
      removeFile(path, path)
      closeSync(fd)
    },
  }
}

/** Whether there is a directory, and not a link to one. */
function isOwnDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function takeOver<T>(
  { tmp, bootId, native }: StagingPlace,
  make: (path: string, lock: HeldFile, inherited: ObjectName[]) => T,
): T | undefined {
  if (native === undefined) return undefined
  const prefix = `${STAGING_PREFIX}${bootId}-`
  for (const entry of readdirSync(tmp, { withFileTypes: true })) {
    if (!entry.isDirectory() || !entry.name.startsWith(prefix)) continue
    const path = `${tmp}/${entry.name}`
    const lock = tryHold(path + LOCK_SUFFIX, native)
    if (lock === undefined) continue
    if (isOwnDirectory(path)) {
      try {
        return make(path, lock, inherit(path))
      } catch (error) {
        lock.release()
        throw error
      }
    }
    lock.release()
  }
  return undefined
}

/** Objects that may be used again. Everything else in the directory goes, commits too: theirs to publish, not ours. */
function inherit(path: string): ObjectName[] {
  const names: ObjectName[] = []
  for (const directory of readdirSync(path, { withFileTypes: true })) {
    const below = `${path}/${directory.name}`
    if (!directory.isDirectory() || !/^[0-9a-f]{2}$/.test(directory.name)) {
      rmSync(below, { recursive: true, force: true })
      continue
    }
    for (const entry of readdirSync(below, { withFileTypes: true })) {
      const name = parseLoosePath(`${directory.name}/${entry.name}`)
      const usable = name !== undefined && (entry.isFile() || entry.isSymbolicLink())
      if (usable && (name.type === 'file' || name.type === 'dirtree' || name.type === 'dirmeta')) names.push(name)
      else rmSync(`${below}/${entry.name}`, { recursive: true, force: true })
    }
  }
  return names
}

/** Whether a lock file of a staging directory is held by somebody. */
function isHeld(path: string, native: Native): boolean {
  const lock = tryHold(path, native)
  lock?.release()
  return lock === undefined
}

/**
 * Removes what transactions and downloads left in `tmp/`: staging of other boots that nobody holds, and anything else
 * that is older than `expiry` seconds. Failing is not worth an error: the next transaction tries again.
 * @param now seconds since the epoch
 */
export function cleanTmp({ tmp, bootId, native }: StagingPlace, expiry: number, now: number): void {
  for (const entry of withIo('tmp', () => readdirSync(tmp, { withFileTypes: true }))) {
    const { name } = entry
    const path = `${tmp}/${name}`
    if (name === 'cache') continue
    try {
      if (name.startsWith(STAGING_PREFIX) && entry.isDirectory()) {
        // Without the native provider nobody can tell whether it is in use.
        if (native === undefined || name.startsWith(`${STAGING_PREFIX}${bootId}-`)) continue
        if (isHeld(path + LOCK_SUFFIX, native)) continue
        rmSync(path, { recursive: true, force: true })
      } else if (name.startsWith(STAGING_PREFIX) && name.endsWith(LOCK_SUFFIX)) {
        // Made after its directory, removed after it: alone, it is one that nobody holds, or will not for long.
        if (native === undefined || isOwnDirectory(path.slice(0, -LOCK_SUFFIX.length))) continue
        tryHold(path, native)?.release()
      } else if (now - Math.floor(lstatSync(path).mtimeMs / 1000) > expiry) {
        rmSync(path, { recursive: true, force: true })
      }
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
    }
  }
}
