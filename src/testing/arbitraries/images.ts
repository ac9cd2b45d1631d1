/**
 * fast-check generators of images: layers that often share paths, each with its own compression, and varying metadata.
 */

import fc from 'fast-check'
import type { Platform } from '../../platform/index.ts'
import type { Directory } from '../builders.ts'
import { compressLayer, LAYER_CODECS, type LayerCodec } from '../compress-layer.ts'
import { buildImage, type ImageFields, type LayerFields } from '../image-builder.ts'
import { packLayer } from '../pack-layer.ts'
import { block, printedAs, printTree } from '../printing.ts'
import { anyLayerTree, type LayerTreeOptions, layerEntries } from './layers.ts'

/** A layer as a tree, and its compression. */
export interface LayerSample {
  readonly tree: Directory
  readonly codec: LayerCodec
}

/** An image as values; `packImage` encodes it. */
export interface ImageSample {
  readonly layers: readonly LayerSample[]
  readonly fields: ImageFields
}

/** Options of `anyLayer` and `anyImage`. */
export interface ImageOptions extends LayerTreeOptions {
  /** Default 4; there is at least one layer. */
  readonly maxLayers?: number
  /** Default: all. */
  readonly codecs?: readonly LayerCodec[]
}

/** Generates a layer. */
export function anyLayer({ codecs = LAYER_CODECS, ...options }: ImageOptions = {}): fc.Arbitrary<LayerSample> {
  return fc
    .record({ tree: anyLayerTree(options), codec: fc.constantFrom(...codecs) })
    .map((layer) => printedAs(layer, printLayer))
}

const anyFields: fc.Arbitrary<ImageFields> = fc.record({
  created: fc.constantFrom(undefined, '1997-08-29T18:30:42Z', '2024-01-02T03:04:05.678+01:00'),
  config: fc.constantFrom(undefined, {}, { Labels: { version: '42', __proto__x: 'y', 10: 'ten' }, Cmd: ['/usr/a'] }),
  annotations: fc.constantFrom(undefined, {}, { 'org.opencontainers.image.version': '1.0', b: 'ü', a: '' }),
})

/** Generates an image. Some images have their first layer a second time at the end, as hand-made images may. */
export function anyImage({ maxLayers = 4, ...options }: ImageOptions = {}): fc.Arbitrary<ImageSample> {
  const layers = fc.array(anyLayer(options), { minLength: 1, maxLength: maxLayers })
  return fc.record({ layers, again: fc.nat({ max: 9 }), fields: anyFields }).map(({ layers, again, fields }) => {
    const [first] = layers
    const twice = again === 0 && first !== undefined && layers.length < maxLayers
    return printedAs<ImageSample>({ layers: twice ? [...layers, first] : layers, fields }, printImage)
  })
}

function printLayer({ tree, codec }: LayerSample): string {
  return `layer ${codec} ${printTree(tree).trimStart()}`
}

function printImage({ layers, fields }: ImageSample): string {
  const members = Object.entries(fields).filter(([, value]) => value !== undefined)
  return block([...layers.map(printLayer), ...members.map(([name, value]) => `${name} ${JSON.stringify(value)}`)])
}

/** Packs and compresses layers, for `buildImage` and the other builders. */
export function packLayers(platform: Platform, layers: readonly LayerSample[]): Promise<LayerFields[]> {
  return Promise.all(
    layers.map(async ({ tree, codec }) => compressLayer(platform, await packLayer(layerEntries(tree)), codec)),
  )
}

/**
 * Encodes an image as an OCI layout.
 * @param more replaces members of the generated metadata
 * @returns files by path, for `openMemoryLayout`
 */
export async function packImage(
  platform: Platform,
  { layers, fields }: ImageSample,
  more: ImageFields = {},
): Promise<Map<string, Uint8Array>> {
  return buildImage(platform, await packLayers(platform, layers), { ...fields, ...more })
}
