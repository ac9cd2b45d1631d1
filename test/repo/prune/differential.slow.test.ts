/** Random repositories pruned by `ostree prune` and by `ostree-ts prune`, with all options. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { addFolders, anyRepo, buildRepo } from '../../support/random-repo.ts'
import { describeReference } from '../../support/reference.ts'
import { runBoth } from '../../support/repo-copies.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

const REFS = ['main', 'x/a', 'x/c', 'origin:main', 'gone:x/a', 'x', 'nope', 'org.example.Else:main']
const ref = fc.constantFrom(...REFS)

/** Generates options of prune. `@N` stands for the checksum of commit N. */
const anyOptions: fc.Arbitrary<string[]> = fc
  .tuple(
    fc.subarray(['--no-prune', '--refs-only', '--commit-only', '--static-deltas-only'], { maxLength: 3 }),
    fc.option(fc.integer({ min: -2, max: 3 }).map((n) => `--depth=${n}`)),
    fc.option(fc.nat(9).map((n) => `--delete-commit=@${n}`)),
    fc.option(
      fc.constantFrom('@0', '@1000', '@2500', '@4000', '@9999', 'nonsense').map((d) => `--keep-younger-than=${d}`),
    ),
    fc.array(
      fc
        .tuple(ref, fc.constantFrom('0', '1', '-1', '2', ' 1', '1x', 'x', ''))
        .map(([r, d]) => `--retain-branch-depth=${r}=${d}`),
      { maxLength: 2 },
    ),
    fc.array(
      ref.map((r) => `--only-branch=${r}`),
      { maxLength: 2 },
    ),
  )
  .map(([flags, depth, commit, date, retain, only]) =>
    [...flags, depth, commit, date, ...retain, ...only].filter((text) => text !== null),
  )
  // Most runs have few options, because a run with many ends with an error.
  .chain((all) => fc.subarray(all, { maxLength: Math.min(3, all.length) }))

const option = (text: string, commits: readonly Checksum[]) =>
  text.replace(/^(--delete-commit=)@(\d)$/, (_, name, index) => name + (commits[index] ?? 'cd'.repeat(32)))

describeReference('ostree', '`ostree-ts prune` and `ostree prune`', () => {
  for (const mode of ['archive', 'bare', 'bare-user', 'bare-user-only'] as const) {
    test(`both print the same and leave the same files for random repositories of mode ${mode}`, async () => {
      await fc.assert(
        fc.asyncProperty(anyRepo, fc.array(anyOptions, { minLength: 1, maxLength: 2 }), async (plan, runs) => {
          const here = join(root, String(count++))
          mkdirSync(here)
          const repo = await createRepo(join(here, 'repo'), { mode })
          const commits = await buildRepo(repo, plan)
          await repo.close()
          addFolders(join(here, 'repo'), plan, commits)
          for (const [index, options] of runs.entries()) {
            const scratch = join(here, String(index))
            mkdirSync(scratch)
            const words = ['prune', ...options.map((text) => option(text, commits))]
            const { theirs, ours } = await runBoth(join(here, 'repo'), scratch, words)
            expect(ours).toEqual(theirs)
          }
          rmSync(here, { recursive: true })
        }),
        { numRuns: Number(process.env['RUNS'] ?? 12) },
      )
    })
  }
})
