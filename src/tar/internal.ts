/**
 * What other folders of the library use of archives, beside the public `index.ts`. No entry point of the package exports
 * these names, so they may change at any time.
 */

export { SLAB_SIZE, SlabBuffer } from './slab-buffer.ts'
