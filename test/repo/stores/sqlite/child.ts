/**
 * A second process with the stores in it: what one process holds, another must respect. The script is TypeScript of ours,
 * bundled once; `say(word)` and `heard(word)` are how both sides keep step.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

const PRELUDE = `
  import { createInterface } from 'node:readline'
  import { nodePlatform as platform } from './src/platform/node.ts'
  import { createSqliteStorage, openSqliteStorage } from './src/repo/stores/sqlite/open.ts'
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  const say = (word) => process.stdout.write(word + '\\n')
  const heard = async (word) => { if ((await lines.next()).value !== word) process.exit(9) }
  const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
  const [, , path] = process.argv
  async function main() {
`
const CODA = `
  }
  await main().catch((error) => say([error.name, error.code, error.message].join(' | ')))
  process.exit(0)
`

export interface Child {
  /** Waits for the next line. `undefined` when the process has ended. */
  next(): Promise<string | undefined>
  tell(word: string): void
  kill(): Promise<void>
  readonly process: ChildProcessWithoutNullStreams
}

/**
 * @param packages whether it finds the packages installed here
 * @param body of an async function that sees `path`, `platform`, `header`, `say`, `heard` and the SQLite stores
 */
export async function bundleChild(
  folder: string,
  name: string,
  body: string,
  { packages = true } = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true })
  try {
    if (!packages) throw new Error('none wanted')
    // Packages are looked for from where the bundle lies.
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  } catch {
    // It is there, or not wanted.
  }
  const outfile = join(folder, `${name}.mjs`)
  await build({
    stdin: { contents: PRELUDE + body + CODA, resolveDir: root, loader: 'ts' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    outfile,
    logLevel: 'error',
  })
  return outfile
}

export function startChild(script: string, path: string, options: { uid?: number; argv?: string[] } = {}): Child {
  const child = spawn(process.execPath, [...(options.argv ?? []), script, path], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  const lines: string[] = []
  const waiting: ((line: string | undefined) => void)[] = []
  let rest = ''
  let ended = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      const first = waiting.shift()
      if (first) first(line)
      else lines.push(line)
    }
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const over = new Promise<void>((resolve) => {
    child.on('close', () => {
      ended = true
      if (complaint !== '') lines.push(`stderr: ${complaint}`)
      for (const each of waiting.splice(0)) each(lines.shift())
      resolve()
    })
  })
  return {
    process: child,
    next: () =>
      lines.length > 0 || ended
        ? Promise.resolve(lines.shift())
        : new Promise((resolve) => {
            waiting.push(resolve)
          }),
    tell: (word) => void child.stdin.write(`${word}\n`),
    kill: async () => {
      child.kill('SIGKILL')
      await over
    },
  }
}
