// Compares pulling a commit of many small files over HTTP with `ostree pull`. The server runs on this machine, in a
// process of its own. Times are those of whole processes, Node's start included.
//
//   node bench/pull.mjs [--files=20000] [--folder=/dev/shm] [--rounds=5] [--command=bin/ostree-ts]
//
// Runs the built command (npm run build).
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'
import { makeRepos, ostree } from './small-files.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    command: { type: 'string', default: 'bin/ostree-ts' },
  },
})

/** A server of static files, kept in memory so that its own work is small. */
const SERVER = `
const { createServer } = require('node:http')
const { readFileSync } = require('node:fs')
const root = process.argv[1]
const known = new Map()
const server = createServer((request, response) => {
  let body = known.get(request.url)
  if (body === undefined) {
    try { body = readFileSync(root + request.url) } catch { body = null }
    known.set(request.url, body)
  }
  if (body === null) response.writeHead(404, { 'content-length': 0 }).end()
  else response.writeHead(200, { 'content-length': body.length }).end(body)
})
server.keepAliveTimeout = 60000
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

const place = temporaryFolder(join(values.folder, 'ostree-bench'))
const server = spawn(process.execPath, ['-e', SERVER, place], { stdio: ['ignore', 'pipe', 'inherit'] })
try {
  const port = await new Promise((done) => server.stdout.once('data', (text) => done(Number(text))))
  makeRepos(place, { served: 'archive' }, Number(values.files))
  ostree(`--repo=${join(place, 'served')}`, 'summary', '-u')
  const into = join(place, 'into')
  for (const mode of ['archive', 'bare-user-only']) {
    const args = [`--repo=${into}`, 'pull', 'origin', 'main']
    const before = () => {
      rmSync(into, { recursive: true, force: true })
      ostree(`--repo=${into}`, 'init', `--mode=${mode}`)
      ostree(`--repo=${into}`, 'remote', 'add', '--no-gpg-verify', 'origin', `http://127.0.0.1:${port}/served`)
    }
    race(
      `archive over HTTP into ${mode}`,
      { command: [process.execPath, resolve(values.command), ...args], before },
      { command: ['ostree', ...args], before },
      Number(values.rounds),
    )
  }
} finally {
  server.kill()
  rmSync(place, { recursive: true })
}
