/** Runs programs in a page of headless Chromium. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { removeFolder } from './remove-folder.ts'
import { temporaryFolder } from './temporary.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Most milliseconds that a program may take. */
const LIMIT = 100_000

/** Reports the result of the function `run` that the program exports, or its error, to the server. */
const REPORT = `
import { run } from 'program'
const report = (name, body) => fetch('/' + name, { method: 'POST', body: JSON.stringify(body) })
run().then((value) => report('result', value ?? null), (error) => report('error', String(error?.stack ?? error)))
`

/**
 * Runs `run()` of a program in a page whose origin is new, and returns what its promise resolves to, as JSON keeps it.
 * @param program TypeScript, whose imports are relative to the root of the project
 * @param files by path: what the page can fetch
 */
export async function runInChromium(
  program: string,
  files: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<unknown> {
  const { outputFiles } = await build({
    stdin: { contents: REPORT, resolveDir: root },
    plugins: [
      {
        name: 'program',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^program$/ }, () => ({ path: 'program', namespace: 'program' }))
          onLoad({ filter: /.*/, namespace: 'program' }, () => ({ contents: program, resolveDir: root, loader: 'ts' }))
        },
      },
    ],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  const script = outputFiles[0]?.text ?? ''
  const folder = temporaryFolder()
  const server = createServer()
  const result = new Promise<unknown>((resolve, reject) => {
    server.on('request', async (request, response) => {
      const path = request.url ?? ''
      if (request.method === 'POST') {
        const body: unknown = JSON.parse(await textOf(request))
        response.end()
        if (path === '/result') resolve(body)
        else reject(new Error(`In Chromium: ${body}`))
      } else if (path === '/') {
        response.setHeader('content-type', 'text/html; charset=utf-8')
        response.end('<!doctype html><script type="module" src="/program.js"></script>')
      } else if (path === '/program.js') {
        response.setHeader('content-type', 'text/javascript; charset=utf-8')
        response.end(script)
      } else {
        const file = files.get(path)
        response.statusCode = file === undefined ? 404 : 200
        response.end(file)
      }
    })
  })
  result.catch(() => {}) // It is awaited below.
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
  const profile = join(folder, 'profile')
  const browser = spawn('chromium', [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, HOME: folder },
  })
  const closed = once(browser, 'close')
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('The program in Chromium does not end')), LIMIT)
  })
  try {
    return await Promise.race([result, late, closed.then(() => Promise.reject(new Error('Chromium has ended')))])
  } finally {
    clearTimeout(timer)
    server.closeAllConnections()
    server.close()
    // Chromium is a group of processes.
    if (browser.pid !== undefined && browser.exitCode === null) process.kill(-browser.pid, 'SIGKILL')
    await closed.catch(() => {})
    removeFolder(profile)
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
