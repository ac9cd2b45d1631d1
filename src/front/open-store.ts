/** Opens a store of images, with the defaults of this machine. */

import { existsSync } from 'node:fs'
import {
  type ImportOptions,
  listImages,
  type OstreeImageReference,
  openStoredImage,
  type PulledImage,
  parseAnyImageReference,
  pullImage as pullInto,
  type StoredImage,
} from '../container/index.ts'
import { listUnpacked, removeUnpacked } from '../container/internal.ts'
import { layerThreads } from '../container/local.ts'
import { type CommitFiles, type FileTreeOptions, openCommit, type Repo, type RepoMode } from '../repo/index.ts'
import { createKeySource, createRepo, openRepo } from '../repo/local.ts'
import { formatTime } from '../sign/index.ts'
import { type HostOptions, resolveHost } from './host.ts'

/** How a store is opened. */
export interface OpenStoreOptions {
  /** Create a store that does not exist. Default true. */
  readonly create?: boolean | undefined
  /** The mode of a store that is created. Default: `bare` for a SQLite file, `archive` for a directory. */
  readonly mode?: RepoMode | undefined
}

/** Options of a pull on Node, where everything has a default. */
export interface PullImageOptions extends Omit<ImportOptions, keyof HostOptions>, HostOptions {}

/** A store of images. */
export interface ImageStore extends AsyncDisposable {
  /** The repository that the images are in. */
  readonly repo: Repo
  /**
   * Pulls an image, unless it is stored, and opens its files.
   * @throws {OstreeError} as `pullImage`
   */
  pull(reference: string | OstreeImageReference, options?: PullImageOptions): Promise<StoredImage>
  /** Opens the files of a stored image. @throws {NotFoundError} when it is not stored */
  image(reference: string, options?: FileTreeOptions): Promise<StoredImage>
  /** Lists the names of the stored images, such as `docker://quay.io/a/b:latest`. */
  images(): Promise<string[]>
  /** Lists the images that `unpackImage` has kept here, by their references. */
  unpacked(): Promise<string[]>
  /**
   * Forgets an image that `unpackImage` has kept, and the layers that no other one needs. `prune` then deletes the objects.
   * @returns whether it was stored
   */
  removeUnpacked(reference: string): Promise<boolean>
  /** Opens the files of a commit. @throws {RefNotFoundError} when there is no such revision */
  commit(rev: string, options?: FileTreeOptions): Promise<CommitFiles>
  close(): Promise<void>
}

/**
 * Opens a store of images: a repository, in which every layer is stored once.
 *
 * @example
 * await using store = await openStore('images.sqlite')
 * const image = await store.pull('docker://quay.io/exampleos/os:1')
 * console.log(new TextDecoder().decode(await image.readFile('/etc/os-release')))
 * @param path a SQLite file if it ends in `.sqlite`, else a directory in ostree's layout
 * @throws {IoError} when the store does not exist and `create` is false, or cannot be opened
 */
export async function openStore(path: string, options: OpenStoreOptions = {}): Promise<ImageStore> {
  const { create = true, mode = path.endsWith('.sqlite') ? 'bare' : 'archive' } = options
  const repo = create && !existsSync(path) ? await createRepo(path, { mode }) : await openRepo(path)
  return {
    repo,
    async pull(reference, pullOptions) {
      const parsed = typeof reference === 'string' ? parseAnyImageReference(reference) : reference
      await pullImage(repo, parsed, pullOptions)
      return openStoredImage(repo, (pullOptions?.target ?? parsed).imgref)
    },
    image: (reference, treeOptions) => openStoredImage(repo, reference, treeOptions),
    images: () => listImages(repo),
    unpacked: () => listUnpacked(repo),
    removeUnpacked: (reference) => removeUnpacked(repo, parseAnyImageReference(reference).imgref),
    commit: (rev, treeOptions) => openCommit(repo, rev, treeOptions),
    close: () => repo.close(),
    [Symbol.asyncDispose]: () => repo.close(),
  }
}

/**
 * Pulls an image that is not stored yet. An import that fails keeps the layers it has finished; the next one continues
 * from there.
 *
 * @example
 * const { mergeCommit } = await pullImage(repo, 'docker://quay.io/exampleos/os:1')
 * @param reference any reference that the command takes: `docker://…`, `oci:…`, `ostree-image-signed:docker://…`
 * @throws {InvalidNameError} on a malformed reference, or one that the image cannot be stored under
 * @throws {OstreeError} as `ImageImporter`
 */
export async function pullImage(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: PullImageOptions = {},
): Promise<PulledImage> {
  const defaults = {
    threads: layerThreads(),
    now: () => Date.now() / 1000,
    owner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    verification: {
      now: () => Math.floor(Date.now() / 1000),
      keys: createKeySource({}),
      formatTime: (seconds: number) => formatTime(seconds - new Date(seconds * 1000).getTimezoneOffset() * 60),
    },
  }
  const { platform: _, ...host } = await resolveHost(options)
  return pullInto(repo, reference, { ...defaults, ...options, ...host })
}
