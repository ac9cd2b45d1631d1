/** Static deltas that generateDelta makes and ostree applies. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { S_IFLNK, S_IFREG } from '../../../src/objects/index.ts'
import { collectReachable, type DeltaFile, generateDelta, type Repo, writeDelta } from '../../../src/repo/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { anyRepo, buildRepo } from '../../support/random-repo.ts'
import { describeReference } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

async function collect(repo: Repo, options: Parameters<typeof generateDelta>[1]) {
  const files: DeltaFile[] = []
  const generated = generateDelta(repo, options)
  for (;;) {
    const next = await generated.next()
    if (next.done) return { files, stats: next.value }
    files.push(next.value)
  }
}

describe('generateDelta', () => {
  const tree = {
    a: 'same',
    'd/large': 'x'.repeat(5000),
    'd/small': 'y',
    l: { mode: S_IFLNK | 0o777, content: 'a' },
    run: { mode: S_IFREG | 0o755, content: 'z' },
  }

  test('a delta has the objects that the source commit lacks, and the superblock is the last file', async () => {
    const repo = await memoryRepo()
    const from = await commitTree(repo, { a: 'same' })
    const to = await commitTree(repo, tree)
    const whole = await collect(repo, { from: undefined, to, timestamp: 0n })
    expect(whole.files.map(({ name }) => name)).toEqual(['0', 'superblock'])
    expect(whole.stats).toMatchObject({ metadata: 4, regular: 4, symlinks: 1, fallbacks: [] })
    expect(whole.stats.parts).toMatchObject([{ objects: 8 }])
    const rest = await collect(repo, { from, to, timestamp: 0n })
    expect(rest.stats).toMatchObject({ metadata: 3, regular: 3, symlinks: 1 })
    const nothing = await collect(repo, { from: to, to, timestamp: 0n })
    expect(nothing.stats.parts).toMatchObject([{ objects: 0, unpacked: 0 }])
  })

  test('parts have a limited size, and large files are not in a part', async () => {
    const repo = await memoryRepo()
    const to = await commitTree(repo, tree)
    const parted = await collect(repo, { from: undefined, to, timestamp: 0n, maxPartSize: 100 })
    expect(parted.stats.parts.reduce((sum, { objects }) => sum + objects, 0)).toBe(8)
    for (const { objects, unpacked } of parted.stats.parts) expect(objects === 1 || unpacked <= 100).toBe(true)
    const outside = await collect(repo, { from: undefined, to, timestamp: 0n, maxFileSize: 1000 })
    expect(outside.stats.fallbacks).toMatchObject([{ size: 5026 }])
    expect(outside.stats).toMatchObject({ regular: 4, parts: [{ objects: 7 }] })
  })
})

describeReference('ostree', 'generateDelta and `ostree static-delta apply-offline`', () => {
  async function expectWhole(repo: Repo, target: ReferenceRepo, commit: Checksum): Promise<void> {
    const there = readdirSync(join(target.path, 'objects'), { recursive: true, encoding: 'utf8' })
    for (const { checksum, type } of await collectReachable(repo, commit)) {
      expect(there).toContain(`${checksum.slice(0, 2)}/${checksum.slice(2)}.${type}`)
    }
    expect(target.attempt('fsck', '-q').stderr).toBe('')
  }

  test.each(['repository', 'inline', 'big-endian', 'small parts'])(
    'ostree applies the deltas of random histories: %s',
    async (kind) => {
      await fc.assert(
        fc.asyncProperty(anyRepo, async (plan) => {
          const here = join(root, String(count++))
          mkdirSync(here)
          const source = join(here, 'source')
          const repo = await createRepo(source, { mode: 'archive' })
          try {
            const sound = plan.commits.map((commit) => ({ ...commit, state: 'complete' as const }))
            const commits = await buildRepo(repo, { ...plan, commits: sound })
            const target = ReferenceRepo.create(join(here, 'target'), 'bare-user-only')
            let from: Checksum | undefined
            for (const to of new Set(commits)) {
              const options = {
                from,
                to,
                timestamp: 5n,
                inline: kind === 'inline',
                byteOrder: kind === 'big-endian' ? ('big' as const) : ('little' as const),
                // ostree cannot apply a part that has only an empty file.
                ...(kind === 'small parts' && { maxPartSize: 200 }),
              }
              let superblock: string
              if (kind === 'repository') {
                await writeDelta(repo, options)
                const head = readdirSync(join(source, 'deltas')).at(-1) as string
                superblock = join(source, 'deltas', head, readdirSync(join(source, 'deltas', head))[0] as string)
              } else {
                superblock = join(here, 'delta')
                mkdirSync(superblock)
                for (const { name, bytes } of (await collect(repo, options)).files) {
                  writeFileSync(join(superblock, name), bytes)
                }
              }
              const { stderr } = target.attempt('static-delta', 'apply-offline', superblock)
              if (!(kind === 'small parts' && stderr.includes("assertion 'buf'"))) {
                expect(stderr).toBe('')
                await expectWhole(repo, target, to)
                from = to
              }
              rmSync(kind === 'repository' ? join(source, 'deltas') : superblock, { recursive: true })
            }
          } finally {
            await repo.close()
            rmSync(here, { recursive: true })
          }
        }),
        { numRuns: Number(process.env['RUNS'] ?? 5) },
      )
    },
  )
})
