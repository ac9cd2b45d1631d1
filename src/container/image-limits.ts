import type { TarLimits } from '../tar/index.ts'

/** Layers of one image. Linux stacks 500 at most, container builders 128. */
export const MAX_LAYERS = 1000

/** Ceilings of an import, against images that mean harm. Each has a default. */
export interface ImageLimits {
  /** Default MAX_LAYERS. */
  readonly maxLayers?: number | undefined
  /** Bytes of the uncompressed tar of one layer. Default MAX_LAYER_BYTES. */
  readonly maxLayerBytes?: number | undefined
  /** Of the tar of each layer: entries, bytes of one file, bytes of one extension header. */
  readonly tar?: TarLimits | undefined
}
