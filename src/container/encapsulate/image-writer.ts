/**
 * Writes layers from streams of tar, and the documents of an image with them:
 *
 * ```
 * tar ─ sha256 (diff id) ─ compress ─▶ blob ─▶ digest, size
 *                                              └ config: diff ids, history ─▶ manifest: descriptors
 * ```
 *
 * Documents are canonical JSON, so the same layers and fields give the same image.
 */

import { encodeUtf8, streamOf } from '../../bytes.ts'
import { mapConcurrently } from '../../concurrent.ts'
import { UsageError, withContext } from '../../errors.ts'
import type { CompressionKind, Platform } from '../../platform/index.ts'
import { defaultLevel, requireLevel } from '../../platform/internal.ts'
import type { ProgressOptions } from '../../progress.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import { OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from '../oci/media-types.ts'
import type {
  ContainerConfig,
  Descriptor,
  DiffId,
  Digest,
  HistoryEntry,
  ImageConfiguration,
  ImageManifest,
} from '../oci/oci-types.ts'
import { present } from '../oci/present.ts'
import { VerifiedBlob } from '../oci/verified-blob.ts'
import type { ImageDestination } from '../transport/destination.ts'

/** Default of `ImageWriteOptions.concurrency`: layers that are written at the same time. */
export const LAYER_CONCURRENCY = 4

/** How a layer is compressed: the kind, or `none` for a plain tar. */
export interface LayerCompression {
  readonly kind: Exclude<CompressionKind, 'deflate-raw'> | 'none'
  /** Level of the compression: 0 to 9 for gzip, 0 to 22 for zstd. Default: that of the kind. */
  readonly level?: number | undefined
}

/** Checks a compression that a caller asks for. @throws {UsageError} on an unknown kind or level */
export function requireCompression(compression: LayerCompression | undefined): void {
  const { kind, level } = compression ?? { kind: 'none' }
  if (kind !== 'none') requireLevel(kind, level ?? defaultLevel(kind))
}

/** A layer that is to be written. */
export interface LayerInput {
  /** Returns the plain tar. */
  readonly tar: () => AsyncIterable<Uint8Array>
  readonly compression: LayerCompression
  /** Annotations of the descriptor. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly history: HistoryEntry
  /** Text that precedes errors of this layer. */
  readonly context: string
}

export interface WrittenLayer {
  readonly descriptor: Descriptor
  readonly diffId: DiffId
  readonly history: HistoryEntry
  /** Bytes of the plain tar. */
  readonly tarSize: number
}

/** How the layers of an image are written. A `step` event with the label `layers` follows each layer. */
export interface ImageWriteOptions extends ProgressOptions {
  /** Layers that are written at the same time. Default `LAYER_CONCURRENCY`. */
  readonly concurrency?: number | undefined
  /**
   * Write gzip layers with exactly the bytes of zlib, so that their digests are those of ostree-ext. Without it the layers
   * are written in less than half the time, with digests that depend on the runtime. Default true.
   */
  readonly exactCompression?: boolean | undefined
}

/** Writes layers, several at the same time. @returns the written layers, in the order of `layers` */
export async function writeLayers(
  platform: Platform,
  to: ImageDestination,
  layers: readonly LayerInput[],
  { concurrency = LAYER_CONCURRENCY, exactCompression = true, signal, onProgress }: ImageWriteOptions = {},
): Promise<WrittenLayer[]> {
  let done = 0
  let bytes = 0
  const count =
    onProgress &&
    ((length: number): void => {
      bytes += length
      onProgress({ kind: 'written', bytes })
    })
  return await mapConcurrently(layers, concurrency, async (layer) => {
    signal?.throwIfAborted()
    try {
      const written = await writeLayer(platform, to, layer, { exact: exactCompression, signal, count })
      onProgress?.({ kind: 'step', label: 'layers', done: ++done, total: layers.length })
      return written
    } catch (error) {
      throw withContext(layer.context, error)
    }
  })
}

interface WriteLayerOptions {
  readonly exact: boolean
  readonly signal: AbortSignal | undefined
  /** Called with the length of each piece. */
  readonly count: ((length: number) => void) | undefined
}

async function* counted(
  from: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  count: ((length: number) => void) | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of from) {
    signal?.throwIfAborted()
    count?.(chunk.length)
    yield chunk
  }
}

async function writeLayer(
  platform: Platform,
  to: ImageDestination,
  layer: LayerInput,
  { exact, signal, count }: WriteLayerOptions,
): Promise<WrittenLayer> {
  const open = () => new VerifiedBlob(platform, counted(layer.tar(), signal, count))
  const { kind, level }: LayerCompression = to.keepsLayersPlain ? { kind: 'none' } : layer.compression
  const mediaType = layerType(kind)
  let tar = open()
  const compressed = () => (kind === 'none' ? tar : platform.compress(kind, tar, { level, exact }))
  const reopen = () => {
    void tar[Symbol.asyncDispose]() // its errors are ignored there
    tar = open()
    return compressed()
  }
  try {
    const { digest, size } = await to.putBlob(compressed(), { mediaType, reopen })
    const { digest: diffId, size: tarSize } = await tar.finish()
    const { annotations, history } = layer
    const descriptor = present({ mediaType, digest, size, annotations })
    return { descriptor, diffId, history, tarSize }
  } finally {
    await tar[Symbol.asyncDispose]()
  }
}

function layerType(kind: LayerCompression['kind']): string {
  switch (kind) {
    case 'gzip':
      return OCI_LAYER_GZIP
    case 'zstd':
      return OCI_LAYER_ZSTD
    case 'none':
      return OCI_LAYER
  }
}

export interface ImageFields {
  readonly architecture: string
  readonly os: string
  readonly variant?: string | undefined
  readonly created?: string | undefined
  readonly config?: ContainerConfig | undefined
  /** Annotations of the manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** Writes config and manifest of an image whose layers are written. @returns the digest of the published manifest */
export async function writeImage(
  to: ImageDestination,
  layers: readonly Pick<WrittenLayer, 'descriptor' | 'diffId' | 'history'>[],
  { annotations, variant, ...fields }: ImageFields,
): Promise<Digest> {
  const config: ImageConfiguration = present({
    ...fields,
    variant,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ history }) => history),
  })
  return await writeDocuments(to, config, {
    schemaVersion: 2,
    layers: layers.map(({ descriptor }) => descriptor),
    annotations,
  })
}

/** Writes config and manifest, and publishes the image. @param manifest without the descriptor of the config */
export async function writeDocuments(
  to: ImageDestination,
  config: ImageConfiguration,
  manifest: Omit<ImageManifest, 'config' | 'annotations'> & {
    readonly annotations?: Readonly<Record<string, string>> | undefined
  },
): Promise<Digest> {
  const blob = await to.putBlob(streamOf(encodeUtf8(canonicalJson(config))), { mediaType: OCI_CONFIG })
  const document: ImageManifest = present({ ...manifest, config: { mediaType: OCI_CONFIG, ...blob } })
  const { architecture, os, variant } = config
  await to.putManifest(encodeUtf8(canonicalJson(document)), {
    mediaType: OCI_MANIFEST,
    platform: present({ architecture, os, variant }),
  })
  return await to.commit()
}

/**
 * Returns the value of the environment variable SOURCE_DATE_EPOCH as text for the option `created`.
 * @param text decimal seconds since the epoch, UTC
 * @throws {UsageError} when the text is not such a number
 */
export function createdAtSourceDateEpoch(text: string): string {
  if (!/^\d{1,12}$/.test(text)) throw new UsageError(`Invalid SOURCE_DATE_EPOCH '${text}'`)
  return formatCreated(Number(text))
}

/** Formats a time as `1997-08-29T18:30:42Z`. @param seconds seconds since the epoch, UTC */
export function formatCreated(seconds: bigint | number): string {
  const time = new Date(Number(seconds) * 1000)
  if (Number.isNaN(time.getTime())) return '1970-01-01T00:00:00Z'
  return `${time.toISOString().slice(0, -5)}Z`
}
