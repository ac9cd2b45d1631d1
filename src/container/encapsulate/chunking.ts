/**
 * Divides a commit into chunks: by components, or as in the layers of a stored image.
 *
 * Source: ostree-ext, chunking.rs (Chunking::new, from_mapping, process_mapping); container/store.rs
 * (chunking_from_layer_committed).
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, LimitError, NotFoundError } from '../../errors.ts'
import { isChecksum, isSymlink } from '../../objects/index.ts'
import { commitRoot, type Repo, walkTree } from '../../repo/index.ts'
import type { Descriptor, ImageManifest } from '../oci/oci-types.ts'
import { findLayerRef } from '../store/layer-refs.ts'
import { refForLayer } from '../store/names.ts'
import { resolveLocalRef } from '../store/refs.ts'
import { Chunk, Chunking } from './chunk.ts'
import type { ObjectMetaSized, ObjectSourceMetaSized } from './object-meta.ts'
import { basicPacking } from './packing.ts'

/** Default of `MappingOptions.maxLayers`: chunks of an image, beside the layer that holds the commit. */
export const MAX_CHUNKS = 64

/** Paths of one commit. Each takes some 150 bytes of memory, and ten small objects can name a billion of them. */
export const MAX_CHUNKED_PATHS = 1 << 22

/** Components that the name of a chunk lists; of more than this it gives the number. */
const MAX_LISTED = 5
const RESERVED_NAME = 'Reserved for new packages'

/** A file that a component claims, by path. */
export interface ClaimedPath {
  /** Absolute path. */
  readonly path: string
  readonly checksum: Checksum
}

/** How the files of a commit are divided into chunks. */
export interface MappingOptions {
  /** Largest number of chunks; 0 leaves everything in the remainder. Default `MAX_CHUNKS`. */
  readonly maxLayers?: number | undefined
  /** Manifest of the previous build, whose layers are kept as far as possible. */
  readonly priorBuild?: ImageManifest | undefined
  /** Components that get a chunk of their own whatever their size: their paths, by identifier. */
  readonly specificContentmeta?: ReadonlyMap<string, readonly ClaimedPath[]> | undefined
}

/**
 * Reads which files a commit has. All of them are in `remainder` at first, by checksum, with their sizes in bytes and
 * their paths.
 * @param rev anything that resolves to a commit
 * @param maxPaths files and directories that the commit may have
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {LimitError} when the commit has more files and directories than `maxPaths`
 * @throws {ObjectNotFoundError} when an object of the commit is missing
 */
export async function newChunking(repo: Repo, rev: string, maxPaths: number = MAX_CHUNKED_PATHS): Promise<Chunking> {
  const commit = await repo.resolve(rev)
  const chunking = new Chunking()
  const { remainder } = chunking
  const metaSizes = new Map<Checksum, number>()
  const sizeOf = async (type: 'dirtree' | 'dirmeta', checksum: Checksum): Promise<number> => {
    const size = metaSizes.get(checksum) ?? (await repo.objects.readMeta(type, checksum)).length
    metaSizes.set(checksum, size)
    return size
  }
  let count = 0
  for await (const entry of walkTree(repo.objects, await commitRoot(repo.objects, commit))) {
    if (++count > maxPaths) throw new LimitError('paths of a commit', maxPaths, undefined, entry.path)
    if (entry.kind === 'directory') {
      chunking.metadataSize += (await sizeOf('dirtree', entry.tree)) + (await sizeOf('dirmeta', entry.meta))
      continue
    }
    const known = remainder.content.get(entry.checksum)
    if (known !== undefined) {
      known.paths.push(entry.path)
      continue
    }
    const { header, size: bytes } = await repo.objects.statFile(entry.checksum)
    const size = isSymlink(header) ? 0 : bytes
    remainder.content.set(entry.checksum, { size, paths: [entry.path] })
    remainder.size += size
  }
  return chunking
}

/** Divides a commit into chunks by component. @throws as `newChunking` and `processMapping` */
export async function chunkingFromMapping(
  repo: Repo,
  rev: string,
  meta: ObjectMetaSized,
  options: MappingOptions = {},
): Promise<Chunking> {
  const chunking = await newChunking(repo, rev)
  processMapping(chunking, meta, options)
  return chunking
}

/**
 * Moves files from the remainder into chunks. The same files, components and options give the same chunks.
 * @throws {FormatError} naming the files that no component has; {UsageError} on fewer chunks than can be packed
 */
export function processMapping(chunking: Chunking, meta: ObjectMetaSized, options: MappingOptions = {}): void {
  const { maxLayers = MAX_CHUNKS, priorBuild, specificContentmeta } = options
  chunking.max = maxLayers
  if (maxLayers === 0) return
  const exclusive = [...(specificContentmeta ?? [])].sort(([a], [b]) => compareUtf8(a, b))
  for (const [identifier, claims] of exclusive) {
    const chunk = new Chunk(identifier, [identifier])
    for (const { path, checksum } of claims) chunking.remainder.movePath(chunk, checksum, path)
    chunking.chunks.push(chunk)
  }
  const regular = meta.sizes.filter(({ identifier }) => specificContentmeta?.has(identifier) !== true)
  chunking.nProvidedComponents = new Set(meta.map.values()).size
  chunking.nSizedComponents = meta.sizes.length
  const remaining = Math.max(0, maxLayers - chunking.chunks.length)
  if (remaining > 0) {
    const objects = objectsOf(meta)
    for (const bin of basicPacking(regular, remaining, priorBuild)) {
      const chunk = new Chunk(
        nameOf(bin),
        bin.map(({ name }) => name),
      )
      for (const { identifier } of bin) {
        for (const checksum of objects.get(identifier) ?? []) chunking.remainder.moveObj(chunk, checksum)
      }
      chunking.chunks.push(chunk)
    }
  }
  if (exclusive.length > 0 || regular.length > 0) requireNothingLeft(chunking.remainder)
}

function objectsOf({ map }: ObjectMetaSized): Map<string, Checksum[]> {
  const objects = new Map<string, Checksum[]>()
  for (const [checksum, identifier] of [...map].sort(([a], [b]) => compareUtf8(a, b))) {
    const known = objects.get(identifier)
    if (known === undefined) objects.set(identifier, [checksum])
    else known.push(checksum)
  }
  return objects
}

function nameOf(bin: readonly ObjectSourceMetaSized[]): string {
  if (bin.length === 0) return RESERVED_NAME
  if (bin.length > MAX_LISTED) return `${bin.length} components`
  return bin.map(({ identifier }) => identifier).join(' and ')
}

function requireNothingLeft({ content }: Chunk): void {
  if (content.size === 0) return
  const shown = [...content].slice(0, MAX_LISTED).map(([checksum, { paths }]) => `${paths[0]} (${checksum})`)
  const more = content.size > MAX_LISTED ? `, and ${content.size - MAX_LISTED} more` : ''
  throw new FormatError('components', `No component has ${shown.join(', ')}${more}`)
}

/**
 * Moves the files of a stored chunk layer from the remainder to a chunk without a name. Files that are not in the
 * remainder are skipped.
 * @param mergeCommit of the image that the layer belongs to. Default: the layer as it is stored for all images
 * @throws {NotFoundError} when the layer is not stored, {FormatError} when its commit is not that of a chunk layer
 */
export async function chunkingFromLayerCommitted(
  repo: Repo,
  layer: Descriptor,
  chunking: Chunking,
  mergeCommit?: Checksum,
): Promise<void> {
  const ref = refForLayer(layer)
  const found = mergeCommit && (await findLayerRef(repo, mergeCommit, { layer, kind: 'chunk' }))
  const commit = found ? found.commit : await resolveLocalRef(repo, ref)
  if (commit === undefined) throw new NotFoundError(ref, `No such ref: ${ref}`)
  const { rootTree } = await repo.readCommit(commit)
  const { files, dirs } = await repo.readDirTree(rootTree)
  const chunk = new Chunk()
  for (const { name } of [...files, ...dirs]) {
    if (!isChecksum(name)) throw new FormatError(`${commit}.commit`, `Not the commit of a chunk layer: has ${name}`)
    chunking.remainder.moveObj(chunk, name)
  }
  chunking.chunks.push(chunk)
}
