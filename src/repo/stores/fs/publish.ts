/**
 * Moves the objects of a transaction from staging into the repository, then its refs. A directory of staging moves in
 * one call if `objects/` has no such directory yet, or an empty one: in a new repository that saves a rename per object.
 *
 * In this order, so that after a crash nothing refers to an object that is missing:
 *
 *   marks of partial commits · objects · attached metadata · commits · attached metadata deleted · marks removed · refs
 */

import { closeSync, constants, fsync, fsyncSync, openSync, readdirSync, renameSync, statSync } from 'node:fs'
import { promisify } from 'node:util'
import { errnoOf, ioError, unless, withIo } from '../../../system/errno.ts'
import { READ_FLAGS, syncDirectory } from '../../../system/file-io.ts'
import type { Native } from '../../../system/native.ts'
import { attachedChanges, type Changes } from '../changes.ts'
import { removeLane } from './lane-place.ts'
import type { LooseObjects } from './loose/loose.ts'
import type { FsRefs } from './refs.ts'
import type { Staging } from './staging.ts'

const fsyncAsync = promisify(fsync)
/** Directories flushed at a time. */
const CONCURRENT_SYNCS = 16
const S_ISGID = 0o2000

export class Publisher {
  readonly #root: string
  readonly #objects: LooseObjects
  readonly #refs: FsRefs
  readonly #native: Native | undefined
  readonly #fsync: boolean

  /** @param fsync whether everything is made durable before any of it is visible */
  constructor(root: string, objects: LooseObjects, refs: FsRefs, native: Native | undefined, fsync: boolean) {
    this.#root = root
    this.#objects = objects
    this.#refs = refs
    this.#native = native
    this.#fsync = fsync
  }

  /** @throws {ConflictError} before anything was changed, {IoError} */
  async publish(staging: Staging, changes: Changes): Promise<void> {
    const { refs, states } = changes
    this.#refs.requireNoConflict(refs)
    for (const [commit, state] of states) {
      if (state !== 'complete') this.#objects.setCommitState(commit, state)
    }
    if (this.#fsync) await this.#flush(staging)
    await this.#syncDirectories(this.#moveObjects(staging))

    for (const [type, commit, bytes] of attachedChanges(changes)) {
      if (bytes !== undefined) this.#objects.writeAttached(type, commit, bytes)
    }
    await this.#syncDirectories(this.#moveCommits(staging))
    for (const [type, commit, bytes] of attachedChanges(changes)) {
      if (bytes === undefined) this.#objects.writeAttached(type, commit, undefined)
    }
    for (const [commit, state] of states) {
      if (state === 'complete') this.#objects.setCommitState(commit, state)
    }
    this.#refs.update(refs, this.#fsync)
  }

  /** @returns names of the directories of `objects/` that have changed */
  #moveObjects(staging: Staging): Set<string> {
    const whole = this.#mayMoveDirectories(staging)
    const changed = new Set<string>()
    for (const { name, path } of staging.directories()) {
      changed.add(name)
      if (!whole || !moveWhole(path, `${this.#root}/objects/${name}`)) this.#moveEach(name, path)
    }
    for (const lane of staging.lanes) {
      if (!lane.fanOut) this.#moveFlat(lane.path, changed)
      removeLane(lane)
    }
    staging.published()
    return changed
  }

  /** Moves the objects of a thread whose directory has them side by side. @param changed is given the directories */
  #moveFlat(path: string, changed: Set<string>): void {
    const made = new Set<string>()
    for (const file of withIo(path, () => readdirSync(path))) {
      const head = file.slice(0, 2)
      if (!made.has(head)) {
        this.#objects.makeFanOut(head)
        made.add(head)
        changed.add(head)
      }
      withIo(`objects/${head}`, () => renameSync(`${path}/${file}`, `${this.#root}/objects/${head}/${file.slice(2)}`))
    }
  }

  #moveEach(name: string, path: string): void {
    const directory = this.#objects.makeFanOut(name)
    withIo(`objects/${name}`, () => {
      // A file of that name in `objects/` is the same object, and may be replaced.
      for (const file of readdirSync(path)) renameSync(`${path}/${file}`, `${directory}/${file}`)
    })
  }

  #moveCommits(staging: Staging): Set<string> {
    const changed = new Set<string>()
    for (const file of withIo(staging.commits, () => readdirSync(staging.commits))) {
      const head = file.slice(0, 2)
      const directory = this.#objects.makeFanOut(head)
      changed.add(head)
      withIo(`objects/${head}`, () => renameSync(`${staging.commits}/${file}`, `${directory}/${file.slice(2)}`))
    }
    return changed
  }

  /** Whether directories made in `tmp/` belong to the same group as those made in `objects/`, which may inherit it. */
  #mayMoveDirectories(staging: Staging): boolean {
    return withIo('objects', () => {
      const there = statSync(`${this.#root}/objects`)
      const here = statSync(staging.path)
      return there.gid === here.gid && (there.mode & S_ISGID) === (here.mode & S_ISGID)
    })
  }

  /** Writes the staged objects to the disk, before they get their names in `objects/`. */
  async #flush(staging: Staging): Promise<void> {
    if (this.#native !== undefined) {
      const fd = withIo('tmp', () => openSync(staging.path, constants.O_RDONLY | constants.O_DIRECTORY))
      try {
        await this.#native.syncfs(fd)
      } finally {
        closeSync(fd)
      }
      return
    }
    for (const { path } of staging.directories()) flushFiles(path)
    for (const { path, fanOut } of staging.lanes) if (!fanOut) flushFiles(path)
    flushFiles(staging.commits)
  }

  async #syncDirectories(names: ReadonlySet<string>): Promise<void> {
    if (!this.#fsync || names.size === 0) return
    const paths = [...names].map((name) => `${this.#root}/objects/${name}`)
    try {
      while (paths.length > 0) await Promise.all(paths.splice(0, CONCURRENT_SYNCS).map(syncDirectoryAsync))
      syncDirectory(`${this.#root}/objects`)
    } catch (error) {
      throw ioError(error, 'objects')
    }
  }
}

/** Renames a directory. @returns `false` if there are objects at `to`; then each file has to be renamed */
function moveWhole(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOTEMPTY' || errno === 'EEXIST' || errno === 'ENOTDIR') return false
    throw ioError(error, to)
  }
}

function flushFiles(directory: string): void {
  for (const file of withIo(directory, () => readdirSync(directory))) {
    const path = `${directory}/${file}`
    // A symbolic link cannot be opened, and has no content to write.
    const fd = unless(['ELOOP'], path, () => openSync(path, READ_FLAGS))
    if (fd === undefined) continue
    try {
      withIo(path, () => fsyncSync(fd))
    } finally {
      closeSync(fd)
    }
  }
}

async function syncDirectoryAsync(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await fsyncAsync(fd)
  } finally {
    closeSync(fd)
  }
}
