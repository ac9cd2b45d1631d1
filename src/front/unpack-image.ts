/** Unpacks an image into a directory, a tar stream or memory, in one call. */

import type {
  ImageFiles,
  ImageIdentity,
  OstreeImageReference,
  UnpackLimits,
  UnpackOptions,
} from '../container/index.ts'
import { unpackToMemory } from '../container/index.ts'
import { openStoredRoot, RootFiles, rootTar, type StoredRoot, unpackTo, writeRoot } from '../container/internal.ts'
import type { Repo } from '../repo/index.ts'
import { Destination } from './destination.ts'
import { DirectoryWriter, type NotMade } from './directory-writer.ts'
import { type HostOptions, type ResolvedHost, resolveHost } from './host.ts'
import type { ImageStore } from './open-store.ts'
import { SpoolFile } from './spool-file.ts'
import { requireLinkable, StoredContent, StoredFiles } from './stored-content.ts'

/** How an image is unpacked. Everything has a default. */
export interface UnpackImageOptions
  extends HostOptions,
    Pick<UnpackOptions, 'signal' | 'onProgress' | 'readAhead' | 'limits'> {
  /**
   * Replace a directory that is not empty, as a whole and only when the image is complete. Default: it is an error.
   * A process that is killed leaves the old directory or the new one; without koffi, or on a file system that cannot exchange
   * names, it may leave nothing there.
   */
  readonly overwrite?: boolean | undefined
  /**
   * Leave all owners as they are for the process, and note them in the attribute `user.rootlesscontainers`, and make empty
   * files in place of devices. Default: unless the process is root.
   */
  readonly rootless?: boolean | undefined
  /**
   * A store in which layers are kept, each once over all images. Layers that it has are not fetched again. The result is
   * the same as without a store.
   */
  readonly store?: ImageStore | Repo | undefined
  /**
   * With a store: whether to ask for the manifest of an image that is stored. `newer`, the default, does so, unless the
   * reference has a digest; with `missing` nothing is fetched for a reference that is stored, even if its tag has moved.
   */
  readonly pull?: 'newer' | 'missing' | undefined
  /**
   * With a store of loose files: how files of a directory are made. `never`, the default, copies them. `hard` links those
   * whose object has the owner and the rights that the file needs, and no attributes: a store of mode `bare`, or
   * `bare-user-only`. **What is written to such a file is written to the store**, and it has the time of the store, 0. `reflink`
   * shares the blocks on disk only, in every mode but `archive`. Files that cannot be linked are copied, as on another
   * file system; `UnpackedImage.linked` counts the others.
   */
  readonly link?: 'never' | 'hard' | 'reflink' | undefined
}

/** The image that was unpacked into a directory. */
export interface UnpackedImage extends ImageIdentity {
  /** Entries of all layers. */
  readonly entries: number
  /** What the process or the file system could not make as it is in the image. */
  readonly notMade: Readonly<NotMade>
  /** Files that were linked to the store. */
  readonly linked: number
}

export type { NotMade, UnpackLimits }

/**
 * Unpacks an image: `/etc`, `/var`, `/opt` and everything else are where the image has them. No repository is needed; with
 * `store`, layers are kept in one. The result is that of `umoci unpack`, as root and as any other user (`--rootless`).
 *
 * Nothing outside of `target` is written, whatever the layers say. On failure a directory that existed is as it was.
 *
 * @example
 * await unpackImage('docker://quay.io/exampleos/os:1', 'rootfs')
 * const files = await unpackImage('oci:layout:tag', { as: 'memory' })
 * for await (const chunk of unpackImage('oci:layout:tag', { as: 'tar' })) send(chunk)
 * @param reference any reference that the command takes: `docker://…`, `oci:…`, `ostree-image-signed:docker://…`
 * @param target a directory that does not exist or is empty; or `{ as: 'memory' }` or `{ as: 'tar' }`
 * With a store, files in memory and tar streams read from it: it stays open, and is not pruned, until they are no longer used.
 * @throws {UsageError} when `link` needs another kind of store
 * @throws {ConflictError} when the directory is not empty, unless `overwrite` is set
 * @throws {InvalidNameError} on a malformed reference; {NotFoundError} when there is no such image
 * @throws {RegistryError} when the registry cannot be reached, or refuses
 * @throws {DeniedError} when the policy of the host rejects the image
 * @throws {DigestMismatchError}, {TarFormatError}, {FormatError}, {InvalidNameError} or {LimitError} when the image is
 *   malformed; the message begins with the layer
 * @throws {IoError} when the directory cannot be written
 */
export function unpackImage(
  reference: string | OstreeImageReference,
  target: string,
  options?: UnpackImageOptions,
): Promise<UnpackedImage>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: { readonly as: 'memory' },
  options?: UnpackImageOptions,
): Promise<ImageFiles>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: { readonly as: 'tar' },
  options?: UnpackImageOptions,
): AsyncGenerator<Uint8Array, void, undefined>
export function unpackImage(
  reference: string | OstreeImageReference,
  target: string | { readonly as: 'memory' | 'tar' },
  options: UnpackImageOptions = {},
): Promise<UnpackedImage | ImageFiles> | AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof target === 'string') return intoDirectory(reference, target, options)
  return target.as === 'tar' ? asTar(reference, options) : inMemory(reference, options)
}

async function inMemory(reference: string | OstreeImageReference, options: UnpackImageOptions): Promise<ImageFiles> {
  const { store, ...all } = { ...options, ...(await resolveHost(options)) }
  if (store === undefined) return unpackToMemory(reference, all)
  const repo = repoOf(store)
  const { root, entries: _, ...image } = await openStoredRoot(repo, reference, all)
  const content = new StoredContent(repo.objects)
  const tar: ImageFiles['tar'] = ({ signal } = {}) => rootTar(root, content, signal)
  return Object.assign(new RootFiles(root, content), { ...image, tar })
}

/** Keeps the content of files in a temporary file without a name, since a tar needs a directory before its content. */
async function* asTar(
  reference: string | OstreeImageReference,
  options: UnpackImageOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { store, ...all } = { ...options, ...(await resolveHost(options)) }
  if (store !== undefined) {
    const repo = repoOf(store)
    const { root } = await openStoredRoot(repo, reference, all)
    await using _lock = await repo.storage.lock('shared')
    yield* rootTar(root, new StoredContent(repo.objects), options.signal)
    return
  }
  const spool = new SpoolFile()
  try {
    const { root } = await unpackTo(reference, spool, all)
    yield* rootTar(root, spool, options.signal)
  } finally {
    spool.close()
  }
}

async function intoDirectory(
  reference: string | OstreeImageReference,
  target: string,
  options: UnpackImageOptions,
): Promise<UnpackedImage> {
  const { overwrite = false, rootless = process.geteuid?.() !== 0, store, link = 'never' } = options
  if (link !== 'never') requireLinkable(store && repoOf(store), link)
  const place = Destination.find(target, overwrite)
  const host = await resolveHost(options)
  const into = await Destination.open(place)
  try {
    const writer = new DirectoryWriter(into.path, rootless)
    try {
      const all = { ...options, ...host }
      const made =
        store === undefined
          ? { ...(await unpackTo(reference, writer, all)), linked: 0 }
          : await fromStore(repoOf(store), reference, writer, all)
      const { root, ...image } = made
      writer.finish(root)
      await into.commit()
      return { ...image, notMade: writer.notMade }
    } finally {
      writer.close()
    }
  } finally {
    into.close()
  }
}

/** Writes an image whose layers are in a store, after it has stored those that are missing. */
async function fromStore(
  repo: Repo,
  reference: string | OstreeImageReference,
  writer: DirectoryWriter,
  options: UnpackImageOptions & ResolvedHost,
): Promise<StoredRoot & { linked: number }> {
  const { link = 'never', signal, onProgress } = options
  const stored = await openStoredRoot(repo, reference, options)
  await using _lock = await repo.storage.lock('shared')
  const files = new StoredFiles(repo.objects, writer, link)
  await writeRoot(stored.root, writer, files, { signal, onProgress })
  return { ...stored, linked: files.linked }
}

function repoOf(store: ImageStore | Repo): Repo {
  return 'repo' in store ? store.repo : store
}
