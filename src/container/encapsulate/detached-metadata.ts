/**
 * Replaces the detached metadata of an encapsulated commit, for example to add signatures to an existing image.
 *
 * ```
 * … commit │ commitmeta │ dirmeta dirtree …      only the entry in the middle is replaced, added or left out
 * ```
 *
 * All other bytes of the layer stay the same, so the result is what encapsulating the commit with that metadata gives.
 * Source: ostree-ext, tar/export.rs and container/update_detached_metadata.rs.
 */

import { concatBytes, decodeUtf8, displayUtf8 } from '../../bytes.ts'
import { FormatError, LimitError, TarFormatError, UnsupportedError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { type TarHeader, TarParser, type TarSink } from '../../tar/index.ts'
import { SlabBuffer } from '../../tar/internal.ts'
import type { Digest, HostPlatform, ImageConfiguration } from '../oci/oci-types.ts'
import { type ImageReference, toImageReference } from '../oci/reference.ts'
import { openDestination } from '../open/open-destination.ts'
import { openImage } from '../open/open-image.ts'
import { type StreamObject, streamObjectAt } from '../ostree-tar/object-path.ts'
import { MAX_STREAM_METADATA } from '../ostree-tar/object-sink.ts'
import type { DestinationContext } from '../registry/options.ts'
import { parseOstreeManifestLayout } from '../store/layout.ts'
import { DIFFID_LABEL } from '../store/names.ts'
import type { ImageDestination } from '../transport/destination.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import { type ImageWriteOptions, writeDocuments, writeLayers } from './image-writer.ts'
import { LayerTar } from './layer-tar.ts'
import { type TransferOptions, transferLayers } from './transfer-image.ts'

/** Bytes of a stream before its tree: the empty repository, the commit, and its detached metadata. */
const MAX_PRELUDE: number = 2 * MAX_STREAM_METADATA + (1 << 20)

/**
 * Rewrites the stream of a commit layer.
 * @param metadata serialised `a{sv}`; without it the commit loses its detached metadata
 * @throws {FormatError} when there is no commit, or it is not followed by metadata; {LimitError}, {TarFormatError}
 */
export async function* replaceDetachedMetadata(
  from: AsyncIterable<Uint8Array>,
  metadata: Uint8Array | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const places = new PreludeSink()
  const parser = new TarParser(places)
  let pending: Uint8Array[] = []
  let size = 0
  let done = false
  for await (const chunk of from) {
    // The rest is parsed too, so that a truncated layer is an error.
    inContext(() => parser.push(chunk))
    if (done) {
      yield chunk
      continue
    }
    pending.push(new Uint8Array(chunk))
    size += chunk.length
    done = places.to !== undefined
    if (done) {
      yield* spliced(concatBytes(pending), places, metadata)
      pending = []
    } else if (size > MAX_PRELUDE) throw inContextOf(new LimitError('bytes before the tree of a commit', MAX_PRELUDE))
  }
  inContext(() => parser.finish())
  if (done) return
  throw inContextOf(
    places.commit === undefined
      ? new TarFormatError('Missing commit object', 0)
      : new TarFormatError('Expected metadata object after commit', size),
  )
}

const CONTEXT = 'Replacing detached metadata'

function inContextOf<E>(error: E): E {
  return withContext(CONTEXT, error)
}

function inContext(work: () => void): void {
  try {
    work()
  } catch (error) {
    throw inContextOf(error)
  }
}

function* spliced(
  bytes: Uint8Array,
  { commit, from = 0, to = from }: PreludeSink,
  metadata: Uint8Array | undefined,
): Generator<Uint8Array, void, undefined> {
  yield bytes.subarray(0, from)
  if (metadata !== undefined && commit !== undefined) {
    const out = new SlabBuffer()
    new LayerTar(out).metadata({ checksum: commit.checksum, type: 'commitmeta' }, metadata)
    yield* out.full()
    yield out.rest()
  }
  yield bytes.subarray(to)
}

/** Finds the range of bytes of the stream in which detached metadata is, or the offset at which it would be. */
class PreludeSink implements TarSink {
  commit: StreamObject | undefined
  from: number | undefined
  to: number | undefined

  entry(header: TarHeader): void {
    if (this.to !== undefined) return
    if (this.commit === undefined) this.#beforeCommit(header)
    else if (this.from === undefined) {
      this.from = header.offset
      const next = streamObjectAt(header.path)
      if (next === undefined) {
        throw new FormatError('tar stream', `Expected metadata object after commit, not ${displayUtf8(header.path)}`)
      }
      if (next.type !== 'commitmeta') this.to = header.offset
    } else this.to = header.offset
  }

  #beforeCommit({ type, path }: TarHeader): void {
    if (type !== 'file' || decodeUtf8(path)?.endsWith('.commit') !== true) return
    const object = streamObjectAt(path)
    if (object?.type === 'commit') this.commit = object
  }

  data(): void {}

  end(): void {}
}

/** How an image with other detached metadata is read and written. */
export interface UpdateDetachedOptions extends ImageWriteOptions, Pick<DestinationContext, 'files' | 'registry'> {
  readonly platform: Platform
  readonly host: HostPlatform
}

/**
 * Copies the image of a commit with other detached metadata. Only the layer that holds the commit is written anew.
 * @param from the image to read: a reference, or its text
 * @param to where the new image is written, which may be the same reference
 * @param metadata detached metadata of the commit, serialised as `a{sv}`; `undefined` removes it
 * @returns the digest of the new manifest
 * @throws {InvalidNameError} when a text is not a reference
 * @throws {FormatError} when the image does not hold a commit
 * @throws {UnsupportedError} for images of `docker-archive:`, whose layers have no fixed form
 */
export async function updateDetachedMetadata(
  from: string | ImageReference,
  to: string | ImageReference,
  metadata: Uint8Array | undefined,
  options: UpdateDetachedOptions,
): Promise<Digest> {
  const { platform, files, registry, host, signal } = options
  const context = { platform, files, registry, host, signal }
  const origin = toImageReference(from)
  const target = toImageReference(to)
  await using source = await openImage(origin, context)
  await using destination = await openDestination(target, context)
  return await updateDetachedMetadataTo(source, destination, metadata, { ...options, origin })
}

/**
 * Does what `updateDetachedMetadata` does, between an open source and an open destination. The destination is
 * committed; the caller disposes of both.
 */
export async function updateDetachedMetadataTo(
  from: ImageSource,
  to: ImageDestination,
  metadata: Uint8Array | undefined,
  options: Pick<TransferOptions, 'platform' | 'origin'> & ImageWriteOptions,
): Promise<Digest> {
  try {
    return await rewrite(from, to, metadata, options)
  } catch (error) {
    throw withContext('Regenerating commit layer', error)
  }
}

async function rewrite(
  from: ImageSource,
  to: ImageDestination,
  metadata: Uint8Array | undefined,
  options: Pick<TransferOptions, 'platform' | 'origin'> & ImageWriteOptions,
): Promise<Digest> {
  const { platform, signal } = options
  const { manifest } = from
  if (from.givesPlainLayers) {
    throw new UnsupportedError(
      'docker-archive',
      'Layers of this transport have no fixed form; copy the image to an oci: layout',
    )
  }
  const config = await from.config()
  if (config.config === undefined) throw new FormatError('config', 'Image is missing container configuration')
  const { commitLayer } = parseOstreeManifestLayout(manifest, config)
  const index = manifest.layers.indexOf(commitLayer)
  const diffId = config.rootfs.diff_ids[index]
  const [written] = await writeLayers(platform, to, [
    {
      tar: () => replaceDetachedMetadata(openLayer(from, commitLayer, { platform, diffId, signal }), metadata),
      compression: { kind: 'gzip' },
      history: {},
      context: `layer ${commitLayer.digest}`,
    },
  ])
  if (written === undefined) throw new FormatError('manifest', 'No layers in manifest')
  await transferLayers(from, to, manifest.layers.toSpliced(index, 1), options)
  const updated = withDiffId(config, index, written.diffId, manifest.layers.length === 1)
  return await writeDocuments(to, updated, { ...manifest, layers: manifest.layers.with(index, written.descriptor) })
}

/** Returns the config with another diff id. @param isLast whether the label `ostree.final-diffid` names the layer */
function withDiffId(config: ImageConfiguration, index: number, diffId: string, isLast: boolean): ImageConfiguration {
  const rootfs = { ...config.rootfs, diff_ids: config.rootfs.diff_ids.with(index, diffId) }
  if (!isLast) return { ...config, rootfs }
  const Labels = { ...config.config?.Labels, [DIFFID_LABEL]: diffId }
  return { ...config, rootfs, config: { ...config.config, Labels } }
}
