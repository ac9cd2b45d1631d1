/** Operations of the library that no command has, for a process that is to die: `node child.mjs NAME ARGUMENT…`. */
import { LocalLayerThreads } from '../../dist/container/import/lanes/local-layer-threads.js'
import { openRepo, pullImage, unpackImage } from '../../dist/node.js'

const OPERATIONS = {
  /** Pulls an image with a thread for each layer, however small it is. */
  async 'pull-lanes'(path, reference) {
    const repo = await openRepo(path)
    const program = new URL('../../dist/bin/local-layer-worker.js', import.meta.url)
    const threads = new LocalLayerThreads({ count: 2, program, after: 1 }, true)
    await pullImage(repo, reference, { threads })
    await repo.close()
  },
  /** Unpacks an image in place of a directory. */
  async unpack(reference, target, store) {
    const repo = store === undefined ? undefined : await openRepo(store)
    await unpackImage(reference, target, { overwrite: true, store: repo })
    await repo?.close()
  },
}

const [name, ...args] = process.argv.slice(2)
await OPERATIONS[name](...args)
