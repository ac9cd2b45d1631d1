/** Random repositories from which `ostree pull-local` and `ostree-ts pull-local` pull several times. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRepo } from '../../../src/repo/local.ts'
import { runInProcess } from '../../support/in-process.ts'
import { isRoot } from '../../support/machine.ts'
import { anyRepo, buildRepo } from '../../support/random-repo.ts'
import { describeReference, run } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let count = 0

/**
 * Generates arguments of a pull. `@N` stands for the checksum of commit N. At most one argument can fail, because the
 * order in which ostree meets several is random.
 */
const anyPull: fc.Arbitrary<string[]> = fc
  .tuple(
    fc.subarray(['--commit-metadata-only', '--untrusted', '--bareuseronly-files', '--disable-verify-bindings']),
    fc.option(fc.constantFrom('--depth=1', '--depth=2', '--depth=-1', '--depth=0')),
    fc.option(fc.constantFrom('--remote=origin', '--remote=other', '--remote=not/one')),
    fc.constantFrom(
      'main',
      'x/a',
      'x/c',
      '@0',
      '@1',
      '@2',
      '@3',
      'nope',
      'x',
      'bad name',
      'origin:main',
      'all',
      'all',
      'all',
    ),
  )
  .map(([flags, depth, remote, ref]) => [...flags, ...(depth ?? '').split(' '), remote ?? '', `ref ${ref}`])
  .map((words) => words.filter((word) => word !== ''))

function wordsOf(
  pull: readonly string[],
  commits: readonly string[],
  source: string,
  heads: readonly string[],
): string[] {
  const options = pull.filter((word) => !word.startsWith('ref '))
  const ref = (pull.at(-1) ?? '').slice('ref '.length)
  // Several refs, none of which can fail.
  if (ref === 'all') {
    const safe = options.filter((word) => word !== '--remote=not/one')
    return [...safe, '--disable-verify-bindings', source, ...heads, ...commits.slice(0, 2)]
  }
  return [...options, source, ref.replace(/^@(\d)$/, (_, index) => commits[index] ?? 'cd'.repeat(32))]
}

/** Lists all files of a repository, with links and times, which tell whether an object was linked, written or copied. */
function listed(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== '.lock' && name !== 'tmp/cache')
    .map((name) => {
      const full = join(path, name)
      const stat = lstatSync(full)
      const mode = stat.mode.toString(8)
      if (stat.isSymbolicLink()) return `${name} -> ${readlinkSync(full)} ${stat.nlink}`
      if (stat.isDirectory()) return `${name} ${mode}`
      const time = name.endsWith('.file') ? stat.mtimeMs : ''
      return `${name} ${mode} ${stat.uid} ${stat.nlink > 1} ${time} ${readFileSync(full).toString('latin1')}`
    })
    .sort()
}

const MODES = ['archive', 'bare-user', 'bare-user-only', ...(isRoot ? (['bare'] as const) : [])] as const
const PAIRS = MODES.flatMap((from) => MODES.map((into) => ({ from, into })))

describeReference('ostree', '`ostree-ts pull-local` and `ostree pull-local`', () => {
  describe.each(PAIRS)('from $from into $into', ({ from, into }) => {
    test('both print the same and leave the same files for random repositories', async () => {
      await fc.assert(
        fc.asyncProperty(anyRepo, fc.array(anyPull, { minLength: 1, maxLength: 4 }), async (plan, pulls) => {
          const here = join(root, String(count++))
          mkdirSync(here)
          const source = join(here, 'source')
          const repo = await createRepo(source, { mode: from })
          const commits = await buildRepo(repo, plan)
          await repo.close()
          const theirs = ReferenceRepo.create(join(here, 'theirs'), into)
          const ours = theirs.copy(join(here, 'ours'))
          const heads = Object.keys(commits.length === 0 ? {} : plan.refs).flatMap(
            (path) => /^heads\/(.*)/.exec(path)?.[1] ?? [],
          )
          for (const pull of pulls) {
            const words = wordsOf(pull, commits, source, heads)
            const expected = theirs.attempt('pull-local', ...words)
            const actual = await runInProcess(['pull-local', `--repo=${ours.path}`, ...words], here)
            expect({ words, ...actual }).toEqual({ words, ...expected })
            // A failed pull of ostree leaves objects in the staging directory, which the next one uses.
            if (expected.status !== 0) break
            expect(listed(ours.path)).toEqual(listed(theirs.path))
          }
          rmSync(here, { recursive: true })
        }),
        { numRuns: Number(process.env['RUNS'] ?? 5) },
      )
    })
  })

  test('refs are those in the summary of the source, if it has one', async () => {
    const here = join(root, 'summary')
    mkdirSync(here)
    const source = ReferenceRepo.create(join(here, 'source'), 'archive')
    run('sh', ['-c', `mkdir ${here}/tree && echo 1 > ${here}/tree/f`])
    const first = source.commit('main', `${here}/tree`)
    source.run('summary', '-u')
    const second = source.commit('main', `${here}/tree`, '-s', 'second')
    const ours = ReferenceRepo.create(join(here, 'ours'), 'archive')
    const pull = (...refs: string[]) =>
      runInProcess(['pull-local', `--repo=${ours.path}`, source.path, ...refs], here).then(({ stderr }) => stderr)
    expect(await pull('main')).toBe('')
    expect(ours.run('rev-parse', 'main').trim()).toBe(first)
    expect(await pull(second)).toBe('')
    for (const wrong of ['nope', second.slice(0, 8)]) {
      expect(await pull(wrong)).toBe(source.attempt(`--repo=${ours.path}`, 'pull-local', source.path, wrong).stderr)
    }
  })
})
