/**
 * Kills processes at random moments while they work on repositories, and checks what they leave: the repository opens and
 * is sound, each ref is the old or the new one, the same command then does all its work, and nothing is left over.
 *
 *   node scripts/kills.mjs [--kills=N] [--seed=N] [--kind=NAME,…] [--store=NAME,…] [--moment=MOMENT]
 *
 *   --kills    how many processes, spread over the kinds and stores; default 300
 *   --seed     chooses the moments; default: another one each time
 *   --kind     only these operations
 *   --store    only these stores
 *   --moment   one kill: `ms:MILLISECONDS`, `main:CALL` or `worker:CALL`
 *
 * Half of the moments are times, evenly spread over the part of a run in which it changes something. The others are calls that
 * change files or a database. What a failing trial left is kept, with its path printed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { copy, Fixtures, STORES } from './kills/fixtures.mjs'
import { KINDS } from './kills/kinds.mjs'
import { randomFrom } from './kills/random.mjs'
import { Subject } from './kills/trial.mjs'
import { temporaryFolder } from './temporary.mjs'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    kind: { type: 'string' },
    store: { type: 'string' },
    moment: { type: 'string' },
  },
})
const isRoot = process.geteuid?.() === 0
const witness = spawnSync('ostree', ['--version']).status === 0
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const root = temporaryFolder(join(memory, 'ostree-ts-kills'))
const seed = Number(values.seed)
const random = randomFrom(seed)

const stores = chosen(values.store, Object.keys(STORES)).filter((store) => isRoot || store !== 'bare')
const kinds = chosen(values.kind, Object.keys(KINDS))
const pairs = stores.flatMap((store, shift) =>
  // Each store begins elsewhere in the list, so that few kills try as many kinds as many.
  kinds.map((_, index) => [kinds[(index + shift * 5) % kinds.length], store]),
)
const subjects = interleaved(pairs, stores.length).filter(
  ([kind, store]) => KINDS[kind].stores?.includes(store) ?? true,
)

console.log(`seed ${seed}, in ${root}`)
const fixtures = new Fixtures(root)
mkdirSync(fixtures.sources, { recursive: true })
await fixtures.prepare()

const total = values.moment === undefined ? Number(values.kills) : 1
// Few kills are not spread over everything, since each operation is first run twice: which ones, the seed decides.
const perSubject = Math.max(Math.ceil(total / subjects.length), Math.min(4, total))
const firstSubject = Math.floor(random() * subjects.length)
const start = performance.now()
let [done, killed, failed] = [0, 0, 0]
for (let next = firstSubject; done < total; next++) {
  const [kind, store] = subjects[next % subjects.length]
  const subject = await new Subject(fixtures, kind, store, root).prepare()
  const [before, wereKilled] = [done, killed]
  for (let i = 0; i < perSubject && done < total; i++, done++) {
    const moment = values.moment === undefined ? anyMoment(subject) : parseMoment(values.moment)
    const name = `trial-${done}`
    const result = await subject.trial(name, moment, witness && done % 5 === 0)
    if (result.killed) killed++
    if (result.faults.length === 0) continue
    failed++
    const again = `--seed=${seed} --kind=${kind} --store=${store} --moment=${printMoment(moment)}`
    console.log(`\nFAILED ${kind} ${store}, killed at ${printMoment(moment)}: node scripts/kills.mjs ${again}`)
    const kept = join(mkdtempSync(join(tmpdir(), 'ostree-ts-killed-')), name)
    copy(result.folder, kept)
    console.log(`  left in ${kept}`)
    for (const fault of result.faults) console.log(`  ${fault}`)
  }
  const calls = Object.entries(subject.counts).map(([thread, count]) => `${thread} ${count}`)
  const about = `${subject.duration.toFixed(0)} ms, calls: ${calls.join(', ')}`
  console.log(`${kind} ${store}: ${done - before} runs, ${killed - wereKilled} killed (${about})`)
}
const seconds = ((performance.now() - start) / 1000).toFixed(0)
console.log(`${done} runs, ${killed} killed, ${failed} failed, in ${seconds} s; seed ${seed}`)
process.exit(failed === 0 ? 0 : 1)

function chosen(text, all) {
  if (text === undefined) return all
  for (const name of text.split(','))
    if (!all.includes(name)) throw new Error(`${name} is not one of ${all.join(', ')}`)
  return text.split(',')
}

/** Orders a list of `lanes` equal parts so that one element of each part follows the other. */
function interleaved(list, lanes) {
  const size = list.length / lanes
  return list.map((_, index) => list[(index % lanes) * size + Math.floor(index / lanes)])
}

function anyMoment({ duration, first, counts }) {
  const threads = Object.keys(counts).filter((thread) => counts[thread] > 0)
  if (threads.length === 0 || random() < 0.5) {
    return { after: Math.round((first * 0.9 + random() * (duration - first * 0.9)) * 10) / 10 }
  }
  const thread = threads[Math.floor(random() * threads.length)]
  return { thread, before: Math.floor(random() * counts[thread]) }
}

function parseMoment(text) {
  const [kind, value] = text.split(':')
  return kind === 'ms' ? { after: Number(value) } : { thread: kind, before: Number(value) }
}

function printMoment({ after, thread, before }) {
  return after === undefined ? `${thread}:${before}` : `ms:${after}`
}
