// Compares the checkout of many small files, by link and by copy, with `ostree checkout`. Times are those of whole
// processes, Node's start included; the line below each gives the time of the checkout alone.
//
//   node bench/checkout.mjs [--files=40000] [--folder=/dev/shm] [--rounds=5] [--only=link] [--dist=dist]
//
// Runs against dist/ (npm run build). The files of a run are removed outside the timed part.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '40000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    dist: { type: 'string', default: 'dist' },
    child: { type: 'string' },
  },
})

const dist = (name) => import(pathToFileURL(resolve(values.dist, name)).href)

if (values.child) await child(JSON.parse(values.child))
else await races()

async function child({ repo: path, out, options, cache, native }) {
  const { checkout } = await dist('repo/index.js')
  const { createLocalTarget, createUncompressedCache, openRepo } = await dist('repo/local.js')
  const repo = await openRepo(path)
  const target = createLocalTarget(out, native === false ? { linkCalls: null } : {})
  const start = performance.now()
  const all = cache ? { ...options, cache: createUncompressedCache(repo) } : options
  await checkout(repo, await repo.resolve('main'), target, all)
  writeFileSync(`${out}.time`, String(performance.now() - start))
}

/** Writes files of up to 8 KiB, all different. */
function makeTree(root, files) {
  for (let n = 0; n < files; n++) {
    const directory = join(root, `d${Math.floor(n / 100) % 20}`, `e${Math.floor(n / 100)}`)
    if (n % 100 === 0) mkdirSync(directory, { recursive: true })
    const words = new Uint32Array(1 + (((n * 2654435761) >>> 0) % 2048))
    for (let i = 0; i < words.length; i++) words[i] = (i + 1) * n * 2654435761
    words[0] = n
    writeFileSync(join(directory, `f${n}`), new Uint8Array(words.buffer))
  }
}

function ostree(...args) {
  const { status, stderr } = spawnSync('ostree', args)
  if (status !== 0) throw new Error(`ostree ${args.join(' ')}: ${stderr}`)
}

async function races() {
  const place = temporaryFolder(join(values.folder, 'ostree-bench'))
  try {
    makeTree(join(place, 'tree'), Number(values.files))
    for (const mode of ['bare', 'bare-user', 'archive']) {
      ostree(`--repo=${place}/${mode}`, 'init', `--mode=${mode}`)
      ostree(`--repo=${place}/${mode}`, 'commit', '-b', 'main', '--fsync=0', join(place, 'tree'))
    }
    rmSync(join(place, 'tree'), { recursive: true })
    const user = { mode: 'user' }
    const cases = [
      ['link, bare', 'bare', ['-H'], { options: { requireHardlinks: true } }],
      ['link, bare, without koffi', 'bare', ['-H'], { options: { requireHardlinks: true }, native: false }],
      ['link, bare-user', 'bare-user', ['-U', '-H'], { options: { ...user, requireHardlinks: true } }],
      ['copy, bare', 'bare', ['-C'], { options: { forceCopy: true } }],
      ['copy, bare, without koffi', 'bare', ['-C'], { options: { forceCopy: true }, native: false }],
      ['copy, bare-user', 'bare-user', [], { options: {} }],
      ['unpack, archive', 'archive', ['-U', '--disable-cache'], { options: user }],
      ['link, archive with a filled cache', 'archive', ['-U'], { options: user, cache: true }],
    ]
    for (const [title, repo, flags, ours] of cases) {
      if (values.only && !title.includes(values.only)) continue
      await raceOne(place, title, join(place, repo), flags, ours)
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

async function raceOne(place, title, repo, flags, ours) {
  const out = join(place, 'out')
  const before = () => rmSync(out, { recursive: true, force: true })
  const inner = []
  const args = [import.meta.filename, `--dist=${values.dist}`, `--child=${JSON.stringify({ repo, out, ...ours })}`]
  race(
    title,
    {
      command: [process.execPath, ...args],
      before,
      after: () => inner.push(Number(spawnSync('cat', [`${out}.time`]).stdout)),
    },
    { command: ['ostree', `--repo=${repo}`, 'checkout', ...flags, 'main', out], before },
    Number(values.rounds),
  )
  before()
  const sorted = inner.slice(1).sort((a, b) => a - b)
  console.log(`${''.padEnd(58)} ${(sorted[sorted.length >> 1] / 1000).toFixed(2)} s without start`)
}
