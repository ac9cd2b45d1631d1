/** The store in a process of its own, that can be stopped and killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import { afterAll } from 'vitest'

const repository = fileURLToPath(new URL('../../../..', import.meta.url))
let built: string | undefined

const PROGRAMS = {
  'write-worker': 'src/repo/stores/fs/threads/write-worker.ts',
  'object-worker': 'src/repo/stores/fs/threads/object-worker.ts',
  'checkout-worker': 'src/repo/checkout/local/checkout-worker.ts',
} as const

/** What threads run, as plain JavaScript. */
export function threadProgram(name: keyof typeof PROGRAMS): URL {
  const outfile = `${cache()}/${name}.mjs`
  buildSync({
    entryPoints: [repository + PROGRAMS[name]],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
  })
  return pathToFileURL(outfile)
}

/** One that comes up, and ends when it is to do something. */
export function failingProgram(): URL {
  const path = `${cache()}/failing.mjs`
  const source = `import { workerData } from 'node:worker_threads'
    workerData.port.on('message', (message) => (message === 'end' ? workerData.port.close() : process.exit(3)))
    Atomics.store(workerData.gate, 0, 2)
    workerData.port.postMessage('ready')`
  writeFileSync(path, source)
  return pathToFileURL(path)
}

const cached = `${repository}node_modules/.cache/ostree-ts-test-${process.pid}`
afterAll(() => rmSync(cached, { recursive: true, force: true }))

/** Below node_modules, so that the optional packages are found from there. */
function cache(): string {
  mkdirSync(cached, { recursive: true })
  return cached
}

/** Path of a module that exports the store and what the children need, as plain JavaScript. */
export function bundle(): string {
  if (built === undefined) {
    built = `${cache()}/fs-store.mjs`
    buildSync({
      stdin: {
        contents: `
          export { initFsStorage, openFsStorage } from './src/repo/stores/fs/index.ts'
          export { Thread } from './src/system/threads/thread.ts'
          export { createCheckoutTarget, openRepo } from './src/repo/local.ts'
          export { checkout } from './src/repo/index.ts'
          export { nodePlatform } from './src/platform/node.ts'
          export * from './test/repo/stores/fs/trees.ts'
        `,
        resolveDir: repository,
        loader: 'ts',
      },
      outfile: built,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
    })
  }
  return built
}

export interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly code: number | null
  readonly output: string
}

/** Runs `script`, in which `store` is the bundle, and `say(line)` tells the parent something. */
export class Child {
  readonly #process: ChildProcess
  readonly ended: Promise<Ended>
  #output = ''
  #waiting: { text: string; resolve: () => void }[] = []

  constructor(script: string, env: Record<string, string> = {}) {
    const source = `
      const store = await import(${JSON.stringify(bundle())})
      const say = (line) => process.stdout.write(line + '\\n')
      ${script}
    `
    this.#process = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    const take = (bytes: Buffer) => {
      this.#output += bytes.toString()
      this.#waiting = this.#waiting.filter(({ text, resolve }) => {
        if (!this.#output.includes(text)) return true
        resolve()
        return false
      })
    }
    this.#process.stdout?.on('data', take)
    this.#process.stderr?.on('data', take)
    this.ended = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => resolve({ code, signal, output: this.#output }))
    })
  }

  /** Until the child has said `text`. */
  async said(text: string): Promise<void> {
    if (this.#output.includes(text)) return
    const heard = new Promise<void>((resolve) => this.#waiting.push({ text, resolve }))
    const ended = this.ended.then(({ output }) => {
      throw new Error(`the child ended without saying ${text}: ${output}`)
    })
    await Promise.race([heard, ended])
    ended.catch(() => {})
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
