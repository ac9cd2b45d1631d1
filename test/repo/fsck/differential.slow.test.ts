/** Random repositories, valid and damaged, checked by `ostree fsck` and by `ostree-ts fsck`. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRepo } from '../../../src/repo/local.ts'
import { isRoot } from '../../support/machine.ts'
import { addFolders, anyRepo, buildRepo } from '../../support/random-repo.ts'
import { describeReference } from '../../support/reference.ts'
import { runBoth } from '../../support/repo-copies.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

interface Damage {
  readonly type: 'commit' | 'dirtree' | 'dirmeta' | 'file' | 'ref'
  readonly how: 'missing' | 'flipped' | 'truncated' | 'empty' | 'nowhere' | 'garbage'
  readonly at: number
}

const anyDamage: fc.Arbitrary<Damage> = fc.record({
  type: fc.constantFrom('commit', 'dirtree', 'dirmeta', 'file', 'file', 'ref'),
  how: fc.constantFrom('missing', 'flipped', 'truncated', 'empty', 'nowhere', 'garbage'),
  at: fc.nat(),
})

function filesBelow(directory: string, suffix: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => path.endsWith(suffix) && !lstatSync(path).isDirectory())
    .sort()
}

function damage(repo: string, mode: string, { type, how, at }: Damage): void {
  const suffix = type === 'file' ? (mode === 'archive' ? '.filez' : '.file') : `.${type}`
  const victims = type === 'ref' ? filesBelow(`${repo}/refs`, '') : filesBelow(`${repo}/objects`, suffix)
  const path = victims[at % Math.max(victims.length, 1)]
  if (path === undefined) return
  if (how === 'missing') {
    rmSync(path)
    return
  }
  const stat = lstatSync(path)
  // Symbolic links are not damaged, because each mode stores them differently.
  if (!stat.isFile()) return
  chmodSync(path, 0o644)
  if (how === 'truncated') truncateSync(path, stat.size >> 1)
  else if (how === 'empty') truncateSync(path, 0)
  else if (how === 'nowhere') writeFileSync(path, `${'0'.repeat(64)}\n`)
  else if (how === 'garbage') writeFileSync(path, 'garbage')
  else {
    const bytes = readFileSync(path)
    // The size at the start of a compressed file is not damaged. It is not part of the checksum, and only ostree-ts uses it.
    const first = type === 'file' && mode === 'archive' ? 16 : 0
    const index = first + (at % Math.max(bytes.length - first, 1))
    bytes[index] = (bytes[index] ?? 0) ^ 0x55
    writeFileSync(path, bytes)
  }
}

const anyOptions = fc.subarray(
  ['--all', '--delete', '--add-tombstones', '--quiet', '--verify-bindings', '--verify-back-refs'],
  { maxLength: 2 },
)

describeReference('ostree', '`ostree-ts fsck` and `ostree fsck`', () => {
  for (const mode of ['archive', 'bare', 'bare-user', 'bare-user-only'] as const) {
    const check = (title: string, damages: fc.Arbitrary<Damage[]>) =>
      test.runIf(isRoot)(`both print the same and leave the same files for ${title} of mode ${mode}`, async () => {
        await fc.assert(
          fc.asyncProperty(anyRepo, damages, anyOptions, async (plan, done, options) => {
            const here = join(root, String(count++))
            mkdirSync(here)
            const path = join(here, 'repo')
            const repo = await createRepo(path, { mode })
            addFolders(path, plan, await buildRepo(repo, plan))
            await repo.close()
            for (const one of done) damage(path, mode, one)
            const { theirs, ours } = await runBoth(path, here, ['fsck', ...options])
            // Some damage kills ostree, and then there is nothing to compare.
            if (theirs.status === null) return
            expect(ours).toEqual(theirs)
            rmSync(here, { recursive: true })
          }),
          { numRuns: Number(process.env['RUNS'] ?? 8) },
        )
      })
    check('random repositories', fc.constant([]))
    check('damaged repositories', fc.array(anyDamage, { minLength: 1, maxLength: 2 }))
  }
})
