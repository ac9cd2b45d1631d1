/**
 * Copies refs of collections to a removable medium: a repository of mode archive, which any file system can hold, with
 * a summary, at a path where ostree finds it on other machines.
 *
 *   MOUNT/.ostree/repo                      default path; ostree looks here and at MOUNT/ostree/repo
 *   MOUNT/.ostree/repos.d/NN-generated      symlink to a repository at another path of the medium
 *
 * Source: ot-builtin-create-usb.c.
 */

import { closeSync, mkdirSync, openSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConflictError, UsageError } from '../../errors.ts'
import type { ProgressOptions } from '../../progress.ts'
import { unless, withIo } from '../../system/errno.ts'
import { createRepo, type OpenRepoOptions } from '../open-local.ts'
import type { Repo } from '../repo.ts'
import { updateSummary } from '../summary/update.ts'
import { pullLocal } from './pull-local.ts'
import type { WantedCollectionRef } from './refs.ts'

/** Default path of the repository, relative to the mount. */
export const USB_REPO = '.ostree/repo'
/** Paths at which ostree finds a repository without a symlink. */
const KNOWN_PLACES = ['ostree/repo', USB_REPO]
const LINKS = '.ostree/repos.d'
/** The names `00-generated` to `99-generated`. */
const MAX_LINKS = 100

/** Options of `createUsb`. */
export interface CreateUsbOptions extends ProgressOptions {
  /** Path of the repository, relative to the mount. Default `.ostree/repo`. */
  readonly destination?: string | undefined
  readonly fsync?: boolean | undefined
  /** How the repository on the medium is opened. */
  readonly opening?: Omit<OpenRepoOptions, 'platform'> | undefined
}

/**
 * Creates the repository on the medium, unless it exists, and pulls the refs into it.
 * @param mount the directory at which the medium is mounted
 * @throws {UsageError} when the destination is on another file system, or is the source repository
 * @throws {ConflictError} when all 100 names of symlinks are taken
 */
export async function createUsb(
  from: Repo,
  mount: string,
  refs: readonly WantedCollectionRef[],
  { destination = USB_REPO, fsync, opening, signal, onProgress }: CreateUsbOptions = {},
): Promise<void> {
  closeSync(withIo(undefined, () => openSync(mount, 'r')))
  const path = resolve(mount, destination)
  withIo(destination, () => mkdirSync(path, { recursive: true, mode: 0o755 }))
  const into = await createRepo(path, { ...opening, mode: 'archive', platform: from.platform })
  try {
    requirePlace(from, mount, path)
    await pullLocal(from, into, { collectionRefs: refs, signal, onProgress, ...(fsync !== undefined && { fsync }) })
    // Other machines find the refs on the medium by its summary.
    await updateSummary(into, { timestamp: BigInt(Math.floor(Date.now() / 1000)) })
  } finally {
    await into.close()
  }
  if (!KNOWN_PLACES.includes(destination)) linkRepo(mount, destination)
}

function requirePlace(from: Repo, mount: string, path: string): void {
  const there = statSync(path)
  if (there.dev !== statSync(mount).dev) {
    throw new UsageError('--destination-repo must be a descendent of MOUNT-PATH', '--destination-repo')
  }
  const { directory } = from.storage
  if (directory === undefined) return
  const source = statSync(directory.path)
  if (source.dev === there.dev && source.ino === there.ino) {
    throw new UsageError('--destination-repo must not be the source repository', '--destination-repo')
  }
}

/** Creates a symlink to the repository, unless one exists. */
function linkRepo(mount: string, destination: string): void {
  const folder = join(mount, LINKS)
  const target = `../../${destination.replace(/^\/+/, '')}`
  withIo(LINKS, () => mkdirSync(folder, { recursive: true, mode: 0o755 }))
  for (const name of withIo(LINKS, () => readdirSync(folder))) {
    if (unless(['EINVAL'], name, () => readlinkSync(join(folder, name))) === target) return
  }
  for (let i = 0; i < MAX_LINKS; i++) {
    const name = `${String(i).padStart(2, '0')}-generated`
    const made = unless(['EEXIST'], `${LINKS}/${name}`, () => {
      symlinkSync(target, join(folder, name))
      return true
    })
    if (made) return
  }
  throw new ConflictError(LINKS, 'Could not find an unused symlink name for the repository')
}
