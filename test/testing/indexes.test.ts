/** Generated indexes, artifacts and deltas are what they say, to the code that reads them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openRepository } from '../../src/container/distribution/index.ts'
import type { Digest } from '../../src/container/index.ts'
import { NotFoundError } from '../../src/errors.ts'
import { nodePlatform as platform } from '../../src/platform/node.ts'
import { createMemoryStorage, pullLocal, Repo } from '../../src/repo/index.ts'
import {
  anyDelta,
  anyHost,
  anyIndex,
  applyPackedDelta,
  compareTrees,
  type IndexEntry,
  loadTree,
  MemoryRegistry,
  packDelta,
  packIndex,
  storeDeltaCommits,
} from '../../src/testing/index.ts'

/** The digests of the entries that an image may be chosen from for a host, by their rank: own variant, then weaker ones. */
function bestEntries(
  entries: readonly IndexEntry[],
  host: { architecture: string; os: string; variant?: string },
  docker: boolean,
) {
  const arm = ['v8', 'v7', 'v6', 'v5']
  const rank = ({ kind, platform: has }: IndexEntry): number => {
    if (kind === 'attestation') return Infinity
    if (has === undefined) return docker ? Infinity : 100
    if (has.architecture !== host.architecture || has.os !== host.os) return Infinity
    if (has.variant === host.variant) return 0
    if (has.variant === undefined) return 50
    if (host.architecture === 'arm64') return host.variant === undefined ? 1 : Infinity
    if (host.architecture !== 'arm') return Infinity
    const [own, other] = [arm.indexOf(host.variant ?? ''), arm.indexOf(has.variant)]
    return other > own ? 1 + other : Infinity
  }
  const ranks = entries.map(rank)
  const best = Math.min(...ranks)
  return best === Infinity ? undefined : ranks.indexOf(best)
}

test('the image of an index for a host is the first of those with the best variant, and never an attestation', async () => {
  await fc.assert(
    fc.asyncProperty(anyIndex(), anyHost, async (sample, host) => {
      const packed = await packIndex(platform, sample)
      const registry = new MemoryRegistry(platform)
      registry.putIndex('example/app', packed, 'latest')
      await using repository = openRepository('localhost/example/app', { platform, network: registry.network })
      const chosen = bestEntries(sample.entries, host, sample.docker)
      const found = repository.image('latest', host)
      if (chosen === undefined) await expect(found).rejects.toBeInstanceOf(NotFoundError)
      else expect((await found).digest).toBe(packed.entries[chosen]?.digest)
    }),
    { numRuns: 100 },
  )
})

test('the referrers of every document are listed, all of them and by type', async () => {
  await fc.assert(
    fc.asyncProperty(anyIndex({ maxArtifacts: 5 }), fc.boolean(), async (sample, api) => {
      const { index, entries, artifacts } = await packIndex(platform, sample)
      const registry = new MemoryRegistry(platform)
      registry.referrers = api
      await using repository = openRepository('localhost/example/app', { platform, network: registry.network })
      for (const { bytes, mediaType } of [...entries, index, ...artifacts])
        await repository.pushManifest(bytes, mediaType)
      for (const [subject, { digest }] of [...entries.entries(), ['index', index] as const]) {
        const own = sample.artifacts.flatMap((artifact, i) => (artifact.subject === subject ? [{ artifact, i }] : []))
        const digests = (list: typeof own) => [...new Set(list.map(({ i }) => artifacts[i]?.digest))].sort()
        const listed = async (type?: string) =>
          (await repository.referrers(digest as Digest, type)).map((entry) => entry.digest).sort()
        expect(await listed()).toEqual(digests(own))
        for (const type of ['text/plain', 'application/spdx+json'])
          expect(await listed(type)).toEqual(digests(own.filter(({ artifact }) => artifact.artifactType === type)))
      }
    }),
    { numRuns: 40 },
  )
})

test('a delta that is applied to the first commit gives the second', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(anyDelta(), async (sample) => {
      await using source = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
      const commits = await storeDeltaCommits(source, sample)
      const packed = await packDelta(source, commits, sample)
      const { bsdiffs, rollsums, parts } = packed.stats
      if (bsdiffs > 0) seen.add('patches')
      if (rollsums.length > 0) seen.add('ranges')
      if (parts.length > 1) seen.add('parts')
      if (sample.options.inline) expect([...packed.files.keys()]).toEqual(['superblock'])
      await using target = await Repo.open(createMemoryStorage({ mode: 'bare', platform }), platform)
      if (commits.from !== undefined) await pullLocal(source, target, { refs: [commits.from] })
      await applyPackedDelta(target, packed)
      const { rootTree: tree, rootMeta: meta } = await target.readCommit(commits.to)
      expect(compareTrees(sample.to, await loadTree(target.objects, { tree, meta }))).toEqual([])
    }),
    { numRuns: 40 },
  )
  expect([...seen].sort()).toEqual(['parts', 'patches', 'ranges'])
})

test('indexes and deltas print as lists', () => {
  const indexes = fc.stringify(fc.sample(anyIndex(), { numRuns: 40, seed: 1 }))
  expect(indexes).toMatch(/^\d: image for linux\/arm\/v7$/m)
  expect(indexes).toMatch(/^\d: attestation for unknown\/unknown, about \d$/m)
  expect(indexes).toMatch(/^text\/plain \(config\) of \S+: "x"/m)
  const deltas = fc.stringify(fc.sample(anyDelta(), { numRuns: 20, seed: 1 }))
  expect(deltas).toMatch(/^little endian, at 0 s, parts of \d+ bytes/m)
  expect(deltas).toMatch(/^from d 0\d{3} \d+:\d+ \./m)
})
