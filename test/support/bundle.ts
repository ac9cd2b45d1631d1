/** Scripts in TypeScript as plain JavaScript, for processes and threads of their own. Packages stay imports. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type BuildOptions, buildSync } from 'esbuild'
import { temporaryFolder } from './temporary.ts'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

let folder: string | undefined
let count = 0

/** Bundles of one test file are beside each other, below `node_modules`, where they find packages. */
function bundleFolder(): string {
  if (folder === undefined) {
    folder = temporaryFolder('modules')
    // Some scripts are run as another user.
    chmodSync(folder, 0o755)
  }
  return folder
}

/**
 * Bundles a script.
 * @param source its text, in which `./src/` is the source of the library
 * @param into the directory for it, by default one from which packages are found
 * @returns the path of the bundle
 */
export function bundleScript(name: string, source: string, into = bundleFolder()): string {
  const outfile = join(into, `${name}-${count++}.mjs`)
  build({ stdin: { contents: source, resolveDir: CHECKOUT, loader: 'ts' }, outfile })
  return outfile
}

const THREADS = {
  'write-worker': 'src/repo/stores/fs/threads/write-worker.ts',
  'object-worker': 'src/repo/stores/fs/threads/object-worker.ts',
  'deflate-worker': 'src/system/threads/deflate-worker.ts',
  'checkout-worker': 'src/repo/checkout/local/checkout-worker.ts',
  'local-layer-worker': 'src/container/import/lanes/local-layer-worker.ts',
} as const

/** Bundles the program that threads of the library run. */
export function threadProgram(name: keyof typeof THREADS): URL {
  const outfile = join(bundleFolder(), `${name}.mjs`)
  build({ entryPoints: [join(CHECKOUT, THREADS[name])], outfile })
  return pathToFileURL(outfile)
}

/**
 * Makes a program for threads that starts as it should, answers some requests, and ends at the next one.
 * @param answers how many requests it answers
 * @param answer the answer, in JavaScript
 */
export function failingThreadProgram(answers = 0, answer = 'undefined'): URL {
  const path = join(bundleFolder(), `failing-${answers}.mjs`)
  const source = `import { workerData } from 'node:worker_threads'
    let left = ${answers}
    workerData.port.on('message', (message) => {
      if (message === 'end') workerData.port.close()
      else if (left-- > 0) workerData.port.postMessage(${answer})
      else process.exit(3)
    })
    Atomics.store(workerData.gate, 0, 2)
    workerData.port.postMessage('ready')`
  writeFileSync(path, source)
  return pathToFileURL(path)
}

/**
 * Bundles programs that import the library by its name, below `node_modules`.
 * @returns the directory in which `NAME.mts` or `NAME.mjs` is `NAME.mjs`
 */
export function bundlePrograms(entryPoints: readonly string[]): string {
  const outdir = temporaryFolder('modules')
  build({
    entryPoints: [...entryPoints],
    outdir,
    outExtension: { '.js': '.mjs' },
    alias: { 'ostree-ts/node': join(CHECKOUT, 'src/node.ts'), 'ostree-ts/errors': join(CHECKOUT, 'src/errors.ts') },
    splitting: true,
  })
  writeFileSync(join(outdir, 'package.json'), '{"type":"module"}')
  return outdir
}

function build(options: BuildOptions): void {
  buildSync({
    ...options,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    logLevel: 'error',
  })
}
