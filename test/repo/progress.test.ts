/** Long operations report what they do, and stop when they are told to. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Progress, ProgressOptions } from '../../src/progress.ts'
import {
  checkout,
  commitFiles,
  createMemoryTarget,
  exportTar,
  fsck,
  generateDelta,
  type Repo,
} from '../../src/repo/index.ts'
import { createRepo, createUsb } from '../../src/repo/local.ts'
import { collect } from '../container/tar-kit.ts'
import { temporaryFolder } from '../support/temporary.ts'

let repo: Repo
let medium: string

beforeAll(async () => {
  const folder = temporaryFolder('disk')
  repo = await createRepo(join(folder, 'repo'), { mode: 'archive', collectionId: 'org.example.Os' })
  const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`usr/${i % 4}/${i}`, `file ${i}`]))
  await commitFiles(repo, files, { branch: 'main', timestamp: 1n })
  medium = join(folder, 'medium')
  mkdirSync(medium)
})

const operations: [string, (options: ProgressOptions) => Promise<unknown>, Partial<Progress>][] = [
  [
    'checkout',
    async (options) => checkout(repo, await repo.resolve('main'), createMemoryTarget(), options),
    { kind: 'entries', done: 45 },
  ],
  ['fsck', (options) => fsck(repo, options), { kind: 'step', label: 'fsck', done: 48, total: 48 }],
  ['exportTar', (options) => collect(exportTar(repo, 'main', options)), { kind: 'entries', done: 46 }],
  [
    'generateDelta',
    async (options) => {
      const to = await repo.resolve('main')
      const delta = generateDelta(repo, { from: undefined, to, timestamp: 0n, ...options })
      for await (const _ of delta as AsyncIterable<unknown>);
    },
    { kind: 'step', label: 'delta', done: 47, total: 47 },
  ],
  [
    'createUsb',
    (options) => createUsb(repo, medium, [{ collection: 'org.example.Os', name: 'main' }], options),
    { kind: 'objects' },
  ],
]

describe.each(operations)('%s', (_, run, last) => {
  test('stops when the signal is aborted', async () => {
    const reason = new Error('enough')
    await expect(run({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('reports its progress, to the end', async () => {
    const events: Progress[] = []
    await run({ onProgress: (event) => events.push(event) })
    expect(events.at(-1)).toMatchObject(last)
  })
})
