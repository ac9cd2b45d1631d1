/** One operation that is killed, what is true afterwards, and its repetition. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRepo } from '../../dist/node.js'
import { copy, repoName } from './fixtures.mjs'
import { KINDS } from './kinds.mjs'
import { differences, faultsOf, hashOf, layoutFaults, listed, refsOf, settle } from './state.mjs'

const path = (name) => fileURLToPath(new URL(name, import.meta.url))
const DIE = path('die.cjs')
const PROGRAM = path('../../bin/ostree-ts')
const CHILD = path('child.mjs')

/** An operation on a store: what an undisturbed run does. */
export class Subject {
  duration = 0
  /** Milliseconds after which it first changes something. */
  first = 0
  /** Numbers of calls that change something, by the kind of thread. */
  counts = {}

  constructor(fixtures, kind, store, root) {
    Object.assign(this, { fixtures, kind, store, root })
    this.spec = KINDS[kind]
  }

  get name() {
    return `${this.kind} ${this.store}`
  }

  /** Runs the operation undisturbed, twice: to measure it, and for the state that every other run has to reach. */
  async prepare() {
    this.template = await this.fixtures.template(this.store, this.kind, this.spec.add)
    const before = await this.#open(this.template)
    this.before = await refsOf(before)
    await before.close()
    this.outputBefore = hashOf(join(this.template, 'out'))
    for (const round of [0, 1]) {
      const at = this.place(`whole-${round}`)
      const counts = join(this.root, 'counts')
      rmSync(counts, { force: true })
      const start = performance.now()
      const { code, printed } = await this.run(at, round === 0 ? { KILL_COUNTS: counts } : {})
      this.duration = performance.now() - start
      if (code !== 0) throw new Error(`${this.name} fails: ${printed}`)
      if (round === 0) {
        Object.assign(this, readCounts(counts))
        await this.#expect(at)
      }
      rmSync(at.folder, { recursive: true, force: true })
    }
    return this
  }

  async #expect(at) {
    const repo = await this.#open(at.folder)
    this.after = await refsOf(repo)
    await repo.close()
    this.output = hashOf(join(at.folder, 'out'))
    this.stored = await listed(at.folder, this.store)
    await settle(at.repo)
    this.settled = await listed(at.folder, this.store)
  }

  place(name) {
    const folder = join(this.root, name)
    rmSync(folder, { recursive: true, force: true })
    copy(this.template, folder)
    const temporary = `${folder}.tmp`
    rmSync(temporary, { recursive: true, force: true })
    mkdirSync(temporary)
    const { fixtures, store } = this
    const source = (name) => join(fixtures.sources, name)
    return { folder, temporary, repo: join(folder, repoName(store)), fixtures, store, source }
  }

  #open(folder) {
    return openRepo(join(folder, repoName(this.store)))
  }

  /** Runs the operation in a process. @param after milliseconds after which it is killed */
  run(at, env, after, wordsOf = this.spec.words) {
    const words = wordsOf(at)
    const program = words[0] === 'child' ? [CHILD, ...words.slice(1)] : [PROGRAM, ...words]
    const child = spawn(process.execPath, ['--require', DIE, ...program], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: at.temporary, ...env },
    })
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text))
    const timer = after === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), after)
    return new Promise((resolve) =>
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        resolve({ code, signal, printed })
      }),
    )
  }

  /**
   * Kills a run, and checks what it left and its repetition.
   * @param moment `{ after: MILLISECONDS }`, or `{ thread, before: NUMBER OF THE CALL }`
   * @param witness also let `ostree fsck` verify what is left
   * @returns whether the run was killed before its end, the faults, and the folder
   */
  async trial(name, moment, witness) {
    const at = this.place(name)
    const env = moment.thread ? { KILL_THREAD: moment.thread, KILL_BEFORE: `${moment.before}` } : {}
    const { code, signal, printed } = await this.run(at, env, moment.after)
    const faults = []
    const fail = (stage, lines) => faults.push(...lines.map((line) => `${stage}: ${line}`))
    if (signal === null && code !== 0) fail('it failed by itself', [printed])
    try {
      fail('killed', await this.#checkKilled(at, witness))
      this.spec.again?.({ ...at })
      let again = await this.run(at, {})
      if (again.code !== 0 && this.spec.instead?.test(again.printed)) {
        again = this.spec.rest === undefined ? { code: 0 } : await this.run(at, {}, undefined, this.spec.rest)
      }
      if (again.code !== 0) fail('repeated', [again.printed])
      else fail('repeated', await this.#checkRepeated(at))
    } catch (error) {
      fail('error', [error.stack])
    }
    const left = readdirSync(at.temporary)
    if (left.length > 0) fail('temporary files', left)
    if (faults.length === 0) {
      rmSync(at.folder, { recursive: true, force: true })
      rmSync(at.temporary, { recursive: true, force: true })
    }
    return { killed: signal === 'SIGKILL', faults, folder: at.folder }
  }

  async #checkKilled(at, witness) {
    const faults = []
    const repo = await openRepo(at.repo)
    faults.push(...(await faultsOf(repo, true)))
    const refs = await refsOf(repo)
    for (const ref of new Set([...this.before.keys(), ...this.after.keys(), ...refs.keys()])) {
      const now = refs.get(ref)
      if (now !== this.before.get(ref) && now !== this.after.get(ref)) faults.push(`${ref} is ${now}`)
    }
    await repo.close()
    const output = join(at.folder, 'out')
    if (this.kind === 'encapsulate') faults.push(...layoutFaults(output))
    if (this.spec.whole) {
      const hash = hashOf(output)
      if (hash !== this.outputBefore && hash !== this.output) faults.push('the directory is neither old nor new')
    }
    if (witness && this.store !== 'sqlite') {
      const { status, stdout, stderr } = spawnSync('ostree', ['fsck', `--repo=${at.repo}`], { encoding: 'utf8' })
      if (status !== 0 && !/partial/.test(stdout + stderr)) faults.push(`ostree fsck: ${stdout}${stderr}`)
    }
    return faults
  }

  async #checkRepeated(at) {
    const repo = await openRepo(at.repo)
    const faults = await faultsOf(repo, false)
    faults.push(...differences(this.after, await refsOf(repo)))
    await repo.close()
    if (existsSync(join(at.folder, 'out')) && hashOf(join(at.folder, 'out')) !== this.output) {
      faults.push('the output differs from that of a run that is not killed')
    }
    const stored = await listed(at.folder, this.store)
    for (const [name] of this.stored) if (!stored.has(name)) faults.push(`missing: ${name}`)
    await settle(at.repo)
    faults.push(...differences(this.settled, await listed(at.folder, this.store)))
    return faults
  }
}

function readCounts(file) {
  const counts = {}
  let first = Number.POSITIVE_INFINITY
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const [thread, calls, start] = line.split(' ')
    counts[thread] = Math.max(counts[thread] ?? 0, Number(calls))
    if (thread === 'main' && calls !== '0') first = Number(start)
  }
  return { counts, first: Number.isFinite(first) ? first : 0 }
}
