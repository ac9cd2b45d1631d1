/** fsck and prune with threads: results and their order are the same as with one thread. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../../src/bytes.ts'
import { OstreeError } from '../../../../src/errors.ts'
import { formatObjectName, ObjectList, type ObjectName } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import type { Progress } from '../../../../src/progress.ts'
import { type FsckOptions, fsck, type ObjectStore, prune, Repo, type RepoMode } from '../../../../src/repo/index.ts'
import { formatFsckEvent } from '../../../../src/repo/internal.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { failingThreadProgram, threadProgram } from '../../../support/bundle.ts'
import { linkTo, regular, type TreeFile, writeFlatCommit } from '../../../support/flat-commits.ts'
import { isRoot } from '../../../support/machine.ts'
import { hasReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { startStoreScript } from './store-child.ts'

const platform = nodePlatform
const root = temporaryFolder()
const program = threadProgram('object-worker')
const objectThreads = { count: 2, program, after: 1 }
/** For these options a list is always too short for threads. */
const tooMany = { count: 2, program: pathToFileURL(join(root, 'never-started.mjs')), after: 1_000_000 }
const missingProgram = pathToFileURL(join(root, 'no-such-program.mjs'))
const modes: RepoMode[] = ['archive', 'bare-user-only', 'bare-user', ...(isRoot ? (['bare'] as const) : [])]
let made = 0

const opened: Repo[] = []
afterAll(() => Promise.all(opened.map((repo) => repo.close())))

async function openWith(path: string, threads: Parameters<typeof openFsStorage>[1]['objectThreads']): Promise<Repo> {
  const repo = await Repo.open(await openFsStorage(path, { platform, objectThreads: threads }), platform)
  opened.push(repo)
  return repo
}

function files(from: number, to: number): TreeFile[] {
  const xattrs = [[encodeUtf8('user.x'), encodeUtf8('value')]] as const
  return Array.from({ length: to - from }, (_, n): TreeFile => {
    const i = from + n
    const name = `f${i.toString().padStart(5, '0')}`
    if (i % 40 === 7) return { name, header: linkTo(`target-${i}`), body: new Uint8Array(0) }
    // This file is read as a stream, so its task takes several turns.
    if (i % 700 === 3) return { name, header: regular(0o644), body: new Uint8Array(1_200_000).fill(i) }
    const more = i % 7 === 0 ? { uid: 1000, gid: i, xattrs } : {}
    return { name, header: regular(0o644, more), body: encodeUtf8(`content of ${i}`) }
  })
}

/** Makes a repository with two branches whose files are all different. */
async function makeRepo(mode: RepoMode): Promise<string> {
  const path = join(root, `repo-${made++}`)
  const storage = await initFsStorage(path, { mode, platform, writers: null, objectThreads: null })
  const all = (from: number, to: number) =>
    mode === 'bare-user-only'
      ? files(from, to).map(({ header, ...rest }) => ({ ...rest, header: { ...header, uid: 0, gid: 0, xattrs: [] } }))
      : files(from, to)
  const tx = await storage.begin({ fsync: false })
  await writeFlatCommit(tx, all(0, 2000), 'main')
  await writeFlatCommit(tx, all(2000, 3500), 'other', 'other')
  await tx.commit()
  await storage[Symbol.asyncDispose]()
  return path
}

function contentFiles(path: string): string[] {
  const names = readdirSync(`${path}/objects`, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /\.filez?$/.test(name)).sort()
}

/** Changes every 50th file, and deletes every 70th. */
function damage(path: string): void {
  for (const [index, name] of contentFiles(path).entries()) {
    const file = `${path}/objects/${name}`
    if (index % 50 === 9) {
      rmSync(file)
      writeFileSync(file, 'something else')
    }
    if (index % 70 === 11) rmSync(file)
  }
}

/** Runs fsck. @returns its events and its result or error */
async function toldBy(repo: Repo, options: FsckOptions): Promise<string[]> {
  const told: string[] = []
  try {
    const result = await fsck(repo, {
      ...options,
      onEvent: (event) => told.push(formatFsckEvent(event)),
      onProgress: (event) =>
        told.push(event.kind === 'step' ? `fsck objects (${event.done}/${event.total})` : event.kind),
    })
    told.push(JSON.stringify(result))
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    told.push(`${error.code}: ${error.message}`)
  }
  return told
}

async function listed({ storage }: Repo): Promise<string[]> {
  const names: string[] = []
  for await (const name of storage.objects.list()) names.push(formatObjectName(name))
  return names.sort()
}

describe.each(modes)('fsck and prune with threads, mode %s', (mode) => {
  test('fsck finds no errors in a valid repository, and reports the progress of every object', async () => {
    const path = await makeRepo(mode)
    const told = await toldBy(await openWith(path, objectThreads), {})
    expect(told).toEqual(await toldBy(await openWith(path, null), {}))
    expect(told.filter((line) => line.startsWith('fsck objects')).length).toBeGreaterThan(3400)
    expect(told.at(-1)).toContain('"damaged":0')
  })

  test.each([{}, { all: true }, { delete: true }])(
    'fsck reports damaged objects in the same order as with one thread: %o',
    async (options) => {
      const [path, single] = [await makeRepo(mode), await makeRepo(mode)]
      for (const each of [path, single]) damage(each)
      const repo = await openWith(path, objectThreads)
      const alone = await openWith(single, null)
      const strip = (lines: string[], place: string) => lines.map((line) => line.replaceAll(place, 'REPO'))
      const told = strip(await toldBy(repo, options), path)
      expect(told).toEqual(strip(await toldBy(alone, options), single))
      expect(told.length).toBeGreaterThan(10)
      expect(await listed(repo)).toEqual(await listed(alone))
    },
  )

  test('prune deletes the same objects and counts the same bytes as with one thread', async () => {
    const results: unknown[] = []
    const left: string[][] = []
    for (const threads of [objectThreads, tooMany, null]) {
      const path = await makeRepo(mode)
      const repo = await openWith(path, threads)
      await repo.refs.write('heads/other', undefined)
      const planned = await prune(repo, { refsOnly: true, dryRun: true })
      const steps: number[] = []
      const onProgress = (event: Progress) => steps.push(event.kind === 'step' ? event.done : -1)
      const result = await prune(repo, { refsOnly: true, onProgress })
      expect(planned.bytes).toBe(result.bytes)
      expect(steps).toEqual(Array.from(result.unreachable, (_, index) => index + 1))
      results.push({ ...result, unreachable: [...result.unreachable].map(formatObjectName).sort() })
      left.push(await listed(repo))
      if (hasReference('ostree')) expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
    }
    expect(results).toEqual([results[0], results[0], results[0]])
    expect(left).toEqual([left[0], left[0], left[0]])
    expect(left[0]?.length).toBeGreaterThan(1900)
  })
})

describe('threads of fsck and prune', () => {
  test.each([
    ['cannot be started', missingProgram],
    ['end at their first work', failingThreadProgram()],
  ])('all objects are verified if threads %s', async (_, other) => {
    const [path, single] = [await makeRepo('archive'), await makeRepo('archive')]
    for (const each of [path, single]) damage(each)
    const told = await toldBy(await openWith(path, { ...objectThreads, program: other }), { all: true })
    expect(told).toEqual(await toldBy(await openWith(single, null), { all: true }))
    expect(told.filter((line) => line.startsWith('Object missing'))).toHaveLength(50)
  })

  test('threads do all the work that a list gives them, and a thread that ends leaves its work', async () => {
    const { objects } = (await openWith(await makeRepo('archive'), objectThreads)).storage
    const names: ObjectName[] = []
    for await (const name of objects.list('file')) names.push(name)

    const left = await leftBy(objects, names)
    expect(left).toBe(0)
    const broken = await openWith(await makeRepo('archive'), { ...objectThreads, program: failingThreadProgram() })
    expect(await leftBy(broken.storage.objects, repeated(names, 20))).toBeGreaterThan(0)
  })

  test('threads do not delete objects after an abort', async () => {
    const repo = await openWith(await makeRepo('archive'), objectThreads)
    await repo.refs.write('heads/other', undefined)
    const abort = new AbortController()
    const onProgress = (event: Progress) => {
      if (event.kind === 'step' && event.done === 700) abort.abort()
    }
    await expect(prune(repo, { refsOnly: true, signal: abort.signal, onProgress })).rejects.toThrow('abort')
    const after = await listed(repo)
    // The lock is released, so no thread may still delete objects.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await listed(repo)).toEqual(after)
    const { damaged } = await fsck(repo)
    expect(damaged).toBe(0)
    expect((await prune(repo, { refsOnly: true })).unreachable.length).toBeLessThan(1502)
  })

  test('a process that ends while its threads are loading has its own exit status', async () => {
    const data = { root, settings: { mode: 'bare', zlibLevel: 6, disableXattrs: false }, task: 'verify' }
    const url = JSON.stringify(program.href)
    for (let round = 0; round < 14; round++) {
      // The process ends when the thread begins to load, and up to 13 ms later.
      const child = startStoreScript(`
        const { SharedArrayBuffer: Shared } = globalThis
        let gate
        globalThis.SharedArrayBuffer = class extends Shared {
          constructor(size) {
            super(size)
            gate = new Int32Array(this)
          }
        }
        new store.Thread(new URL(${url}), ${JSON.stringify(data)}, () => {}, (error) => say(String(error)))
        while (gate[0] === 0) await new Promise((resolve) => setImmediate(resolve))
        const from = performance.now()
        while (performance.now() - from < ${round});
        process.exit(7)
      `)
      const { code, signal, output } = await child.ended
      expect({ code, signal, output }).toEqual({ code: 7, signal: null, output: '' })
    }
  })
})

describe('lists that are too short for threads', () => {
  test('a list of 2000 objects is not verified ahead, and one of 100 objects or more is deleted in this thread', async () => {
    const repo = await openWith(await makeRepo('archive'), tooMany)
    const { objects } = repo.storage
    const names: ObjectName[] = []
    for await (const name of objects.list('file')) names.push(name)
    const first = (count: number) => ObjectList.from(names.slice(0, count))
    expect(objects.fast?.workAhead('verify', first(2000))).toBeUndefined()
    expect(objects.fast?.workAhead('delete', first(99))).toBeUndefined()
    const gone = first(1000)
    expect(names[0] && objects.has(names[0])).toBe(true)
    // The threads report an object that does not exist as `left`, and the caller handles it.
    await objects.delete(names[500] as ObjectName)
    const left: number[] = []
    for await (const batch of objects.fast?.workAhead('delete', gone) ?? []) left.push(...batch.left)
    expect(left).toEqual([500])
    const there = await Promise.all(names.map((name) => objects.has(name)))
    expect(there.indexOf(true)).toBe(1000)
    expect(there.slice(1000)).not.toContain(false)
  })
})

function repeated(names: readonly ObjectName[], times: number): ObjectName[] {
  return Array.from({ length: times }, () => names).flat()
}

async function leftBy(objects: ObjectStore, names: readonly ObjectName[]): Promise<number> {
  let left = 0
  let next = 0
  for await (const batch of objects.fast?.workAhead('verify', ObjectList.from(names)) ?? []) {
    expect(batch.from).toBe(next)
    next = batch.to
    left += batch.left.size
  }
  expect(next).toBe(names.length)
  return left
}
