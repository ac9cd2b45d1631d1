/**
 * A commit as a container image, from which the very same commit can be had back.
 *
 * ```
 * layer 0       the commit, its directories, and what files no other layer has
 * layer 1 … n   files by component, so that an update fetches the layers of what changed
 * labels        ostree.commit, ostree.bootable, version, and ostree.final-diffid: which layer is the last of these
 * ```
 *
 * Everything but compressed bytes is a function of commit, detached metadata and options. Source: ostree-ext,
 * container/encapsulate.rs.
 */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { FormatError, NotFoundError, UsageError, withContext } from '../../errors.ts'
import { array, bool, lookup, string, type Vardict } from '../../gvariant/index.ts'
import { BOOTABLE_KEY, type Repo } from '../../repo/index.ts'
import type { ContainerConfig, Digest, HistoryEntry, HostPlatform } from '../oci/oci-types.ts'
import { present } from '../oci/present.ts'
import { type ImageReference, toImageReference } from '../oci/reference.ts'
import { parseRfc3339 } from '../oci/rfc3339.ts'
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
  type WrittenLayer,
  writeImage,
  writeLayers,
} from './image-writer.ts'
import type { ObjectMetaSized } from './object-meta.ts'
import { exportChunk, exportFinalChunk } from './tar-export.ts'

/** Label `version`, where images of old carry it. */
export const LEGACY_VERSION_LABEL = 'version'
/** Commit metadata: the command of the container, `as`. */
export const CONTAINER_CMD_KEY = 'ostree.container-cmd'
const LINUX_KEY = 'ostree.linux'
const VERSION_KEY = 'version'

/** What the config of the image says beside what the commit says. */
export interface EncapsulateConfig {
  /** In front of what the commit says, but for the diff id. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Instead of what the commit says. */
  readonly cmd?: readonly string[] | undefined
}

/** How a commit becomes an image. */
export interface EncapsulateOptions extends MappingOptions, ImageWriteOptions {
  /** Compress as fast as can be. Default false. */
  readonly skipCompression?: boolean | undefined
  /** Default gzip at level 6, at 1 with `skipCompression`. */
  readonly compression?: LayerCompression | undefined
  /** Keys of commit metadata to become labels; these must be there and hold strings. */
  readonly copyMetaKeys?: readonly string[] | undefined
  /** The same for keys that may be absent. */
  readonly copyMetaOptKeys?: readonly string[] | undefined
  /** Write the version under its old label as well. Default false. */
  readonly legacyVersionLabel?: boolean | undefined
  /** What the image's config starts from. */
  readonly containerConfig?: ContainerConfig | undefined
  /** What the image says it runs on. Default: `host`. */
  readonly platform?: HostPlatform | undefined
  readonly host: HostPlatform
  /** Components of the commit: with it the image is split into chunks. */
  readonly packageContentmeta?: ObjectMetaSized | undefined
  /** RFC 3339, taken as it stands. Default: time of the commit. */
  readonly created?: string | undefined
  /** Before each file of a layer the directories it lies in. Default false. */
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
 * Two chunks that hold nothing have one digest, and of the last, by which an importer tells OSTree's layers from those
 * on top, there may be only one. Packing makes an empty bin when there are no more bins than kinds of component.
 */
function leaveOutTwins(chunks: Chunk[]): void {
  const last = chunks.at(-1)
  if (last === undefined || last.content.size > 0) return
  const others = chunks.slice(0, -1).filter(({ content }) => content.size > 0)
  chunks.splice(0, chunks.length, ...others, last)
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
    // Also of one that says it is not: the label tells what can read the image.
    labels.set(BOOTC_LABEL, '1')
  }
  const linux = lookup(metadata, LINUX_KEY, string)
  if (linux !== undefined) labels.set(LINUX_KEY, linux)
  const version = lookup(metadata, VERSION_KEY, string)
  if (version !== undefined) {
    labels.set(VERSION_LABELS[0] as string, version) // the preferred one
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
  /** History of the layer of the commit. */
  readonly description: string
}

/** Writes the layers of a commit. @returns that of the commit first, then those of the chunks */
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

/** What tells OSTree's own layers from those on top of them. */
export function lastDiffId(layers: readonly WrittenLayer[]): string {
  const last = layers.at(-1)
  if (last === undefined) throw new UsageError('An image needs a layer')
  return last.diffId
}

function wholeSeconds(created: string): string {
  return formatCreated(parseRfc3339(created)?.seconds ?? 0)
}
