// Measures writing and committing 40,000 objects of 4 KiB to a repository directory: by mode, with and without writer
// threads, into a new repository, into one with as many other objects, and the same objects again. For comparison runs
// `ostree commit --tree=tar` of the same contents; reading the tar is a tenth of its time.
//   node bench/fs-store.mjs [DIRECTORY] [ROUNDS] [fsync]      (default: /dev/shm, 3; run `npm run build` before)
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../scripts/temporary.mjs'

const dist = process.env.OSTREE_TS_DIST ?? new URL('../dist', import.meta.url).pathname
const { initFsStorage } = await import(`${dist}/repo/stores/fs/index.js`)
const { nodePlatform: platform } = await import(`${dist}/platform/node.js`)

const where = temporaryFolder(join(process.argv[2] ?? '/dev/shm', 'ostree-bench'))
const rounds = Number(process.argv[3] ?? 3)
const fsync = process.argv[4] === 'fsync'
/** Files between two turns of the event loop, as in a chunk of a tar. */
const CHUNK_FILES = 250
const COUNT = 40_000
const SIZE = 4096
const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }

/** Returns contents by index: half text, half noise, all different. */
const contents = (seed) => {
  const noise = new Uint8Array(1 << 20)
  let state = seed
  for (let i = 0; i < noise.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    noise[i] = state >>> 16
  }
  const word = new TextEncoder().encode('usr/share/doc/package/changelog ')
  return (i) => {
    const body = new Uint8Array(SIZE)
    for (let at = 0; at < SIZE / 2; at += word.length) body.set(word, at)
    const from = (i * 131) % (noise.length - SIZE)
    body.set(noise.subarray(from, from + SIZE / 2), SIZE / 2)
    new DataView(body.buffer).setUint32(SIZE - 8, i)
    return body
  }
}

const prepare = (seed) => Array.from({ length: COUNT }, (_, i) => contents.cache[seed](i))
contents.cache = { 1: contents(1), 2: contents(2) }
const first = prepare(1)
const second = prepare(2)

async function ingest(storage, bodies) {
  const start = performance.now()
  const tx = await storage.begin({ fsync })
  for (let i = 0; i < bodies.length; i++) {
    tx.writeFile({ header, size: SIZE, body: bodies[i] })
    if (i % CHUNK_FILES > 0) continue
    await new Promise(setImmediate)
    await tx.drained()
  }
  const written = performance.now()
  await tx.commit()
  return { write: written - start, commit: performance.now() - written }
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
const row = (label, times) => {
  const total = median(times.map(({ write, commit }) => write + commit))
  const part = (key) =>
    median(times.map((time) => time[key]))
      .toFixed(0)
      .padStart(6)
  console.log(
    `${label.padEnd(48)} write ${part('write')} ms   commit ${part('commit')} ms   ` +
      `total ${total.toFixed(0).padStart(6)} ms   ${((total / COUNT) * 1000).toFixed(1)} µs per object`,
  )
}

let made = 0
for (const mode of ['bare-user-only', 'bare-user', 'bare', 'archive']) {
  const times = { false: { new: [], other: [], same: [] }, true: { new: [], other: [], same: [] } }
  for (let round = 0; round < rounds; round++) {
    for (const threads of [false, true]) {
      const path = join(where, `repo-${made++}`)
      const storage = await initFsStorage(path, { mode, platform, writers: threads ? undefined : null })
      times[threads].new.push(await ingest(storage, first))
      times[threads].other.push(await ingest(storage, second))
      times[threads].same.push(await ingest(storage, first))
      await storage[Symbol.asyncDispose]()
      rmSync(path, { recursive: true })
    }
  }
  for (const threads of [false, true]) {
    const title = `${mode}, ${threads ? 'writer threads' : 'one thread'}`
    row(`${title}: new repository`, times[threads].new)
    row(`${title}: beside others`, times[threads].other)
    row(`${title}: all there`, times[threads].same)
  }
}
if (spawnSync('ostree', ['--version']).status === 0) {
  const tar = join(where, 'layer.tar')
  writeTar(tar, first)
  for (const mode of ['bare-user-only', 'bare-user', 'bare', 'archive']) {
    const times = []
    for (let round = 0; round < rounds; round++) {
      const repo = join(where, `reference-${mode}-${round}`)
      spawnSync('ostree', ['init', `--repo=${repo}`, `--mode=${mode}`])
      const start = performance.now()
      const args = [
        'commit',
        `--repo=${repo}`,
        '-b',
        'x',
        `--fsync=${fsync}`,
        '--canonical-permissions',
        `--tree=tar=${tar}`,
      ]
      const run = spawnSync('ostree', [...args, '--tar-autocreate-parents'])
      if (run.status !== 0) throw new Error(run.stderr.toString())
      times.push(performance.now() - start)
      rmSync(repo, { recursive: true })
    }
    console.log(`ostree commit --tree=tar, ${mode}, fsync ${fsync}: ${median(times).toFixed(0)} ms`)
  }
}
rmSync(where, { recursive: true })

function writeTar(path, bodies) {
  const fd = openSync(path, 'w')
  const block = Buffer.alloc(512)
  for (const [i, body] of bodies.entries()) {
    block.fill(0)
    block.write(`d${i % 400}/f${i}`, 0)
    block.write('0000644\0', 100)
    block.write('0000000\0', 108)
    block.write('0000000\0', 116)
    block.write(`${SIZE.toString(8).padStart(11, '0')}\0`, 124)
    block.write('00000000000\0', 136)
    block.write('        0', 148)
    block.write('ustar\u000000', 257)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    writeSync(fd, block)
    writeSync(fd, body)
  }
  writeSync(fd, Buffer.alloc(1024))
  closeSync(fd)
}
