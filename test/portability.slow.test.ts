/** The library without Node: a bundle for browsers, run in a realm that has only the globals of the web. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { createMemoryStorage, nodeFiles, nodePlatform, pullImage, Repo } from '../src/node.ts'
import { entryPoints } from './support/public-api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The globals that the core may use. All of them exist in browsers, workers, Deno and Bun. */
const WEB = {
  AbortController,
  AbortSignal,
  atob,
  btoa,
  clearTimeout,
  console,
  DecompressionStream,
  CompressionStream,
  fetch,
  performance,
  queueMicrotask,
  ReadableStream,
  setTimeout,
  structuredClone,
  TextDecoder,
  TextEncoder,
  URL,
  URLSearchParams,
  WebAssembly,
}

/** A method whose name is a symbol that the realm does not have is named `undefined`. */
const NAMES = `({
  all: Object.keys(result).length,
  unnamed: Object.keys(result).filter((name) => 'undefined' in Object(result[name]?.prototype)),
})`

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'result',
    // esbuild does not know the modules of Node for this platform, so an import of one is an error.
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  return outputFiles[0]?.text ?? ''
}

describe('the library without Node', () => {
  const portable = [...entryPoints()].filter(([entry]) => !['./node', './testing'].includes(entry))

  test.each(portable)('the entry %s does not use anything that only Node has', async (_entry, file) => {
    const code = await bundle(`export * from './${file}'`)
    const found = vm.runInNewContext(`${code}; ${NAMES}`, { ...WEB }) as { all: number; unnamed: string[] }
    expect(found.all).toBeGreaterThan(0)
    expect(found.unnamed).toEqual([])
  })

  test.each(portable)('the entry %s does not bring the package openpgp with it', async (_entry, file) => {
    const { metafile } = await build({
      stdin: { contents: `export * from './${file}'`, resolveDir: root, loader: 'ts' },
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'browser',
    })
    const names = Object.keys(metafile.inputs)
    expect(names.length).toBeGreaterThan(0)
    expect(names.filter((name) => name.includes('openpgp') && name.includes('node_modules'))).toEqual([])
  })

  test('zstd is written by the package @hpcc-js/wasm-zstd, and read', async () => {
    const program = await bundle(`
      import { portablePlatform as platform, readAll } from './src/index.ts'
      async function* source() {
        for (let i = 0; i < 100; i++) yield new Uint8Array(1000).fill(i)
      }
      export async function roundTrip() {
        const packed = await readAll(platform.compress('zstd', source()))
        async function* again() {
          yield packed
        }
        const content = await readAll(platform.decompress('zstd', again()))
        return [packed.length, content.length, content.every((byte, i) => byte === Math.floor(i / 1000))]
      }`)
    const { roundTrip } = vm.runInNewContext(`${program}; result`, { ...WEB }) as {
      roundTrip(): Promise<[number, number, boolean]>
    }
    const [packed, size, same] = await roundTrip()
    expect([size, same]).toEqual([100_000, true])
    expect(packed).toBeLessThan(2000)
  })

  test('an image is pulled with the same commit as on Node', async () => {
    const folder = join(root, 'examples/exampleos')
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      statSync(join(folder, name)).isFile(),
    )
    const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]))
    const program = await bundle(`
      import { createMemoryStorage, openMemoryLayout, portablePlatform as platform, pullImage, Repo } from './src/index.ts'
      const host = { os: 'linux', architecture: 'amd64' }
      export async function pull(files) {
        const repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
        const open = () => openMemoryLayout(files, '1.0', { platform, host })
        const { mergeCommit } = await pullImage(repo, 'ostree-unverified-image:oci:x:1.0', { host, open })
        return mergeCommit
      }`)
    const { pull } = vm.runInNewContext(`${program}; result`, { ...WEB, Uint8Array }) as {
      pull(files: ReadonlyMap<string, Uint8Array>): Promise<string>
    }
    const repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform: nodePlatform }), nodePlatform)
    const host = { os: 'linux', architecture: 'amd64' }
    const image = await pullImage(repo, `ostree-unverified-image:oci:${folder}:1.0`, { host, files: nodeFiles })
    expect(await pull(files)).toBe(image.mergeCommit)
  })
})
