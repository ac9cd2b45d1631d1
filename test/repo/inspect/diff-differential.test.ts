/** Two random trees, as commits and as directories, compared by `ostree diff` and by `ostree-ts diff`. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyCollidingTree, createEntry } from '../../support/colliding-trees.ts'
import { isRoot } from '../../support/machine.ts'
import { describeReference } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { runBoth } from '../../support/repo-copies.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

const tree = anyCollidingTree({ names: ['a', 'b', 'c', 'é'], depth: 2 })
const anyOptions = fc.subarray(
  [
    '--stats',
    '--fs-diff',
    '--no-xattrs',
    '--owner-uid=1000',
    '--owner-gid=0',
    '--owner-uid=-1',
    '--owner-gid=x',
    '--x',
  ],
  { maxLength: 3 },
)
const anyArguments = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom('one', 'two', 'two^', 'DIR/one'), fc.constantFrom('two', 'DIR/two', 'one')),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(['two'], ['one'], [], ['nope', 'one'], ['one', 'DIR/nope'], ['one', 'two', 'one']),
  },
)

describeReference('ostree', '`ostree-ts diff` and `ostree diff`', () => {
  test.runIf(isRoot)('both print the same for random commits and directories, with all options', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('archive', 'bare-user', 'bare-user-only'),
        tree,
        tree,
        fc.array(fc.tuple(anyArguments, anyOptions), { minLength: 3, maxLength: 4 }),
        async (mode, one, two, runs) => {
          const here = join(root, String(count++))
          mkdirSync(here)
          createEntry(join(here, 'one'), one)
          createEntry(join(here, 'two'), two)
          const repo = ReferenceRepo.create(join(here, 'repo'), mode)
          for (const [branch, name] of [
            ['one', 'one'],
            ['two', 'one'],
            ['two', 'two'],
          ] as const) {
            repo.commit(branch, join(here, name), `--timestamp=@${count}`)
          }
          for (const [index, [revs, options]] of runs.entries()) {
            const scratch = join(here, String(index))
            mkdirSync(scratch)
            const words = ['diff', ...options, ...revs.map((rev) => rev.replace('DIR', here))]
            const { theirs, ours } = await runBoth(repo.path, scratch, words)
            expect({ words, ...ours }).toEqual({ words, ...theirs })
          }
          rmSync(here, { recursive: true })
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 10) },
    )
  })
})
