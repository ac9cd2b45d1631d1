/** Directories that replace others, in processes that are killed at any step. */
import { mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Destination } from '../../src/front/destination.ts'
import { loadLinkCalls } from '../../src/system/native-link.ts'
import { temporaryFolder } from '../support/temporary.ts'

const KILLED = 'killed'

const steps = vi.hoisted(() => {
  const state = { left: Number.POSITIVE_INFINITY, exchange: undefined as string | undefined }
  /** Makes a change fail after the first `left`, as if the process did not exist any more. */
  const change =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      if (state.left-- <= 0) throw new Error('killed')
      return work(...args)
    }
  return { state, change }
})

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const { renameSync, rmdirSync, unlinkSync, chmodSync } = fs
  const changed = { renameSync, rmdirSync, unlinkSync, chmodSync }
  return {
    ...fs,
    ...Object.fromEntries(Object.entries(changed).map(([name, work]) => [name, steps.change(work as () => void)])),
  }
})

vi.mock('../../src/system/temporary.ts', async (original) => {
  const { createTemporary } = await original<typeof import('../../src/system/temporary.ts')>()
  return { createTemporary: steps.change(createTemporary) }
})

vi.mock('../../src/system/native-link.ts', async (original) => {
  const native = await original<typeof import('../../src/system/native-link.ts')>()
  return {
    ...native,
    loadLinkCalls() {
      const calls = native.loadLinkCalls()
      if (steps.state.exchange === 'no library' || calls === undefined) return undefined
      const exchange = steps.change(
        (path: string, other: string) => steps.state.exchange ?? calls.exchange(path, other),
      )
      return { ...calls, exchange }
    },
  }
})

beforeEach(() => {
  Object.assign(steps.state, { left: Number.POSITIVE_INFINITY, exchange: undefined })
})

const FILES = ['a/1', 'a/b/2', '3']

function write(directory: string, text: string): void {
  for (const name of FILES) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

/** @returns which directory is there; fails unless it is complete */
function read(directory: string): string {
  const texts = FILES.map((name) => readFileSync(join(directory, name), 'utf8'))
  expect(new Set(texts).size).toBe(1)
  expect(readdirSync(directory, { recursive: true }).length).toBe(5)
  return texts[0] as string
}

/** Replaces a directory in a process that is killed after a number of steps. @returns what is there then */
async function replace(count: number): Promise<{ found: string; done: boolean; names: string[] }> {
  const parent = temporaryFolder()
  const target = join(parent, 'target')
  write(target, 'old')
  const into = await Destination.open(Destination.find(target, true))
  write(into.path, 'new')
  steps.state.left = count
  let failed: unknown
  const note = (error: unknown): void => {
    failed = error
  }
  await into.commit().catch(note)
  // A killed process does not remove anything: then this fails too.
  try {
    into.close()
  } catch (error) {
    note(error)
  }
  steps.state.left = Number.POSITIVE_INFINITY
  if (failed !== undefined) expect((failed as Error).message).toContain(KILLED)
  const names = readdirSync(parent)
  return { found: names.includes('target') ? read(target) : 'nothing', done: failed === undefined, names }
}

async function replaceAtEveryStep(): Promise<string[]> {
  const seen: string[] = []
  for (let count = 0; ; count++) {
    const { found, done, names } = await replace(count)
    seen.push(found)
    if (!done) continue
    expect(names).toEqual(['target'])
    return seen
  }
}

const canExchange = (() => {
  const folder = temporaryFolder()
  for (const name of ['one', 'two']) mkdirSync(join(folder, name))
  const calls = loadLinkCalls()
  return calls !== undefined && calls.exchange(join(folder, 'one'), join(folder, 'two')) === undefined
})()

test('names are exchanged on the file systems of Linux', () => {
  const TMPFS = 0x01021994
  const EXT4 = 0xef53
  if (![TMPFS, EXT4].includes(statfsSync(temporaryFolder()).type)) return
  expect(canExchange).toBe(loadLinkCalls() !== undefined)
})

test.skipIf(!canExchange)('a process that is killed at any step leaves the old directory or the new one', async () => {
  const seen = await replaceAtEveryStep()
  expect(seen.length).toBeGreaterThan(5)
  expect(seen.join(' ')).toMatch(/^(?:old )+(?:new ?)+$/)
})

describe.each(['no library', 'ENOSYS', 'EINVAL'])('without exchange: %s', (reason) => {
  test('only a process that is killed between the two renames leaves nothing', async () => {
    steps.state.exchange = reason
    const seen = await replaceAtEveryStep()
    expect(seen.join(' ')).toMatch(/^(?:old )+nothing (?:new ?)+$/)
  })
})
