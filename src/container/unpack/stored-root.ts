/**
 * Unpacks images through a repository, in which every layer is stored once, whatever images have it. Refs:
 *
 * ```
 * ostree-ts/unpacked/layer/DIFFID              a layer (store-layer.ts)
 * ostree-ts/unpacked/image/PLATFORM/REFERENCE  an image: a commit without files, with manifest and config
 * ```
 *
 * Layers are named by the digest of the plain tar, so it does not matter how they were compressed. These refs are of
 * another kind than those of pulled images, whose layers are changed for OSTree; file objects are shared with them.
 */

import { type Checksum, displayUtf8 } from '../../bytes.ts'
import { FormatError, LimitError, withContext } from '../../errors.ts'
import { string, variantOf } from '../../gvariant/index.ts'
import { DirMeta, type FileObject, NO_XATTRS, S_IFDIR } from '../../objects/index.ts'
import {
  MutableTree,
  type ObjectReader,
  type Repo,
  type Transaction,
  writeCommit,
  writeTree,
} from '../../repo/index.ts'
import { ReadAhead } from '../import/read-ahead.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import type { DiffId, HostPlatform } from '../oci/oci-types.ts'
import { formatImageReference, type ImageReference, type OstreeImageReference } from '../oci/reference.ts'
import { parseRegistryReference } from '../oci/registry-reference.ts'
import { openImage } from '../open/open-image.ts'
import { imageConfigFromCommitmeta, manifestDataFromCommitmeta } from '../store/merge-metadata.ts'
import { META_CONFIG, META_MANIFEST, META_MANIFEST_DIGEST } from '../store/names.ts'
import { escapeRef, prefixEscapeRef, unescapeRef } from '../store/ref-escape.ts'
import { listLocalRefs, RefsLock, resolveLocalRef, resolveStoredRef } from '../store/refs.ts'
import { type ImageSource, MAX_LAYERS } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { type Directory, type Inode, RootTree, type RootWriter } from './root-tree.ts'
import { readStoredLayer, storeLayer } from './store-layer.ts'
import { acceptedReference, type ImageIdentity, MAX_UNPACKED_ENTRIES, type UnpackOptions } from './unpack.ts'

const LAYERS = 'ostree-ts/unpacked/layer'
const IMAGES = 'ostree-ts/unpacked/image'

/** How an image is unpacked through a repository. */
export interface StoredRootOptions extends UnpackOptions {
  /** `missing`: take an image of that reference that is stored, without asking whether it has changed. Default `newer`. */
  readonly pull?: 'newer' | 'missing' | undefined
}

/** The root file system of an image whose layers are stored. */
export interface StoredRoot extends ImageIdentity {
  readonly root: Directory
  /** Entries of all layers. */
  readonly entries: number
}

/**
 * Stores the layers of an image that are not stored yet, and returns its tree. The content of each file is the checksum of
 * its object (`Inode.content`), `undefined` if it is empty. An image named by its digest is not asked for again.
 * @throws {OstreeError} as `unpackTo`, `openImage` and `Repo.begin`
 */
export async function openStoredRoot(
  repo: Repo,
  reference: string | OstreeImageReference,
  options: StoredRootOptions,
): Promise<StoredRoot> {
  const { host, signal, limits = {}, onProgress } = options
  const imgref = await acceptedReference(reference, options.policy)
  const ref = `${IMAGES}/${platformName(host)}/${escapeRef(formatImageReference(imgref))}`
  const { identity, layers, isFetched } = await inTurn(repo, async () => {
    const known = await readImage(repo, ref)
    if (known !== undefined && (options.pull === 'missing' || isPinned(imgref))) {
      const commits = await findLayers(repo, known)
      if (commits !== undefined) return { identity: known, layers: commits, isFetched: false }
    }
    const { platform, files, registry } = options
    const { maxLayers = MAX_LAYERS, maxLayerBytes } = limits
    await using source = await openImage(imgref, { platform, host, files, registry, signal, maxLayers, maxLayerBytes })
    const { manifest, manifestDigest } = source
    if (manifest.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
    const isKnown = known?.manifestDigest === manifestDigest
    const current = { manifest, manifestDigest, config: isKnown ? known.config : await source.config() }
    const commits = isKnown ? await findLayers(repo, current) : undefined
    if (commits !== undefined) return { identity: current, layers: commits, isFetched: false }
    const stored = await storeImage(repo, ref, source, current, options)
    return { identity: current, layers: stored, isFetched: true }
  })
  const total = layers.length
  const { maxEntries = MAX_UNPACKED_ENTRIES } = limits
  const writer = new ContentNames()
  const tree = new RootTree(writer, maxEntries)
  for (const [index, commit] of layers.entries()) {
    const { digest, size } = identity.manifest.layers[index] as { digest: string; size: number }
    tree.nextLayer()
    for await (const entries of readStoredLayer(repo.objects, commit)) {
      signal?.throwIfAborted()
      for (const entry of entries) {
        writer.content = entry.content
        try {
          tree.apply(entry)
        } catch (error) {
          throw withContext(`Unpacking layer ${digest}`, withContext(displayUtf8(entry.path), error))
        }
        tree.end()
      }
    }
    if (!isFetched) onProgress?.({ kind: 'layer-cached', digest, index, total, size })
  }
  return { ...identity, root: tree.root, entries: tree.entries }
}

/** Reads the content of a file of a stored root. @throws {FormatError} when the object is not that file */
export async function readStoredFile(objects: ObjectReader, { content, size }: Inode): Promise<FileObject> {
  const file = await objects.readFile(content as Checksum)
  if (file.size === size) return file
  throw new FormatError(`${content as Checksum}.file`, `The file has ${file.size} bytes, but its layer says ${size}`)
}

/**
 * Forgets an image that was unpacked through a repository, for all platforms, and all layers that no other such image
 * needs. Objects are deleted by the next prune.
 * @param reference as `formatImageReference` gives it
 * @returns whether the image was stored
 */
export async function removeUnpacked(repo: Repo, reference: ImageReference): Promise<boolean> {
  const name = escapeRef(formatImageReference(reference))
  return inTurn(repo, async () => {
    await using lock = new RefsLock(repo)
    await lock.take()
    const images = await listLocalRefs(repo, IMAGES)
    const isRemoved = (ref: string): boolean => ref.slice(IMAGES.length + 1).replace(/^[^/]*\//, '') === name
    const needed = new Set<string>()
    for (const ref of images) {
      if (isRemoved(ref)) continue
      // What an image that cannot be read needs is not known, so the error is thrown.
      for (const id of (await readImage(repo, ref))?.config.rootfs.diff_ids ?? []) needed.add(layerRef(id))
    }
    const removed = images.filter(isRemoved)
    if (removed.length === 0) return false
    const layers = (await listLocalRefs(repo, LAYERS)).filter((ref) => !needed.has(ref))
    await repo.transaction(async (tx) => {
      for (const ref of [...removed, ...layers]) tx.setRef(`heads/${ref}`, undefined)
    })
    return true
  })
}

/** Lists the references of the images that were unpacked through a repository, each once, in byte order of the refs. */
export async function listUnpacked(repo: Repo): Promise<string[]> {
  const refs = await listLocalRefs(repo, IMAGES)
  return [...new Set(refs.map((ref) => unescapeRef(ref.slice(IMAGES.length + 1).replace(/^[^/]*\//, ''))))]
}

/** Notes the file object of each file that is made. */
class ContentNames implements RootWriter {
  content: Checksum | undefined

  makeDirectory(): void {}
  remove(): void {}
  link(): void {}
  data(): void {}
  end(): void {}

  make(_parent: unknown, _name: string, inode: Inode): void {
    inode.content = this.content
  }
}

const turns = new WeakMap<object, Promise<unknown>>()

/** Runs one piece of work after the other for a repository, since a storage has one transaction at a time. */
async function inTurn<T>(repo: Repo, work: () => Promise<T>): Promise<T> {
  const before = turns.get(repo.storage) ?? Promise.resolve()
  const mine = before.then(work, work)
  turns.set(
    repo.storage,
    mine.catch(() => {}),
  )
  return mine
}

/** Stores what is missing of an image, each layer with its ref as soon as it is complete. @returns its layers */
async function storeImage(
  repo: Repo,
  ref: string,
  source: ImageSource,
  image: ImageIdentity,
  options: StoredRootOptions,
): Promise<Checksum[]> {
  const { platform, signal, onProgress, limits = {}, readAhead } = options
  const { maxLayerBytes, tar, maxEntries = MAX_UNPACKED_ENTRIES } = limits
  const { layers } = image.manifest
  const diffIds = requireDiffIds(image)
  return repo.transaction(async (tx) => {
    const found = new Map<DiffId, Checksum>()
    for (const id of diffIds) {
      const commit = await resolveStoredRef(repo, tx, layerRef(id))
      if (commit !== undefined) found.set(id, commit)
    }
    const missing = layers.filter((_, index) => !found.has(diffIds[index] as DiffId))
    const once = [...new Map(missing.map((layer) => [layer.digest, layer])).values()]
    await using blobs = new ReadAhead(source, once, readAhead)
    const total = layers.length
    for (const [index, layer] of layers.entries()) {
      const diffId = diffIds[index] as DiffId
      const { digest, size } = layer
      if (found.has(diffId)) {
        onProgress?.({ kind: 'layer-cached', digest, index, total, size })
        continue
      }
      onProgress?.({ kind: 'layer-start', digest, index, total, size })
      const chunks = openLayer(source.givesPlainLayers ? source : blobs, layer, {
        platform,
        diffId,
        maxBytes: maxLayerBytes,
        signal,
        onBytes: onProgress && ((received) => onProgress({ kind: 'bytes', digest, index, received, size })),
      })
      try {
        const commit = await storeLayer(repo, tx, chunks, { maxEntries, tar, signal })
        found.set(diffId, commit)
        tx.setRef(`heads/${layerRef(diffId)}`, { commit })
      } catch (error) {
        throw withContext(`Unpacking layer ${digest}`, error)
      }
      await tx.checkpoint()
      onProgress?.({ kind: 'layer-done', digest, index, total, size })
    }
    await using lock = new RefsLock(repo)
    await lock.take()
    // All refs are set again, since another program may have removed some of them meanwhile.
    for (const [id, commit] of found) tx.setRef(`heads/${layerRef(id)}`, { commit })
    tx.setRef(`heads/${ref}`, { commit: await writeImage(tx, image) })
    await tx.checkpoint()
    return diffIds.map((id) => found.get(id) as Checksum)
  })
}

/** Writes the commit of an image. */
async function writeImage(tx: Transaction, { manifest, manifestDigest, config }: ImageIdentity): Promise<Checksum> {
  const tree = new MutableTree()
  const meta = { uid: 0, gid: 0, mode: S_IFDIR | 0o755, xattrs: NO_XATTRS }
  tree.setMeta(await tx.writeMeta('dirmeta', DirMeta.encode(meta)))
  return writeCommit(tx, {
    root: await writeTree(tx, tree),
    timestamp: 0n,
    metadata: [
      [META_CONFIG, variantOf(string, canonicalJson(config))],
      [META_MANIFEST, variantOf(string, canonicalJson(manifest))],
      [META_MANIFEST_DIGEST, variantOf(string, manifestDigest)],
    ],
  })
}

async function readImage(repo: Repo, ref: string): Promise<ImageIdentity | undefined> {
  const commit = await resolveLocalRef(repo, ref)
  if (commit === undefined) return undefined
  const { metadata } = await repo.readCommit(commit)
  return { ...manifestDataFromCommitmeta(metadata), config: imageConfigFromCommitmeta(metadata) }
}

/** Returns the commits of the layers of an image; `undefined` unless all of them are stored. */
async function findLayers(repo: Repo, image: ImageIdentity): Promise<Checksum[] | undefined> {
  const commits: Checksum[] = []
  for (const id of requireDiffIds(image)) {
    const commit = await resolveStoredRef(repo, repo.objects, layerRef(id))
    if (commit === undefined) return undefined
    commits.push(commit)
  }
  return commits
}

function requireDiffIds({ manifest, config }: ImageIdentity): readonly DiffId[] {
  const diffIds = config.rootfs.diff_ids
  const { length } = manifest.layers
  if (diffIds.length === length) return diffIds
  throw new FormatError('image config', `The image has ${length} layers, but ${diffIds.length} diff ids`)
}

function layerRef(diffId: DiffId): string {
  return prefixEscapeRef(LAYERS, diffId)
}

function platformName({ os, architecture, variant }: HostPlatform): string {
  return escapeRef([os, architecture, variant ?? ''].join(' ')).replaceAll('/', '_2F_')
}

/** Returns whether a reference names one image for ever. */
function isPinned({ transport, name }: ImageReference): boolean {
  return transport === 'registry' && parseRegistryReference(name).digest !== undefined
}
