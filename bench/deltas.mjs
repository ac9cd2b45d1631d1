// Compares applying static deltas that ostree wrote with `ostree static-delta apply-offline`: whole processes, Node's
// start included, and their peak memory.
//
//   node bench/deltas.mjs [--files=4000] [--large=500] [--folder=/dev/shm] [--rounds=3] [--only=small] [--mode=bare-user]
//
// Runs against dist/ (npm run build). `--large` is the size of the largest file in MB.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '4000' },
    large: { type: 'string', default: '500' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    mode: { type: 'string', default: 'bare-user' },
  },
})

function ostree(...args) {
  const { status, stdout, stderr } = spawnSync('ostree', args)
  if (status !== 0) throw new Error(`ostree ${args.join(' ')}: ${stderr}`)
  return stdout.toString().trim()
}

/** Returns words that repeat only after many. */
function noise(seed, count) {
  const words = new Uint32Array(count)
  for (let i = 0; i < count; i++) words[i] = Math.imul(i + 1, 2654435761) ^ Math.imul(seed, 40503)
  return words
}

/** Writes files of up to 16 KiB. @param changed every so many files differ in a few bytes from those of the first tree */
function makeSmall(root, changed) {
  for (let n = 0; n < Number(values.files); n++) {
    const directory = join(root, `d${n % 50}`)
    mkdirSync(directory, { recursive: true })
    const words = noise(n, 1 + ((Math.imul(n, 2654435761) >>> 0) % 4096))
    if (changed && n % 3 === 0) words.fill(n, words.length >> 1, (words.length >> 1) + 20)
    writeFileSync(join(directory, `f${n}`), new Uint8Array(words.buffer))
  }
}

/** Writes one large file. @param changed some of its pieces differ from those of the first tree */
function makeLarge(root, changed) {
  mkdirSync(root, { recursive: true })
  const fd = openSync(join(root, 'large'), 'w')
  const piece = noise(1, 250_000)
  for (let n = 0; n < Number(values.large); n++) {
    piece[0] = n
    piece[1000] = changed && n % 20 === 0 ? 1 : 0
    writeSync(fd, new Uint8Array(piece.buffer))
  }
  closeSync(fd)
}

const place = temporaryFolder(join(values.folder, 'ostree-bench'))
try {
  const cases = [
    ['many small files, from nothing', makeSmall, ['--empty']],
    ['many small files, a third changed', makeSmall, []],
    ['one large file, from nothing', makeLarge, ['--empty']],
    ['one large file, 5 % changed', makeLarge, []],
  ]
  for (const [title, make, flags] of cases) {
    if (values.only !== undefined && !title.includes(values.only)) continue
    const source = join(place, 'source')
    ostree(`--repo=${source}`, 'init', '--mode=bare-user')
    const commits = [false, true].map((changed) => {
      make(join(place, 'tree'), changed)
      const commit = ostree(
        `--repo=${source}`,
        'commit',
        '-b',
        'main',
        '--fsync=0',
        '--canonical-permissions',
        '--no-xattrs',
        join(place, 'tree'),
      )
      rmSync(join(place, 'tree'), { recursive: true })
      return commit
    })
    ostree(`--repo=${source}`, 'static-delta', 'generate', '--min-fallback-size=0', ...flags, 'main')
    const [head] = readdirSync(join(source, 'deltas'))
    const [tail] = readdirSync(join(source, 'deltas', head))
    const delta = join(source, 'deltas', head, tail)
    const before = (target) => () => {
      rmSync(target, { recursive: true, force: true })
      ostree(`--repo=${target}`, 'init', `--mode=${values.mode}`)
      ostree(`--repo=${target}`, 'config', 'set', 'core.fsync', 'false')
      if (flags.length === 0) ostree(`--repo=${target}`, 'pull-local', source, commits[0])
    }
    const contender = (program) => {
      const target = join(place, 'target')
      return {
        command: [...program, `--repo=${target}`, 'static-delta', 'apply-offline', delta],
        before: before(target),
      }
    }
    // The name of the command comes before its options in this program.
    const ours = contender([process.execPath, resolve('bin/ostree-ts')])
    race(title, ours, contender(['ostree']), Number(values.rounds))
    rmSync(source, { recursive: true })
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
