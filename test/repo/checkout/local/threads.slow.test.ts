/** Checkouts in which threads create files: the files are the same as without threads, and all files are closed. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { type Checksum, encodeUtf8 } from '../../../../src/bytes.ts'
import { OstreeError } from '../../../../src/errors.ts'
import { S_IFDIR, S_IFREG } from '../../../../src/objects/index.ts'
import {
  type CheckoutOptions,
  type CheckoutResult,
  checkout,
  commitRoot,
  lookupPath,
  type Repo,
  type RepoMode,
} from '../../../../src/repo/index.ts'
import { createLocalTarget, createRepo, openRepo } from '../../../../src/repo/local.ts'
import type { Threads } from '../../../../src/repo/stores/fs/index.ts'
import { failingThreadProgram, threadProgram } from '../../../support/bundle.ts'
import { commitTree } from '../../../support/commits.ts'
import { describeDisk } from '../../../support/disk.ts'
import { isRoot } from '../../../support/machine.ts'
import { link, type MemoryNode } from '../../../support/memory-directory.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { storeModule } from '../../stores/fs/store-child.ts'

const root = temporaryFolder()
const threads: Threads = { count: 2, program: threadProgram('checkout-worker'), after: 1 }
const modes: RepoMode[] = ['archive', 'bare-user-only', 'bare-user', ...(isRoot ? (['bare'] as const) : [])]
let made = 0
const place = () => join(root, `${made++}`)

/** Makes a tree of 1800 files, which are enough for the threads to start and to create some of them. */
function tree(mode: RepoMode): Record<string, MemoryNode> {
  const nodes: Record<string, MemoryNode> = {}
  // Owners and xattrs that the mode keeps and that this process may set.
  const rich = mode !== 'bare-user-only' && isRoot
  for (let d = 0; d < 60; d++) {
    const directory = `d${d % 6}/e${d}`
    nodes[directory] = { mode: S_IFDIR | (d % 5 === 0 ? 0o555 : 0o755) }
    for (let f = 0; f < 30; f++) {
      const path = `${directory}/f${f}`
      const n = 30 * d + f
      if (f === 7) nodes[path] = link(`../target-${n}`)
      else if (f === 9) nodes[path] = { mode: S_IFREG | 0o644, content: '' }
      else if (n % 600 === 1) nodes[path] = { mode: S_IFREG | 0o755, content: 'long'.repeat(400_000) }
      else {
        const more =
          rich && f % 4 === 0 ? { uid: 12, gid: n, xattrs: [[encodeUtf8('user.n'), encodeUtf8(`${n}`)] as const] } : {}
        nodes[path] = { mode: S_IFREG | (f % 3 === 0 ? 0o755 : 0o640), content: `content of ${n}`, ...more }
      }
    }
  }
  return nodes
}

async function makeRepo(mode: RepoMode): Promise<{ repo: Repo; path: string; commit: Checksum }> {
  const path = place()
  const repo = await createRepo(path, { mode })
  return { repo, path, commit: await commitTree(repo, tree(mode)) }
}

const made1 = new Map<RepoMode, ReturnType<typeof makeRepo>>()
function repoOf(mode: RepoMode): ReturnType<typeof makeRepo> {
  const repo = made1.get(mode) ?? makeRepo(mode)
  made1.set(mode, repo)
  return repo
}

const descriptors = () => readdirSync('/proc/self/fd').length

/** Waits until at most `count` files are open. A thread that is still starting ends when it has started. */
async function expectDescriptors(count: number): Promise<void> {
  await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(count), { timeout: 10_000 })
}

const HOW: [string, CheckoutOptions][] = [
  ['copies for a user', { mode: 'user', forceCopy: true }],
  ['copies as committed', { mode: 'none', forceCopy: true }],
  ['copies that are synced', { mode: 'user', forceCopy: true, fsync: true }],
  ['links for a user', { mode: 'user' }],
  ['links as committed', { mode: 'none' }],
]

function out(repo: Repo, commit: Checksum, target: string, options: CheckoutOptions, how: Threads | null) {
  return checkout(repo, commit, createLocalTarget(target, { threads: how }), options)
}

describe.each(modes)('checkout with threads, from mode %s', (mode) => {
  test.each(HOW)('threads create the same files as one thread: %s', async (_, options) => {
    if (options.mode === 'none' && !isRoot) return
    const { repo, path, commit } = await repoOf(mode)
    const [one, many] = [place(), place()]
    const alone = await out(repo, commit, one, options, null)
    const open = descriptors()
    const together: CheckoutResult = await out(repo, commit, many, options, threads)
    await expectDescriptors(open)
    expect(together).toEqual(alone)
    const disk = describeDisk(many, path)
    expect(disk).toEqual(describeDisk(one, path))
    expect(disk.length).toBe(1 + 6 + 60 + 1800)
  })
})

/** Describes the error of a checkout. */
async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'nothing'
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return `${error.name} ${error.code}: ${error.message}`
  }
}

describe('threads of a checkout', () => {
  test.each(['copy', 'link'] as const)('a missing object gives the same error as with one thread: %s', async (how) => {
    const { repo, path, commit } = await makeRepo('bare-user-only')
    // No other file has the content of this one.
    const entry = await lookupPath(repo.objects, await commitRoot(repo.objects, commit), '/d3/e33/f11')
    if (entry.kind !== 'file') throw new Error('no file')
    rmSync(join(path, 'objects', entry.checksum.slice(0, 2), `${entry.checksum.slice(2)}.file`))
    const options: CheckoutOptions = { mode: 'user', forceCopy: how === 'copy' }
    const open = descriptors()
    const told = await failure(out(repo, commit, place(), options, threads))
    expect(told).toContain(entry.checksum)
    expect(told).toBe(await failure(out(repo, commit, place(), options, null)))
    await expectDescriptors(open)
  })

  test('all threads have ended when a checkout fails', async () => {
    const { repo, commit } = await repoOf('archive')
    const target = place()
    const open = descriptors()
    const options: CheckoutOptions = { mode: 'user', maxEntries: 1500 }
    expect(await failure(out(repo, commit, target, options, threads))).toContain('limit')
    const left = describeDisk(target).length
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(describeDisk(target)).toHaveLength(left)
    await expectDescriptors(open)
  })

  test.each([
    ['cannot be started', pathToFileURL(join(root, 'no-such-program.mjs'))],
    ['end at their first work', failingThreadProgram()],
  ])('all files are created if threads %s', async (_, program) => {
    const { repo, path, commit } = await repoOf('bare-user-only')
    for (const options of [{ forceCopy: true }, {}]) {
      const [one, many] = [place(), place()]
      await out(repo, commit, one, options, null)
      await out(repo, commit, many, options, { ...threads, program })
      expect(describeDisk(many, path)).toEqual(describeDisk(one, path))
    }
  })

  test('files in directories that existed before are the same as with one thread', async () => {
    const { repo, commit } = await repoOf('archive')
    const [one, many] = [place(), place()]
    for (const target of [one, many]) {
      mkdirSync(join(target, 'd2', 'e2'), { recursive: true })
      writeFileSync(join(target, 'd2', 'e2', 'f3'), 'was here first')
      chmodSync(join(target, 'd2', 'e2', 'f3'), 0o600)
      const options: CheckoutOptions = { mode: 'user', overwrite: 'add' }
      const { kept } = await out(repo, commit, target, options, target === one ? null : threads)
      expect(kept).toBe(1)
    }
    const disk = describeDisk(many)
    expect(disk).toEqual(describeDisk(one))
  })

  test('a checkout in a thread of the caller does not print warnings about closed files', async () => {
    const { path, commit } = await repoOf('bare-user-only')
    const [script, target] = [`${place()}.mjs`, place()]
    const source = `
      import { isMainThread, Worker } from 'node:worker_threads'
      import { checkout, createCheckoutTarget, openRepo } from ${JSON.stringify(storeModule())}
      if (isMainThread) new Worker(new URL(import.meta.url))
      else {
        const repo = await openRepo(${JSON.stringify(path)})
        await checkout(repo, '${commit}', createCheckoutTarget(${JSON.stringify(target)}), { forceCopy: true })
        await repo.close()
      }`
    writeFileSync(script, source)
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 60_000 })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(describeDisk(target)).toHaveLength(1867)
  })

  test('threads read objects of a parent repository', async () => {
    const { path, commit } = await repoOf('bare-user-only')
    const child = place()
    await (await createRepo(child, { mode: 'bare-user-only' })).close()
    writeFileSync(join(child, 'config'), `[core]\nrepo_version=1\nmode=bare-user-only\nparent=${path}\n`)
    const repo = await openRepo(child)
    for (const options of [{ forceCopy: true }, {}]) {
      const [one, many] = [place(), place()]
      const alone = await out(repo, commit, one, options, null)
      expect(await out(repo, commit, many, options, threads)).toEqual(alone)
      expect(describeDisk(many, path)).toEqual(describeDisk(one, path))
    }
    await repo.close()
  })
})

describeReference('ostree', 'checkout with threads and `ostree checkout`', () => {
  test.each(modes)('a checkout from mode %s has the same files', async (mode) => {
    const { repo, path, commit } = await repoOf(mode)
    for (const flag of ['-C', '-H']) {
      if (flag === '-H' && !mode.startsWith('bare-user')) continue
      const [theirs, ours] = [place(), place()]
      run('ostree', ['checkout', `--repo=${path}`, '-U', flag, commit, theirs])
      const options: CheckoutOptions = { mode: 'user', forceCopy: flag === '-C', requireHardlinks: flag === '-H' }
      await out(repo, commit, ours, options, threads)
      expect(describeDisk(ours, path)).toEqual(describeDisk(theirs, path))
    }
  })
})

test('threads are started after 8000 copies, and not for as many links, which take less time than a thread', async () => {
  const repo = await createRepo(place(), { mode: 'bare-user-only' })
  const nodes: Record<string, MemoryNode> = {}
  for (let n = 0; n < 8100; n++) nodes[`d${n % 10}/f${n}`] = { mode: S_IFREG | 0o644, content: `${n % 100}` }
  const commit = await commitTree(repo, nodes)
  const folder = place()
  mkdirSync(folder)
  const program = join(folder, 'program.mjs')
  const started = join(folder, 'started')
  writeFileSync(program, `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(started)}, '')\n`)
  const how = { count: 1, program: pathToFileURL(program) }

  const links = await out(repo, commit, place(), { mode: 'user' }, how)
  expect(links).toMatchObject({ linked: 8100, copied: 0 })
  expect(existsSync(started)).toBe(false)
  const copies = await out(repo, commit, place(), { mode: 'user', forceCopy: true }, how)
  expect(copies).toMatchObject({ linked: 0, copied: 8100 })
  await vi.waitFor(() => expect(existsSync(started)).toBe(true), { timeout: 10_000 })
  await repo.close()
})
