/** Random repositories in memory, in an SQLite file and in a directory: fsck and prune have the same results in all. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OstreeError } from '../../../src/errors.ts'
import { formatObjectName } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  createMemoryStorage,
  type FsckOptions,
  fsck,
  type PruneOptions,
  prune,
  Repo,
  type RepoMode,
} from '../../../src/repo/index.ts'
import { formatFsckEvent } from '../../../src/repo/internal.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { anyRepo, buildRepo, type RepoPlan } from '../../support/random-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

function openMemory(mode: RepoMode): Promise<Repo> {
  return Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
}

/** Runs fsck. Events are sorted, because each store lists commits in its own order. */
async function fsckResult(repo: Repo, options: FsckOptions): Promise<unknown> {
  const events: string[] = []
  try {
    const result = await fsck(repo, {
      ...options,
      onEvent: (event) => {
        events.push(formatFsckEvent(event))
      },
    })
    return { result, events: events.sort() }
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return error.code
  }
}

async function pruneResult(repo: Repo, options: PruneOptions): Promise<unknown> {
  try {
    const { total, unreachable, kept } = await prune(repo, options)
    const names = Array.from(unreachable, formatObjectName).sort()
    return { total, names, kept: kept.map(({ commit }) => commit).sort() }
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    // The message names the first missing object, which depends on the order in the store.
    return error.code
  }
}

async function leftIn(repo: Repo): Promise<unknown> {
  const objects: string[] = []
  const states: string[] = []
  for await (const name of repo.objects.list()) {
    objects.push(formatObjectName(name))
    if (name.type === 'commit') states.push(`${name.checksum} ${await repo.commitState(name.checksum)}`)
  }
  return { objects: objects.sort(), states: states.sort(), config: repo.config.toString() }
}

interface Work {
  readonly plan: RepoPlan
  /** Indices of objects that are deleted before, in the sorted list of objects. */
  readonly lost: readonly number[]
  readonly fsck: FsckOptions
  readonly prune: PruneOptions
}

async function journey(repo: Repo, work: Work): Promise<unknown[]> {
  await buildRepo(repo, work.plan)
  const names = []
  for await (const name of repo.objects.list()) {
    if (name.type !== 'commitmeta' && name.type !== 'tombstone-commit') names.push(name)
  }
  names.sort((a, b) => (formatObjectName(a) < formatObjectName(b) ? -1 : 1))
  for (const index of new Set(work.lost.map((at) => at % Math.max(1, names.length)))) {
    const name = names[index]
    if (name !== undefined) await repo.objects.delete(name)
  }
  const steps = [await fsckResult(repo, work.fsck), await leftIn(repo)]
  steps.push(await pruneResult(repo, { ...work.prune, dryRun: true }), await leftIn(repo))
  steps.push(await pruneResult(repo, work.prune), await leftIn(repo), await fsckResult(repo, {}))
  await repo.close()
  return steps
}

test('fsck and prune have the same results in memory, in an SQLite file and in a directory', async () => {
  const flag = fc.boolean()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<RepoMode>('archive', 'bare-user', 'bare-user-only'),
      fc.record({
        plan: anyRepo,
        lost: fc.array(fc.nat(), { maxLength: 2 }),
        fsck: fc.record({ all: flag, delete: flag, verifyBindings: flag, verifyBackRefs: flag, addTombstones: flag }),
        prune: fc.record({
          refsOnly: flag,
          commitOnly: flag,
          depth: fc.integer({ min: -1, max: 2 }),
          keepYoungerThan: fc.constantFrom(undefined, undefined, 2500n),
        }),
      }),
      async (mode, work) => {
        const here = join(root, String(count++))
        mkdirSync(here)
        const inMemory = await journey(await openMemory(mode), work)
        expect(await journey(await createRepo(join(here, 'repo.sqlite'), { mode }), work)).toEqual(inMemory)
        expect(await journey(await createRepo(join(here, 'repo'), { mode }), work)).toEqual(inMemory)
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 25) },
  )
})
