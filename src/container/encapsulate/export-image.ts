/**
 * Writes a stored image as an image again.
 *
 * The layers of its commit are written as they were when it was encapsulated, with the same diff ids. The layers on top
 * are made from the commits that they are stored as: they have the same content as the original archives, but are not
 * the same bytes.
 *
 * Source: ostree-ext, container::store (export_to_oci, export).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { commitRoot, type Repo } from '../../repo/index.ts'
import { layerHistory } from '../import/prepared-import.ts'
import type {
  Descriptor,
  Digest,
  HistoryEntry,
  HostPlatform,
  ImageConfiguration,
  ImageManifest,
} from '../oci/oci-types.ts'
import { type ImageReference, toImageReference } from '../oci/reference.ts'
import { parseLenientRfc3339 } from '../oci/rfc3339.ts'
import { openDestination } from '../open/open-destination.ts'
import type { DestinationContext } from '../registry/options.ts'
import { requireLayer } from '../store/layer-refs.ts'
import { parseManifestLayout } from '../store/layout.ts'
import { CONTENT_ANNOTATION, DIFFID_LABEL } from '../store/names.ts'
import { type LayeredImageState, noSuchImage, queryImage } from '../store/query.ts'
import type { ImageDestination } from '../transport/destination.ts'
import { chunkingFromLayerCommitted, newChunking } from './chunking.ts'
import { lastDiffId, writeOstreeLayers } from './encapsulate.ts'
import {
  formatCreated,
  type ImageWriteOptions,
  type LayerCompression,
  type LayerInput,
  requireCompression,
  type WrittenLayer,
  writeDocuments,
  writeLayers,
} from './image-writer.ts'
import { exportTree } from './tar-export.ts'

/** How a stored image is written. All options may be left out. */
export interface ExportToOciOptions extends ImageWriteOptions {
  /** Use the fastest compression, and none for the layers on top. Default false. */
  readonly skipCompression?: boolean | undefined
  /** Compression of all layers. Default gzip, at the level that `skipCompression` gives. */
  readonly compression?: LayerCompression | undefined
  /**
   * Give every layer the component names and the history that it has in the stored image. Default false: as in ostree-ext,
   * those of the commit's layers are empty, and the layers on top get those of the layers below them.
   */
  readonly keepLayerNotes?: boolean | undefined
}

/** Options of `exportImage`: those of `exportToOci`, and what the transport needs. */
export interface ExportImageOptions extends ExportToOciOptions, Pick<DestinationContext, 'files' | 'registry'> {
  readonly host: HostPlatform
}

/**
 * Writes a stored image as an image again. The directory of an `oci:` reference must exist; other transports are
 * written with fast compression.
 *
 * @example
 * await exportImage(repo, 'docker://quay.io/exampleos/os:1', 'oci-archive:/srv/os.tar', { host, files: nodeFiles })
 * @param image the stored image: a reference, or its text
 * @param to where it is written: a reference, or its text
 * @returns the digest of the manifest
 * @throws {InvalidNameError} when a text is not a reference
 * @throws {UsageError} on an unknown compression or level, before anything is written
 * @throws {NotFoundError} when the image, or one of its layers, is not stored
 * @throws {UnsupportedError} for transports that cannot be written, and without the `files` or `registry` that one
 *   needs
 */
export async function exportImage(
  repo: Repo,
  image: string | ImageReference,
  to: string | ImageReference,
  options: ExportImageOptions,
): Promise<Digest> {
  const reference = toImageReference(to)
  const { files, registry, host, signal } = options
  requireCompression(options.compression)
  const isLayout = reference.transport === 'oci'
  const skipCompression = options.skipCompression ?? !isLayout
  const context = { platform: repo.platform, files, registry, host, signal }
  try {
    await using destination = await openDestination(reference, context, { create: !isLayout })
    return await exportToOci(repo, image, destination, { ...options, skipCompression })
  } catch (error) {
    throw withContext('Export', error)
  }
}

/** Does what `exportImage` does, into an open destination. The destination is committed; the caller disposes of it. */
export async function exportToOci(
  repo: Repo,
  image: string | ImageReference,
  to: ImageDestination,
  options: ExportToOciOptions = {},
): Promise<Digest> {
  requireCompression(options.compression)
  try {
    const state = await queryImage(repo, image)
    if (state === undefined) throw noSuchImage(image)
    return await write(repo, state, to, options)
  } catch (error) {
    throw withContext('Copying image', error)
  }
}

async function write(
  repo: Repo,
  { manifest, configuration: config, baseCommit, mergeCommit }: LayeredImageState,
  to: ImageDestination,
  options: ExportToOciOptions,
): Promise<Digest> {
  const { commitLayer, chunks, derived } = parseManifestLayout(manifest, config)
  const notes = new StoredNotes(manifest, config, options.keepLayerNotes ?? false)
  let layers: WrittenLayer[] = []
  let documents = { manifest, config }
  if (commitLayer !== undefined) {
    const chunking = await newChunking(repo, baseCommit)
    for (const layer of chunks) await chunkingFromLayerCommitted(repo, layer, chunking, mergeCommit)
    const created = config.created ?? ''
    const written = await writeOstreeLayers(repo, baseCommit, chunking, to, { ...options, created, description: '' })
    layers = notes.ofCommit(written, [commitLayer, ...chunks])
    documents = relabelled(documents, lastDiffId(written))
  }
  const inputs = derived.map((layer, i) => {
    const commit = () => requireLayer(repo, mergeCommit, { layer, kind: 'derived' })
    return derivedLayer(repo, layer, commit, notes.ofDerived(layer, i), options)
  })
  layers = [...layers, ...(await writeLayers(repo.platform, to, inputs, options))]
  return await writeDocuments(
    to,
    {
      ...documents.config,
      rootfs: { ...config.rootfs, diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(({ history }) => history),
    },
    { ...documents.manifest, layers: layers.map(({ descriptor }) => descriptor) },
  )
}

function derivedLayer(
  repo: Repo,
  layer: Descriptor,
  commitOf: () => Promise<Checksum>,
  notes: LayerNotes,
  options: ExportToOciOptions,
): LayerInput {
  const { skipCompression = false, compression = { kind: 'gzip', level: skipCompression ? 0 : 6 }, signal } = options
  async function* tar() {
    yield* exportTree(repo, await commitRoot(repo.objects, await commitOf()), { signal })
  }
  return {
    tar,
    compression,
    annotations: notes.annotations,
    history: notes.history,
    context: `Exporting layer ${layer.digest}`,
  }
}

interface LayerNotes {
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly history: HistoryEntry
}

/** Annotations and history of the layers: those of the stored image, or those that ostree-ext gives them. */
class StoredNotes {
  readonly #manifest: ImageManifest
  readonly #config: ImageConfiguration
  readonly #histories: ReadonlyMap<Descriptor, HistoryEntry | undefined>
  readonly #keep: boolean

  constructor(manifest: ImageManifest, config: ImageConfiguration, keep: boolean) {
    this.#manifest = manifest
    this.#config = config
    this.#histories = new Map(layerHistory(manifest, config).map(({ layer, history }) => [layer, history]))
    this.#keep = keep
  }

  ofCommit(written: readonly WrittenLayer[], stored: readonly Descriptor[]): WrittenLayer[] {
    if (!this.#keep) return [...written]
    return written.map((layer, i) => {
      const before = stored[i]
      const components = before?.annotations?.[CONTENT_ANNOTATION]
      const annotations = components === undefined ? layer.descriptor.annotations : { [CONTENT_ANNOTATION]: components }
      const descriptor = annotations === undefined ? layer.descriptor : { ...layer.descriptor, annotations }
      return { ...layer, descriptor, history: (before && this.#histories.get(before)) ?? layer.history }
    })
  }

  /**
   * Returns the notes of a derived layer.
   * @param index position among the derived layers, which ostree-ext uses as the position among all layers, and among all
   *   entries of the history, those without a layer included
   */
  ofDerived(layer: Descriptor, index: number): LayerNotes {
    if (this.#keep) {
      const created = formatTime(undefined)
      return { annotations: layer.annotations, history: this.#histories.get(layer) ?? { created, created_by: '' } }
    }
    const entry = this.#config.history?.[index]
    return {
      annotations: this.#manifest.layers[index]?.annotations,
      history: { created: formatTime(entry?.created), created_by: entry?.comment ?? '' },
    }
  }
}

function formatTime(created: string | undefined): string {
  return formatCreated(parseLenientRfc3339(created ?? '') ?? 0)
}

/** Sets the label that names the last layer of the commit, unless it names that already. */
function relabelled<
  D extends { readonly config: ImageConfiguration; readonly manifest: LayeredImageState['manifest'] },
>({ config, manifest }: D, diffId: string) {
  if (config.config?.Labels?.[DIFFID_LABEL] === diffId) return { config, manifest }
  const label = { [DIFFID_LABEL]: diffId }
  return {
    config: { ...config, config: { ...config.config, Labels: { ...config.config?.Labels, ...label } } },
    manifest: { ...manifest, annotations: { ...manifest.annotations, ...label } },
  }
}
