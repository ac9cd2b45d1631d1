/**
 * Names that other folders of the library use in addition to the public `index.ts`. Entry points of the package do not
 * export them, so they may change at any time.
 */

export { BLOCK, startsTar } from './header.ts'
export { SLAB_SIZE, SlabBuffer } from './slab-buffer.ts'
