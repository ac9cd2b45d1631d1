/**
 * Copies an image from one transport to another, without storing it in between.
 *
 * When the destination accepts the manifest, all bytes and all digests stay the same. Else the manifest is converted to
 * OCI: with the same layers, or, from an archive that has plain layers, with layers that are compressed on the way.
 *
 * Source: containers/image, `copy`.
 */

import { encodeUtf8, streamOf } from '../../bytes.ts'
import { mapConcurrently } from '../../concurrent.ts'
import { NotFoundError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { canonicalJson } from '../oci/canonical-json.ts'
import { convertDockerConfig } from '../oci/docker-manifest.ts'
import { parseManifest } from '../oci/manifest.ts'
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST } from '../oci/media-types.ts'
import type { Descriptor, Digest, ImageManifest } from '../oci/oci-types.ts'
import { present } from '../oci/present.ts'
import type { ImageReference } from '../oci/reference.ts'
import type { ImageDestination } from '../transport/destination.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { type LayerInput, writeLayers } from './image-writer.ts'

/** Default of `TransferOptions.concurrency`: blobs that are copied at the same time. */
export const TRANSFER_CONCURRENCY = 3

/** How an image is copied. */
export interface TransferOptions extends ProgressOptions {
  readonly platform: Platform
  /** Reference of the source, for registries that can mount blobs of another repository. */
  readonly origin?: ImageReference | undefined
  /** Blobs that are copied at the same time. Default `TRANSFER_CONCURRENCY`. */
  readonly concurrency?: number | undefined
}

/**
 * Copies an image into a destination and publishes it there. Blobs that the destination has are not sent; the others
 * are verified on the way. A manifest that the destination cannot keep is converted to OCI.
 * @returns the digest of the manifest in the destination
 * @throws {DigestMismatchError} when a blob does not have the digest or size that the manifest promises
 * @throws {UnsupportedError} for layers that a converted manifest cannot describe
 */
export async function transferImage(
  from: ImageSource,
  to: ImageDestination,
  options: TransferOptions,
): Promise<Digest> {
  const keeps = to.acceptsManifest(from.original.mediaType) && (!from.givesPlainLayers || to.keepsLayersPlain)
  return await (keeps ? transferAsIs(from, to, options) : transferConverted(from, to, options))
}

async function transferAsIs(from: ImageSource, to: ImageDestination, options: TransferOptions): Promise<Digest> {
  const { bytes, mediaType } = from.original
  const { config, layers } = parseManifest(bytes)
  await transferLayers(from, to, layers, options)
  await putBytes(to, await from.configBytes(), config)
  return await publish(from, to, bytes, mediaType)
}

async function transferConverted(from: ImageSource, to: ImageDestination, options: TransferOptions): Promise<Digest> {
  const isDocker = from.original.mediaType === DOCKER_MANIFEST
  const original = await from.configBytes()
  const config = isDocker ? convertDockerConfig(original) : original
  const layers = from.givesPlainLayers
    ? await recompress(from, to, options)
    : await transferLayers(from, to, from.manifest.layers, options)
  const { digest, size } = await to.putBlob(streamOf(config), { mediaType: OCI_CONFIG })
  const manifest: ImageManifest = { ...from.manifest, config: { mediaType: OCI_CONFIG, digest, size }, layers }
  return await publish(from, to, encodeUtf8(canonicalJson(manifest)), OCI_MANIFEST)
}

async function publish(from: ImageSource, to: ImageDestination, bytes: Uint8Array, mediaType: string): Promise<Digest> {
  const { architecture, os, variant } = await from.config()
  // A config may have neither; then the entry of the index has no platform.
  const platform = architecture === '' && os === '' ? undefined : present({ architecture, os, variant })
  await to.putManifest(bytes, { mediaType, platform })
  return await to.commit()
}

/** Copies the blobs of layers that the destination does not have, each once. @returns the layers */
export async function transferLayers(
  from: ImageSource,
  to: ImageDestination,
  layers: readonly Descriptor[],
  options: TransferOptions,
): Promise<readonly Descriptor[]> {
  const { concurrency = TRANSFER_CONCURRENCY, signal, onProgress, origin } = options
  const distinct = [...new Map(layers.map((layer) => [layer.digest, layer])).values()]
  const total = distinct.length
  await mapConcurrently(distinct, concurrency, async (layer, index) => {
    const { digest, size, mediaType } = layer
    const event = { digest, index, total, size }
    signal?.throwIfAborted()
    try {
      if (await to.hasBlob(layer, origin)) {
        onProgress?.({ kind: 'layer-cached', ...event })
        return
      }
      onProgress?.({ kind: 'layer-start', ...event })
      const reopen = () => counted(from.blob(layer), { digest, index, size }, options)
      await to.putBlob(reopen(), { digest, size, mediaType, reopen })
      onProgress?.({ kind: 'layer-done', ...event })
    } catch (error) {
      throw withContext(`layer ${digest}`, error)
    }
  })
  return layers
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  layer: { readonly digest: string; readonly index: number; readonly size: number },
  { signal, onProgress }: TransferOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0
  for await (const chunk of bytes) {
    signal?.throwIfAborted()
    received += chunk.length
    yield chunk
    onProgress?.({ kind: 'bytes', ...layer, received })
  }
}

/** Copies plain layers, compressed with gzip, whatever their media types are. */
async function recompress(from: ImageSource, to: ImageDestination, options: TransferOptions): Promise<Descriptor[]> {
  const { platform, signal } = options
  const { rootfs } = await from.config()
  const inputs = from.manifest.layers.map(
    (layer, i): LayerInput => ({
      tar: () => openLayer(from, layer, { platform, diffId: rootfs.diff_ids[i], signal }),
      compression: { kind: 'gzip' },
      history: {},
      context: `layer ${layer.digest}`,
    }),
  )
  const written = await writeLayers(platform, to, inputs, { ...options, exactCompression: false })
  return written.map(({ descriptor }) => descriptor)
}

async function putBytes(to: ImageDestination, bytes: Uint8Array, descriptor: Descriptor): Promise<void> {
  const { digest, size, mediaType } = descriptor
  if (bytes.length !== size) throw new NotFoundError(digest, `config ${digest}: size differs from the manifest`)
  if (!(await to.hasBlob(descriptor))) await to.putBlob(streamOf(bytes), { digest, size, mediaType })
}
