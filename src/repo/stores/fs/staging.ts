/**
 * The directory with the objects of a transaction, until it commits:
 *
 *   tmp/staging-BOOTID-XXXXXX-lock      locked while the directory is in use
 *   tmp/staging-BOOTID-XXXXXX/
 *     ab/cdef….file                     complete object that a transaction of libostree left: used again (`inherited`)
 *     unsealed/ab/cdef….file            object of this transaction
 *     unsealed/commits/CHECKSUM.commit  commit of this transaction, moved into the repository last
 *     unsealed/stream-N                 content whose checksum is not known yet
 *     unsealed/lane-N/                  objects that a thread writes (lane-place.ts)
 *
 * libostree gives an object its name when it is complete, and takes over any directory of this kind whose owner has
 * died. This transaction writes objects under their names at once, which saves a system call each. So it keeps them one
 * directory deeper, where libostree does not look, and what a killed process left there is deleted.
 *
 * Without the native provider the directory cannot be locked; it then has a name that libostree does not take over.
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
import type { LanePlace } from '../../core/interface.ts'

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
  /** Path of the repository's `tmp`. */
  readonly tmp: string
  readonly bootId: string
  readonly native: Native | undefined
}

export class Staging {
  /** Absolute path of `tmp/staging-…`. */
  readonly path: string
  readonly commits: string
  /** Complete objects that an earlier transaction of libostree left here. */
  readonly inherited: readonly ObjectName[]
  /** The directories of threads that have ended their work, whose objects are published next. */
  readonly lanes: LanePlace[] = []
  readonly #unsealed: string
  #kept = false
  readonly #lock: HeldFile | undefined
  /** Directories of this transaction's objects, by the first byte of the checksum, in hex. */
  readonly #directories = new Map<string, string>()
  #streams = 0
  #lanes = 0

  private constructor(path: string, lock: HeldFile | undefined, inherited: readonly ObjectName[]) {
    this.path = path
    this.#lock = lock
    this.inherited = inherited
    this.#unsealed = `${path}/${UNSEALED}`
    this.commits = `${this.#unsealed}/${COMMITS}`
    mkdirSync(this.#unsealed)
    mkdirSync(this.commits)
  }

  /** Takes over a directory of this boot that is not in use, or creates one. @throws {IoError}, {ConflictError} */
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
      // Between the two calls another process may have taken it over, and may have removed it again.
      if (lock === undefined) continue
      if (isOwnDirectory(path)) return new Staging(path, lock, [])
      lock.release()
    }
    throw new ConflictError(tmp, `No free name for a staging directory after ${MAX_ATTEMPTS} attempts`)
  }

  /** Returns the path for an object that is not a commit. Creates its directory if it is the first in there. */
  objectPath(checksum: string, suffix: string): string {
    const head = checksum.slice(0, 2)
    let directory = this.#directories.get(head)
    if (directory === undefined) {
      const made = `${this.#unsealed}/${head}`
      // After a checkpoint it may still exist: the files in it may have been moved one by one.
      const fresh = unless(['EEXIST'], 'tmp', () => {
        mkdirSync(made, 0o777)
        return true
      })
      if (!fresh && !isOwnDirectory(made)) throw new ConflictError(made, `${made} is not a directory`)
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

  /** Returns a new path for content whose checksum is not known yet. */
  streamPath(): string {
    return `${this.#unsealed}/stream-${this.#streams++}`
  }

  /** Creates a directory for the objects of a thread. @returns its path */
  makeLane(): string {
    const path = `${this.#unsealed}/lane-${this.#lanes++}`
    withIo('tmp', () => mkdirSync(path, 0o777))
    return path
  }

  /** Lists the directories of objects with their names in `objects/`. The caller may move them as a whole. */
  *directories(): Iterable<{ name: string; path: string }> {
    const inherited = new Set(this.inherited.map(({ checksum }) => checksum.slice(0, 2)))
    for (const name of inherited) yield { name, path: `${this.path}/${name}` }
    for (const [name, path] of this.#directories) yield { name, path }
    for (const { path, fanOut } of this.lanes) {
      if (!fanOut) continue
      for (const name of readdirSync(path)) yield { name, path: `${path}/${name}` }
    }
  }

  /** Called when all objects in `directories` and `lanes` have been moved. */
  published(): void {
    this.#directories.clear()
    this.lanes.length = 0
  }

  /** Makes `remove` leave the directory, as if the process had died: a later transaction may use its objects. */
  keep(): void {
    this.#kept = true
  }

  /** Deletes the directory and releases its lock. */
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

/** A lock file that this process has locked. Releasing it deletes it. */
interface HeldFile {
  release(): void
}

/** Creates and locks a lock file. @returns `undefined` if it is locked already */
function tryHold(path: string, native: Native): HeldFile | undefined {
  const fd = openSync(path, LOCK_FLAGS, 0o600)
  // If the last holder has deleted the file meanwhile, other processes lock a new one.
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

/**
 * Lists the objects in a directory that was taken over, and deletes everything else in it. Commits are not used either:
 * only the transaction that wrote one knows whether all it refers to is stored.
 */
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

/** Whether a lock file is locked. */
function isHeld(path: string, native: Native): boolean {
  const lock = tryHold(path, native)
  lock?.release()
  return lock === undefined
}

/**
 * Deletes what transactions and downloads left in `tmp/`: staging directories of other boots that are not locked, and
 * anything else that is older than `expiry` seconds. What cannot be deleted is left to the next transaction.
 * @param now seconds since the epoch
 */
export function cleanTmp({ tmp, bootId, native }: StagingPlace, expiry: number, now: number): void {
  for (const entry of withIo('tmp', () => readdirSync(tmp, { withFileTypes: true }))) {
    const { name } = entry
    const path = `${tmp}/${name}`
    if (name === 'cache') continue
    try {
      if (name.startsWith(STAGING_PREFIX) && entry.isDirectory()) {
        // Without the native provider it is not known whether it is in use.
        if (native === undefined || name.startsWith(`${STAGING_PREFIX}${bootId}-`)) continue
        if (isHeld(path + LOCK_SUFFIX, native)) continue
        rmSync(path, { recursive: true, force: true })
      } else if (name.startsWith(STAGING_PREFIX) && name.endsWith(LOCK_SUFFIX)) {
        // It is created after its directory and deleted after it: without one, its holder has died or is about to end.
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
