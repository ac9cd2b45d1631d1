/** What writing images, and tar streams of commits, reports and how it stops. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encapsulate, exportCommit, exportImage, importOstreeTar, pullImage } from '../../../src/container/index.ts'
import { nodeFiles } from '../../../src/node.ts'
import type { Progress, ProgressOptions } from '../../../src/progress.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { collect, memoryRepo, once } from '../tar-kit.ts'
import { CHUNKED, FIXTURE_TAR, fixtureRepo, GOLDEN, HOST } from './kit.ts'

/** Runs an operation and returns its events; and checks that it stops at the first of them when that aborts. */
async function events(run: (options: ProgressOptions) => Promise<unknown>): Promise<Progress[]> {
  const seen: Progress[] = []
  await run({ onProgress: (event) => seen.push(event) })
  const controller = new AbortController()
  const abort = () => controller.abort(new Error('enough'))
  await expect(run({ onProgress: abort, signal: controller.signal })).rejects.toThrow('enough')
  return seen
}

test('encapsulate and exportImage report layers and bytes', async () => {
  const repo = await fixtureRepo()
  const folder = temporaryFolder()
  const plain = { ...CHUNKED, host: HOST, files: nodeFiles, exactCompression: false }
  let made = 0
  const written = await events((options) =>
    encapsulate(repo, GOLDEN.commit, {}, { ...plain, ...options }, `oci-archive:${join(folder, `${made++}.tar`)}`),
  )
  const steps = written.filter((event) => event.kind === 'step')
  expect(steps.at(-1)).toEqual({ kind: 'step', label: 'layers', done: steps.length, total: steps.length })
  const bytes = written.flatMap((event) => (event.kind === 'written' ? [event.bytes] : []))
  expect(bytes.length).toBeGreaterThan(1)
  expect(bytes).toEqual([...bytes].sort((a, b) => a - b))

  const stored = await memoryRepo()
  const image = `oci-archive:${join(folder, '0.tar')}`
  await pullImage(stored, `ostree-unverified-image:${image}`, { host: HOST, files: nodeFiles })
  const exported = await events((options) =>
    exportImage(stored, image, `oci-archive:${join(folder, `${made++}.tar`)}`, { ...plain, ...options }),
  )
  expect(new Set(exported.map(({ kind }) => kind))).toEqual(new Set(['written', 'step']))
})

test('importOstreeTar reports objects, and both stop when they are aborted', async () => {
  const seen = await events(async (options) => importOstreeTar(await memoryRepo(), once(FIXTURE_TAR), options))
  expect(seen.at(-1)).toMatchObject({ kind: 'objects', reused: 0 })
  const repo = await fixtureRepo()
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(collect(exportCommit(repo, GOLDEN.commit, { signal }))).rejects.toThrow('enough')
})
