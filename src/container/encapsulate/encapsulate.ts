/**
 * Writes a commit as a container image, from which the same commit can be restored.
 *
 * ```
 * layer 0       the commit, its directories, and the files that are in no other layer
 * layer 1 … n   files by component, so that an update fetches only the layers of changed components
 * labels        ostree.commit, ostree.bootable, version, and ostree.final-diffid, which names the last of these layers
 * ```
 *
 * Everything depends only on the commit, its detached metadata and the options; without `exactCompression`, the
 * compressed bytes also depend on the runtime. Source: ostree-ext, container/encapsulate.rs.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, NotFoundError, UsageError, withContext } from '../../errors.ts'
import { array, bool, lookup, string, type Vardict } from '../../gvariant/index.ts'
import { BOOTABLE_KEY, type Repo } from '../../repo/index.ts'
import type { ContainerConfig, Digest, HistoryEntry, HostPlatform } from '../oci/oci-types.ts'
import { present } from '../oci/present.ts'
import { type ImageReference, toImageReference } from '../oci/reference.ts'
import { parseLenientRfc3339 } from '../oci/rfc3339.ts'
import { openDestination } from '../open/open-destination.ts'
import type { DestinationContext } from '../registry/options.ts'
import {
  BOOTC_LABEL,
  COMPONENT_SEPARATOR,
  CONTENT_ANNOTATION,
  DIFFID_LABEL,
  OSTREE_COMMIT_LABEL,
  VERSION_LABELS,
} from '../store/names.ts'
import type { ImageDestination } from '../transport/destination.ts'
import type { Chunk, Chunking } from './chunk.ts'
import { chunkingFromMapping, type MappingOptions, newChunking } from './chunking.ts'
import {
  formatCreated,
  type ImageWriteOptions,
  type LayerCompression,
  type LayerInput,
  requireCompression,
  type WrittenLayer,
  writeImage,
  writeLayers,
} from './image-writer.ts'
import type { ObjectMetaSized } from './object-meta.ts'
import { exportChunk, exportFinalChunk } from './tar-export.ts'

/** Label of the version in older images. */
export const LEGACY_VERSION_LABEL = 'version'
/** Key in the commit's metadata: the command of the container, of type `as`. */
export const CONTAINER_CMD_KEY = 'ostree.container-cmd'
const LINUX_KEY = 'ostree.linux'
const VERSION_KEY = 'version'

/** Values for the config of the image, besides those from the commit. */
export interface EncapsulateConfig {
  /** Labels. They replace those from the commit, except that with the diff id. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Command of the container, instead of that from the commit. */
  readonly cmd?: readonly string[] | undefined
}

/** How a commit becomes an image. */
export interface EncapsulateOptions extends MappingOptions, ImageWriteOptions {
  /** Use the fastest compression. Default false. */
  readonly skipCompression?: boolean | undefined
  /** Compression of all layers. Default gzip at level 6, or at 1 with `skipCompression`. */
  readonly compression?: LayerCompression | undefined
  /** Keys of commit metadata that become labels. The commit must have them, with values that are strings. */
  readonly copyMetaKeys?: readonly string[] | undefined
  /** Keys of commit metadata that become labels if the commit has them. */
  readonly copyMetaOptKeys?: readonly string[] | undefined
  /** Add the version with its old label, too. Default false. */
  readonly legacyVersionLabel?: boolean | undefined
  /** Container config that the labels and the command are added to. */
  readonly containerConfig?: ContainerConfig | undefined
  /** Platform of the image. Default: `host`. */
  readonly platform?: HostPlatform | undefined
  readonly host: HostPlatform
  /** Components of the commit. If given, the image is divided into chunks. */
  readonly packageContentmeta?: ObjectMetaSized | undefined
  /** Time of creation, as RFC 3339 text that is used unchanged. Default: time of the commit. */
  readonly created?: string | undefined
  /** Write the parent directories of a file before it, once for each layer. Default false. */
  readonly tarCreateParentDirs?: boolean | undefined
}

/**
 * Writes a commit as a container image and publishes it under a reference. `unencapsulate` gives the same commit again.
 *
 * @example
 * const host = hostPlatform()
 * await encapsulate(repo, 'main', {}, { host, files: nodeFiles }, 'oci:/srv/image:latest')
 * @param rev anything that resolves to a commit
 * @param to where the image is written: a reference, or its text
 * @returns the digest of the manifest
 * @throws {InvalidNameError} when the text is not a reference
 * @throws {UsageError} on an unknown compression or level, before anything is written
 * @throws {RefNotFoundError} when there is no such rev
 * @throws {NotFoundError} when the commit lacks a metadata key of `copyMetaKeys`
 * @throws {FormatError} when a metadata key to copy does not hold a string, or a file has no component
 * @throws {UnsupportedError} for transports that cannot be written, and without the `files` or `registry` that one
 *   needs
 */
export async function encapsulate(
  repo: Repo,
  rev: string,
  config: EncapsulateConfig,
  options: EncapsulateOptions & Pick<DestinationContext, 'files' | 'registry'>,
  to: string | ImageReference,
): Promise<Digest> {
  const reference = toImageReference(to)
  const { files, registry, host, signal } = options
  requireCompression(options.compression)
  const context = { platform: repo.platform, files, registry, host, signal }
  await using destination = await openDestination(reference, context)
  return await encapsulateTo(repo, rev, config, options, destination)
}

/** Does what `encapsulate` does, into an open destination. The destination is committed; the caller disposes of it. */
export async function encapsulateTo(
  repo: Repo,
  rev: string,
  config: EncapsulateConfig,
  options: EncapsulateOptions,
  destination: ImageDestination,
): Promise<Digest> {
  requireCompression(options.compression)
  const commit = await repo.resolve(rev)
  try {
    return await build(repo, commit, config, options, destination)
  } catch (error) {
    throw withContext('Building oci', error)
  }
}

async function build(
  repo: Repo,
  checksum: Checksum,
  config: EncapsulateConfig,
  options: EncapsulateOptions,
  to: ImageDestination,
): Promise<Digest> {
  const commit = await repo.readCommit(checksum)
  const created = options.created ?? formatCreated(commit.timestamp)
  const labels = commitLabels(checksum, commit.metadata, options)
  for (const [name, value] of Object.entries(config.labels ?? {})) labels.set(name, value)
  const chunking = await chunkCommit(repo, checksum, options)
  const description = commit.subject === '' ? `ostree export of commit ${checksum}` : commit.subject
  const layers = await writeOstreeLayers(repo, checksum, chunking, to, { ...options, created, description })
  labels.set(DIFFID_LABEL, lastDiffId(layers))

  const { containerConfig, platform = options.host } = options
  const cmd = config.cmd ?? lookup(commit.metadata, CONTAINER_CMD_KEY, array(string)) ?? containerConfig?.Cmd
  const annotations = Object.fromEntries(labels)
  return await writeImage(to, layers, {
    architecture: platform.architecture,
    os: platform.os,
    variant: platform.variant,
    created,
    config: present({ ...containerConfig, Cmd: cmd, Labels: { ...containerConfig?.Labels, ...annotations } }),
    annotations,
  })
}

async function chunkCommit(repo: Repo, commit: Checksum, options: EncapsulateOptions): Promise<Chunking> {
  const { packageContentmeta } = options
  if (packageContentmeta === undefined) return await newChunking(repo, commit)
  const chunking = await chunkingFromMapping(repo, commit, packageContentmeta, options)
  leaveOutTwins(chunking.chunks)
  return chunking
}

/**
 * Removes the other empty chunks when the last one is empty. All empty chunks have one digest, but that of the last layer
 * of the commit, by which an importer finds the layers on top, must be unique. Packing gives a second empty bin when there
 * are no more bins than kinds of components.
 */
function leaveOutTwins(chunks: Chunk[]): void {
  const last = chunks.at(-1)
  if (last === undefined || last.content.size > 0) return
  const kept = chunks.filter((chunk) => chunk === last || chunk.content.size > 0)
  chunks.length = 0
  for (const chunk of kept) chunks.push(chunk)
}

function commitLabels(commit: Checksum, metadata: Vardict, options: EncapsulateOptions): Map<string, string> {
  const labels = new Map<string, string>()
  for (const key of options.copyMetaKeys ?? []) {
    const value = stringValue(metadata, key)
    if (value === undefined) throw new NotFoundError(key, `Could not find commit metadata key: ${key}`)
    labels.set(key, value)
  }
  for (const key of options.copyMetaOptKeys ?? []) {
    const value = stringValue(metadata, key)
    if (value !== undefined) labels.set(key, value)
  }
  const bootable = lookup(metadata, BOOTABLE_KEY, bool)
  if (bootable !== undefined) {
    labels.set(BOOTABLE_KEY, String(bootable))
    // Also if the value is false, because this label says which programs can read the image.
    labels.set(BOOTC_LABEL, '1')
  }
  const linux = lookup(metadata, LINUX_KEY, string)
  if (linux !== undefined) labels.set(LINUX_KEY, linux)
  const version = lookup(metadata, VERSION_KEY, string)
  if (version !== undefined) {
    labels.set(VERSION_LABELS[0] as string, version) // the preferred label
    if (options.legacyVersionLabel) labels.set(LEGACY_VERSION_LABEL, version)
  }
  labels.set(OSTREE_COMMIT_LABEL, commit)
  return labels
}

function stringValue(metadata: Vardict, key: string): string | undefined {
  const value = lookup(metadata, key, string)
  if (value === undefined && metadata.some(([name]) => name === key)) {
    throw new FormatError('commit metadata', `Expected string for commit metadata value: ${key}`)
  }
  return value
}

export interface OstreeLayerOptions extends ImageWriteOptions {
  readonly skipCompression?: boolean | undefined
  readonly compression?: LayerCompression | undefined
  readonly tarCreateParentDirs?: boolean | undefined
  readonly created: string
  /** Command in the history of the commit layer. */
  readonly description: string
}

/** Writes the layers of a commit. @returns the commit layer, then those of the chunks */
export async function writeOstreeLayers(
  repo: Repo,
  commit: Checksum,
  chunking: Chunking,
  to: ImageDestination,
  options: OstreeLayerOptions,
): Promise<WrittenLayer[]> {
  const { created, description, tarCreateParentDirs: createParentDirs, signal } = options
  const { compression = { kind: 'gzip', level: options.skipCompression ? 1 : 6 } } = options
  const { rootTree: tree, rootMeta: meta } = await repo.readCommit(commit)
  const tarOptions = { createParentDirs, signal, root: { tree, meta } }
  const history = (createdBy: string): HistoryEntry => ({ created: wholeSeconds(created), created_by: createdBy })
  const chunks = chunking.chunks.map(
    (chunk, i): LayerInput => ({
      tar: () => exportChunk(repo, chunk, tarOptions),
      compression,
      annotations: { [CONTENT_ANNOTATION]: chunk.packages.toSorted(compareUtf8).join(COMPONENT_SEPARATOR) },
      history: history(chunk.name),
      context: `Exporting chunk ${i}`,
    }),
  )
  const commitLayer: LayerInput = {
    tar: () => exportFinalChunk(repo, commit, chunking.remainder, tarOptions),
    compression,
    history: history(description),
    context: 'Exporting final chunk',
  }
  return await writeLayers(repo.platform, to, [commitLayer, ...chunks], options)
}

/** Returns the diff id of the last layer of the commit, for the label `ostree.final-diffid`. */
export function lastDiffId(layers: readonly WrittenLayer[]): string {
  const last = layers.at(-1)
  if (last === undefined) throw new UsageError('An image needs a layer')
  return last.diffId
}

function wholeSeconds(created: string): string {
  return formatCreated(parseLenientRfc3339(created) ?? 0)
}
