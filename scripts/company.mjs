/**
 * Lets several programs work on one repository at the same time, `ostree-ts` and `ostree`, and checks that each does its
 * work: no command fails, no commit that succeeded is lost, every checkout has its files, and the repository is sound.
 *
 *   node scripts/company.mjs [--seconds=N] [--seed=N] [--store=NAME,…]
 *
 *   --seconds  how long they work on each repository; default 120
 *   --seed     chooses what each of them does next; the order between them is chance
 *   --store    of archive, bare-user, bare-user-only, bare and sqlite; in an SQLite file `ostree-ts` works alone.
 *              Default: all but bare
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createRepo, fsck, openRepo } from '../dist/node.js'
import { repoName, STORES } from './kills/fixtures.mjs'
import { randomFrom } from './kills/random.mjs'
import { temporaryFolder } from './temporary.mjs'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    store: { type: 'string', default: 'archive,bare-user,bare-user-only,sqlite' },
  },
})
const OURS = [process.execPath, fileURLToPath(new URL('../bin/ostree-ts', import.meta.url))]
const THEIRS = spawnSync('ostree', ['--version']).status === 0 ? ['ostree'] : OURS
const root = temporaryFolder(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ostree-ts-company'))
const faults = []

console.log(`seed ${values.seed}, in ${root}`)
for (const [index, store] of values.store.split(',').entries()) await work(store, Number(values.seed) + index)
for (const fault of faults) console.log(`FAILED ${fault}`)
console.log(`${faults.length} failed; seed ${values.seed}`)
process.exit(faults.length === 0 ? 0 : 1)

/** Runs a command. @returns what it prints, or `undefined` after noting that it failed */
function run(store, [program, ...before], words) {
  return new Promise((resolve) => {
    execFile(program, [...before, ...words], { encoding: 'utf8' }, (error, stdout) => {
      if (error !== null) faults.push(`${store}: ${error.message.trim()}`)
      resolve(error === null ? stdout.trim() : undefined)
    })
  })
}

async function work(store, seed) {
  const folder = join(root, store)
  mkdirSync(folder)
  const repo = join(folder, repoName(store))
  await (await createRepo(repo, { mode: STORES[store] })).close()
  const source = join(folder, 'source')
  await (await createRepo(source, { mode: 'archive' })).close()
  const other = store === 'sqlite' ? OURS : THEIRS
  const until = performance.now() + Number(values.seconds) * 1000
  const context = { store, folder, repo, source, commits: new Map(), counts: {} }
  const actors = []
  for (const [index, program] of [OURS, other, OURS, other].entries()) {
    actors.push(act(context, program, index, randomFrom(seed * 16 + index), until))
  }
  await Promise.all(actors)
  await check(context, other)
  const counts = Object.entries(context.counts).map(([name, count]) => `${name} ${count}`)
  console.log(`${store}: ${counts.join(', ')}`)
}

/** One program, which does one thing after the other. */
async function act(context, program, index, random, until) {
  const { store, folder, repo, source, commits, counts } = context
  const flag = `--repo=${repo}`
  let made = 0
  const commit = async (branch, at, more = []) => {
    const id = `${index}-${made++}`
    const tree = join(folder, `tree-${id}`)
    mkdirSync(join(tree, 'usr'), { recursive: true })
    for (let i = 0; i < 12; i++) writeFileSync(join(tree, 'usr', `f${i}`), i % 3 === 0 ? `shared ${i}` : `${id} ${i}`)
    const to = branch === undefined ? ['--orphan'] : [`--branch=${branch}`]
    const words = ['commit', `--repo=${at}`, ...to, `--tree=dir=${tree}`, `--subject=${id}`, ...more]
    const checksum = await run(store, program, words)
    rmSync(tree, { recursive: true })
    if (checksum !== undefined && at === repo) commits.set(checksum, { branch, id })
    return { checksum, id }
  }
  const own = `own/${index}`
  const actions = {
    own: () => commit(own, repo),
    same: () => commit('same', repo),
    orphan: () => commit(undefined, repo),
    /** A commit of the own branch, which no other program changes, has the files that were committed. */
    checkout: async () => {
      const { checksum, id } = await commit(own, repo)
      if (checksum === undefined) return
      const out = join(folder, `out-${index}`)
      if ((await run(store, program, ['checkout', flag, '-U', checksum, out])) === undefined) return
      const names = readdirSync(join(out, 'usr'))
      if (names.length !== 12) faults.push(`${store}: a checkout has ${names.length} files instead of 12`)
      for (const name of names) {
        const text = readFileSync(join(out, 'usr', name), 'utf8')
        const i = Number(name.slice(1))
        if (text !== (i % 3 === 0 ? `shared ${i}` : `${id} ${i}`)) faults.push(`${store}: ${name} of ${id} is ${text}`)
      }
      rmSync(out, { recursive: true })
    },
    prune: () => run(store, program, ['prune', flag, '--refs-only']),
    pull: async () => {
      const branch = `pulled/${index}`
      const { checksum } = await commit(branch, source)
      if (checksum === undefined) return
      if ((await run(store, program, ['pull-local', flag, source, branch])) === undefined) return
      const found = await run(store, program, ['rev-parse', flag, branch])
      if (found !== checksum) faults.push(`${store}: ${branch} is ${found} instead of ${checksum}`)
    },
    refs: async () => {
      const ref = `names/${index}/${made}`
      if ((await commit(own, repo)).checksum === undefined) return
      await run(store, program, ['refs', flag, `--create=${ref}`, own])
      await run(store, program, ['refs', flag, '--delete', `names/${index}`])
    },
    read: async () => {
      if ((await run(store, program, ['refs', flag])) === '') return
      await commit(own, repo)
      await run(store, program, ['log', flag, own])
      await run(store, program, ['ls', flag, '-R', own])
    },
  }
  const names = Object.keys(actions)
  while (performance.now() < until) {
    const name = names[Math.floor(random() * names.length)]
    await actions[name]()
    counts[name] = (counts[name] ?? 0) + 1
  }
}

/** Checks what is true when all of them have ended. */
async function check({ store, folder, repo: path, commits }, other) {
  const repo = await openRepo(path)
  const events = []
  const { damaged, partial } = await fsck(repo, { all: true, onEvent: (event) => events.push(JSON.stringify(event)) })
  if (damaged + partial > 0) faults.push(...events.map((event) => `${store}: fsck: ${event}`))
  const reached = new Map()
  for (const { name } of await repo.listRefs()) {
    const chain = new Set()
    for (let at = await repo.resolve(name); at !== undefined; at = (await repo.readCommit(at)).parent) chain.add(at)
    reached.set(name, chain)
  }
  for (const [checksum, { branch, id }] of commits) {
    if (branch?.startsWith('own/') && !reached.get(branch)?.has(checksum)) faults.push(`${store}: ${id} is lost`)
  }
  // Of two commits with the same parent, one replaces the other.
  for (const checksum of reached.get('same') ?? []) {
    if (commits.get(checksum)?.branch !== 'same') faults.push(`${store}: same has ${checksum}, which was not committed`)
  }
  await repo.close()
  if (other !== OURS) await run(store, other, ['fsck', `--repo=${path}`])
  await run(store, OURS, ['prune', `--repo=${path}`, '--refs-only'])
  const left = store === 'sqlite' ? readdirSync(folder) : readdirSync(join(path, 'tmp'))
  for (const name of left) if (!['cache', 'source', 'repo.sqlite'].includes(name)) faults.push(`${store}: left ${name}`)
}
