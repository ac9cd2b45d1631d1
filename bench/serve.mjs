// Measures how many small objects a second `ostree-ts serve` sends from a SQLite file: all objects of one commit, over
// connections that stay open, to a client in a process of its own.
//
//   node bench/serve.mjs [--files=20000] [--folder=/dev/shm] [--rounds=3] [--connections=8] [--command=bin/ostree-ts]
//                        [--mode=archive]
//
// Runs the built command (npm run build). Prints objects a second, and the processor time of the server for one object,
// which says more on a machine that does other work.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { makeRepos } from './small-files.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '20000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '8' },
    command: { type: 'string', default: 'bin/ostree-ts' },
    mode: { type: 'string', default: 'archive' },
    client: { type: 'string' },
  },
})

if (values.client === undefined) await measure()
else await fetchAll(Number(values.client))

async function measure() {
  const place = temporaryFolder(join(values.folder, 'ostree-bench'))
  const command = resolve(values.command)
  makeRepos(place, { made: 'archive' }, Number(values.files))
  const served = join(place, 'served.sqlite')
  const ours = (...args) => execFileSync(process.execPath, [command, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  ours('init', `--repo=${served}`, `--mode=${values.mode}`)
  ours('pull-local', `--repo=${served}`, join(place, 'made'), 'main')
  const paths = ours('ls', '-R', '-C', `--repo=${served}`, 'main').split('\n').flatMap(objectsOf)
  const wanted = [...new Set(paths)]
  const server = spawn(process.execPath, [command, 'serve', `--repo=${served}`, '--port-file=-'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = await once(server.stdout, 'data')
    const me = fileURLToPath(import.meta.url)
    for (let round = 0; round < Number(values.rounds); round++) {
      const before = cpuSeconds(server.pid)
      const started = process.hrtime.bigint()
      const client = spawn(process.execPath, [me, `--client=${Number(line)}`, `--connections=${values.connections}`], {
        stdio: ['pipe', 'inherit', 'inherit'],
      })
      client.stdin.end(wanted.join('\n'))
      const [status] = await once(client, 'exit')
      if (status !== 0) throw new Error(`The client failed with status ${status}`)
      const seconds = Number(process.hrtime.bigint() - started) / 1e9
      const cpu = cpuSeconds(server.pid) - before
      const each = ((cpu / wanted.length) * 1e6).toFixed(0)
      console.log(
        `${wanted.length} objects in ${seconds.toFixed(2)} s: ${Math.round(wanted.length / seconds)} a second; ` +
          `server ${cpu.toFixed(2)} s of processor time, ${each} µs for each object`,
      )
    }
  } finally {
    server.kill()
  }
}

/** Returns the paths of the objects that a line of `ls -R -C` names. */
function objectsOf(line) {
  const [mode = '', , , , ...words] = line.split(/\s+/)
  const path = (checksum, type) => `/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}`
  const sums = words.filter((word) => /^[0-9a-f]{64}$/.test(word))
  if (mode.startsWith('d')) return sums.map((checksum, i) => path(checksum, i === 0 ? 'dirtree' : 'dirmeta'))
  return sums.map((checksum) => path(checksum, 'filez'))
}

/** Returns the processor time that a process has used, in seconds. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Fetches the paths on standard input. It reads sockets itself, so that it takes less time than the server. */
async function fetchAll(port) {
  const paths = readFileSync(0, 'utf8').split('\n')
  let next = 0
  const worker = async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    let left = -1
    let head = ''
    let done = () => {}
    socket.on('data', (chunk) => {
      if (left < 0) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!head.startsWith('HTTP/1.1 200')) throw new Error(head.slice(0, end))
        left = Number(/content-length: (\d+)/i.exec(head)[1]) - (head.length - end - 4)
      } else left -= chunk.length
      if (left > 0) return
      left = -1
      head = ''
      done()
    })
    socket.on('error', (error) => {
      throw error
    })
    while (next < paths.length) {
      const path = paths[next++]
      const received = new Promise((resolve) => {
        done = resolve
      })
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      await received
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: Number(values.connections) }, worker))
}
