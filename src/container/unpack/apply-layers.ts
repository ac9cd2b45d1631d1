/** Applies the layers of an image to a tree, each read once, verified, and in order. */

import { displayUtf8 } from '../../bytes.ts'
import { FormatError, TarFormatError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { permissionsOf, xattrsFromPax } from '../../repo/internal.ts'
import { feed, type TarHeader, type TarLimits, TarParser, type TarSink } from '../../tar/index.ts'
import { ReadAhead, type ReadAheadOptions } from '../import/read-ahead.ts'
import type { ImageConfiguration } from '../oci/oci-types.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import type { LayerEntry, RootTree, Time } from './root-tree.ts'

/** How layers are applied. */
export interface ApplyLayersOptions extends ProgressOptions {
  readonly platform: Platform
  /** Bytes of one uncompressed layer. Default `MAX_LAYER_BYTES`. */
  readonly maxLayerBytes?: number | undefined
  /** Limits of the tar of each layer. */
  readonly tar?: TarLimits | undefined
  /** How far layers are fetched before they are applied. */
  readonly readAhead?: ReadAheadOptions | undefined
}

/**
 * Applies all layers of an image.
 * @throws {DigestMismatchError} when a layer has other bytes than the manifest or the config say
 * @throws {TarFormatError} when a layer is malformed; {LimitError}; as `RootTree.apply`. The message begins with the layer
 */
export async function applyLayers(
  tree: RootTree,
  source: ImageSource,
  config: ImageConfiguration,
  { platform, maxLayerBytes, tar, readAhead, signal, onProgress }: ApplyLayersOptions,
): Promise<void> {
  const { layers } = source.manifest
  const diffIds = config.rootfs.diff_ids
  if (diffIds.length !== layers.length) {
    throw new FormatError('image config', `The image has ${layers.length} layers, but ${diffIds.length} diff ids`)
  }
  const once = [...new Map(layers.map((layer) => [layer.digest, layer])).values()]
  await using blobs = new ReadAhead(source, once, readAhead)
  const plain = source.givesPlainLayers
  const total = layers.length
  for (const [index, layer] of layers.entries()) {
    const { digest, size } = layer
    onProgress?.({ kind: 'layer-start', digest, index, total, size })
    const chunks = openLayer(plain ? source : blobs, layer, {
      platform,
      diffId: diffIds[index],
      maxBytes: maxLayerBytes,
      signal,
      onBytes: onProgress && ((received) => onProgress({ kind: 'bytes', digest, index, received, size })),
    })
    const sink = new LayerSink(tree)
    tree.nextLayer()
    try {
      await feed(new TarParser(sink, { ...tar, allowMissingPadding: true }), chunks, { signal })
    } catch (error) {
      throw withContext(`Unpacking layer ${digest}`, sink.located(error))
    }
    onProgress?.({ kind: 'layer-done', digest, index, total, size })
  }
}

/** Passes the entries of one layer to a tree. */
class LayerSink implements TarSink {
  readonly #tree: RootTree
  #at: Pick<TarHeader, 'path' | 'offset'> | undefined

  constructor(tree: RootTree) {
    this.#tree = tree
  }

  entry(header: TarHeader): void {
    this.#at = header
    if (header.type !== 'pax-global') this.#tree.apply(layerEntry(header))
  }

  data(bytes: Uint8Array): void {
    this.#tree.data(bytes)
  }

  end(): void {
    this.#tree.end()
    this.#at = undefined
  }

  /** Adds the entry that was being applied to an error. */
  located(error: unknown): unknown {
    if (this.#at === undefined || error instanceof TarFormatError) return error
    return withContext(displayUtf8(this.#at.path), error)
  }
}

/** Returns an entry of a layer, as its header says it. */
export function layerEntry(header: TarHeader): LayerEntry {
  const { path, type, size, uid, gid, pax, linkPath, devMajor, devMinor } = header
  return {
    path,
    // Whatever has an unknown type is a regular file, as for libarchive.
    kind: type === 'unknown' || type === 'pax-global' ? 'file' : type,
    target: linkPath,
    metadata: { permissions: permissionsOf(header), uid, gid, mtime: timeOf(header), xattrs: xattrsFromPax(pax) },
    size,
    major: devMajor,
    minor: devMinor,
  }
}

/** Returns the time of an entry, whose fraction a number cannot hold. */
function timeOf({ mtime, pax }: TarHeader): Time {
  const seconds = Math.floor(mtime)
  if (seconds === mtime) return { seconds, nanoseconds: 0 }
  const text = pax.findLast(({ key }) => key === 'mtime')?.value
  const digits = text && /^-?\d*\.(\d{1,9})/.exec(displayUtf8(text))?.[1]
  if (digits === undefined) return { seconds, nanoseconds: Math.round((mtime - seconds) * 1e9) }
  const fraction = Number(digits.padEnd(9, '0'))
  return { seconds, nanoseconds: mtime < 0 && fraction > 0 ? 1e9 - fraction : fraction }
}
