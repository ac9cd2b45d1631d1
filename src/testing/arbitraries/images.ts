/** Images: layers made to collide, each stored in its own way, under documents that say more or less of them. */

import fc from 'fast-check'
import type { Platform } from '../../platform/index.ts'
import type { Directory } from '../builders.ts'
import { compressLayer, LAYER_CODECS, type LayerCodec } from '../compress-layer.ts'
import { buildImage, type ImageFields, type LayerFields } from '../image-builder.ts'
import { packLayer } from '../pack-layer.ts'
import { anyLayerTree, type LayerTreeOptions, layerEntries } from './layers.ts'

/** A layer by what it says and how it is stored. */
export interface LayerSample {
  readonly tree: Directory
  readonly codec: LayerCodec
}

/** An image by what it says; `packImage` makes bytes of it. */
export interface ImageSample {
  readonly layers: readonly LayerSample[]
  readonly fields: ImageFields
}

export interface ImageOptions extends LayerTreeOptions {
  /** Default 4; there is always one. */
  readonly maxLayers?: number
  /** Default: all of them. */
  readonly codecs?: readonly LayerCodec[]
}

export function anyLayer({ codecs = LAYER_CODECS, ...options }: ImageOptions = {}): fc.Arbitrary<LayerSample> {
  return fc.record({ tree: anyLayerTree(options), codec: fc.constantFrom(...codecs) })
}

const anyFields: fc.Arbitrary<ImageFields> = fc.record({
  created: fc.constantFrom(undefined, '1997-08-29T18:30:42Z', '2024-01-02T03:04:05.678+01:00'),
  config: fc.constantFrom(undefined, {}, { Labels: { version: '42', __proto__x: 'y', 10: 'ten' }, Cmd: ['/usr/a'] }),
  annotations: fc.constantFrom(undefined, {}, { 'org.opencontainers.image.version': '1.0', b: 'ü', a: '' }),
})

/** Now and then a layer comes twice, as it does in images that were put together by hand. */
export function anyImage({ maxLayers = 4, ...options }: ImageOptions = {}): fc.Arbitrary<ImageSample> {
  const layers = fc.array(anyLayer(options), { minLength: 1, maxLength: maxLayers })
  return fc.record({ layers, again: fc.nat({ max: 9 }), fields: anyFields }).map(({ layers, again, fields }) => {
    const [first] = layers
    return {
      layers: again === 0 && first !== undefined && layers.length < maxLayers ? [...layers, first] : layers,
      fields,
    }
  })
}

/** The layers as they are stored, for any of the builders of images. */
export function packLayers(platform: Platform, layers: readonly LayerSample[]): Promise<LayerFields[]> {
  return Promise.all(
    layers.map(async ({ tree, codec }) => compressLayer(platform, await packLayer(layerEntries(tree)), codec)),
  )
}

/** The image as the files of an OCI layout, by path: what `openMemoryLayout` opens. */
export async function packImage(
  platform: Platform,
  { layers, fields }: ImageSample,
  more: ImageFields = {},
): Promise<Map<string, Uint8Array>> {
  return buildImage(platform, await packLayers(platform, layers), { ...fields, ...more })
}
