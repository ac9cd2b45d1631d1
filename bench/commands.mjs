// Compares every local command with `ostree`, on a repository of about 50,000 objects. Times are those of whole
// processes, Node's start included, after a warm-up, in turns A B A B …; the ratio is the median of the pairs' ratios.
//
//   node bench/commands.mjs [--files=48000] [--folder=/dev/shm] [--rounds=5] [--modes=archive,bare-user,bare-user-only]
//                           [--only=REGEXP] [--command=bin/ostree-ts] [--json]
//
// Runs the built command (npm run build). `cpu` is user and system time of the process, which other programs on the
// machine disturb least. The first two rows give the cost of starting; it is not subtracted from the others.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '48000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    modes: { type: 'string', default: 'archive,bare-user,bare-user-only' },
    only: { type: 'string', default: '' },
    command: { type: 'string', default: 'bin/ostree-ts' },
    json: { type: 'boolean', default: false },
  },
})
const FILES_A_DIRECTORY = 24
const HISTORY = 20

function run(program, ...args) {
  const { status, stderr } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
}

const remove = (path) => rmSync(path, { recursive: true, force: true })

/** Writes files with sizes as in a layer, mostly a few kilobytes, all different. */
function makeTree(root, from, to) {
  const noise = new Uint8Array(1 << 18)
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    noise[i] = state >>> 24
  }
  let directory = ''
  for (let n = from; n < to; n++) {
    if (n === from || n % FILES_A_DIRECTORY === 0) {
      directory = join(root, 'usr', `d${Math.floor(n / 1000)}`, `e${Math.floor(n / FILES_A_DIRECTORY)}`)
      mkdirSync(directory, { recursive: true })
    }
    const size = Math.floor(300 + 12_000 * (noise[n % noise.length] / 256) ** 3)
    writeFileSync(join(directory, `f${n}`), noise.subarray(n % noise.length, (n % noise.length) + size))
    writeFileSync(join(directory, `f${n}`), `${n}\n`, { flag: 'a' })
  }
}

/** Creates a repository: `left` and `right` have half of the files each, `main` has all, at the end of a history. */
function makeRepo(repo, mode, place) {
  const ostree = (command, ...args) => run('ostree', command, `--repo=${repo}`, ...args)
  const commit = (branch, ...args) => ostree('commit', '-b', branch, '--canonical-permissions', ...args)
  ostree('init', `--mode=${mode}`)
  commit('left', `--tree=dir=${place}/left`)
  commit('right', `--tree=dir=${place}/right`)
  for (let n = 1; n <= HISTORY; n++) {
    writeFileSync(join(place, 'one', 'changing'), `version ${n}\n`)
    const halves = n === HISTORY - 1 ? ['left', 'right'].map((half) => `--tree=dir=${place}/${half}`) : []
    commit('main', ...halves, ...(n === HISTORY ? ['--tree=ref=main'] : []), `--tree=dir=${place}/one`)
  }
  ostree('summary', '-u')
}

/** Yields title, arguments and `before` of each comparison in one mode; `before` undoes the changes of a run. */
function* cases(mode, place) {
  const repo = join(place, mode)
  const own = [`--repo=${repo}`]
  const out = join(place, 'out')
  const into = join(place, 'into')
  const base = join(place, `${mode}-base`)
  const fresh = () => {
    remove(into)
    run('ostree', 'init', `--repo=${into}`, `--mode=${mode}`)
  }
  const copied = (from) => {
    remove(into)
    run('cp', '-al', from, into)
  }
  const commit = ['--canonical-permissions', join(place, 'tree')]
  yield ['commit', ['commit', `--repo=${into}`, '-b', 'main', ...commit], fresh]
  yield ['commit, nothing changed', ['commit', ...own, '--orphan', ...commit]]
  if (mode !== 'archive') {
    const flags = ['--orphan', '--link-checkout-speedup', '--canonical-permissions', join(place, `${mode}-links`)]
    yield ['commit of a linked checkout', ['commit', ...own, ...flags]]
  }
  const checkout = (...flags) => ['checkout', ...own, '-U', ...flags, 'main', out]
  yield ['checkout, copies', checkout(...(mode === 'archive' ? ['--disable-cache'] : ['-C'])), () => remove(out)]
  if (mode !== 'archive') yield ['checkout, links', checkout('-H'), () => remove(out)]
  yield ['fsck', ['fsck', '--quiet', ...own]]
  yield ['prune, nothing to do', ['prune', '--refs-only', ...own]]
  const halved = () => {
    copied(repo)
    run('ostree', 'refs', `--repo=${into}`, '--delete', 'main', 'right')
  }
  yield ['prune, half of it', ['prune', '--refs-only', `--repo=${into}`], halved]
  yield ['pull-local', ['pull-local', `--repo=${into}`, repo, 'main'], fresh]
  yield ['pull-local, one file more', ['pull-local', `--repo=${into}`, repo, 'main'], () => copied(base)]
  yield ['export', ['export', ...own, 'main', '-o', out], () => remove(out)]
  yield ['ls -R', ['ls', ...own, '-R', 'main']]
  yield ['ls -R -C', ['ls', ...own, '-R', '-C', 'main']]
  yield ['diff of the halves', ['diff', ...own, 'left', 'main']]
  yield ['diff of a commit', ['diff', ...own, 'main^', 'main']]
  yield ['summary -u', ['summary', ...own, '-u']]
  yield ['summary -v', ['summary', ...own, '-v']]
  yield ['refs', ['refs', ...own]]
  yield ['rev-parse', ['rev-parse', ...own, 'main']]
  yield ['log', ['log', ...own, 'main']]
  yield ['show', ['show', ...own, 'main']]
  yield ['cat', ['cat', ...own, 'main', '/changing']]
}

const command = [resolve(values.command)]
const results = []

function compare(mode, title, args, before) {
  if (!new RegExp(values.only).test(title)) return
  const contender = (program) => ({ command: [...program, ...args], before })
  results.push({ mode, ...race(`${mode} ${title}`, contender(command), contender(['ostree']), Number(values.rounds)) })
}

const place = temporaryFolder(join(values.folder, 'ostree-bench'))
try {
  const files = Number(values.files)
  makeTree(join(place, 'left'), 0, files / 2)
  makeTree(join(place, 'right'), files / 2, files)
  mkdirSync(join(place, 'one'))
  makeTree(join(place, 'tree'), 0, files)
  const bare = { command: [process.execPath, '-e', '0'] }
  const rounds = Number(values.rounds)
  results.push({ mode: '', ...race('node itself', bare, { command: ['ostree', '--version'] }, rounds * 4) })
  compare('', '--version', ['--version'])
  for (const mode of values.modes.split(',')) {
    makeRepo(join(place, mode), mode, place)
    const base = `--repo=${place}/${mode}-base`
    run('ostree', 'init', base, `--mode=${mode}`)
    run('ostree', 'pull-local', base, '--depth=1', join(place, mode), 'main')
    const older = spawnSync('ostree', ['rev-parse', `--repo=${place}/${mode}`, 'main^'])
      .stdout.toString()
      .trim()
    run('ostree', 'reset', base, 'main', older)
    run('ostree', 'prune', base, '--refs-only')
    if (mode !== 'archive') {
      run('ostree', 'checkout', `--repo=${place}/${mode}`, '-U', '-H', 'main', join(place, `${mode}-links`))
    }
    for (const [title, args, before] of cases(mode, place)) compare(mode, title, args, before)
    for (const name of ['', '-base', '-links']) remove(join(place, mode + name))
  }
  if (values.json) writeFileSync(1, `${JSON.stringify(results, null, 1)}\n`)
} finally {
  remove(place)
}
