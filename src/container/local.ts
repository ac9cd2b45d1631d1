/** What needs Node. */

export { layerThreads } from './import/lanes/local-layer-threads.ts'
