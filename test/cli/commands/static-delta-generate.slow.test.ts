/** Deltas that `ostree-ts static-delta generate` makes, beside those of ostree, which applies them. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { goldenDeltas, unpackDeltaRepo } from '../../repo/deltas/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference, hasReference, NEWEST_OSTREE } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const { from, to } = goldenDeltas

/** Lines that do not depend on the order of the objects, which is that of a hash table, or on the compressed bytes. */
function stable(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => !/^part \d+ n:/.test(line))
    .map((line) => line.replace(/compressed=\d+ loose/, 'loose'))
    .sort()
}

describeReference('ostree', '`ostree-ts static-delta generate` and `ostree static-delta generate`', () => {
  test.each([
    [['--from', from, '--to', to]],
    [['--disable-bsdiff', '--from', from, to]],
    [['--max-bsdiff-size=0', '--swap-endianness', '--from', from, to]],
    [['--empty', to]],
    [['--empty', '--max-chunk-size=1', '--min-fallback-size=0', to]],
    [['--min-fallback-size=1', '--from', from, to]],
    [['--inline', '--from', from, to]],
    [['--set-endianness=B', '--from', from, to]],
    [['--max-chunk-size=0', '--from', from, to]],
  ])('%j', async (words) => {
    const root = temporaryFolder()
    for (const name of ['ours', 'theirs']) mkdirSync(join(root, name))
    const ours = unpackDeltaRepo(join(root, 'ours'))
    const theirs = new ReferenceRepo(unpackDeltaRepo(join(root, 'theirs')), 'archive')
    for (const repo of [ours, theirs.path]) spawnSync('rm', ['-rf', join(repo, 'deltas')])
    const made = await runInProcess(['static-delta', 'generate', `--repo=${ours}`, ...words], root)
    const reference = theirs.attempt('static-delta', 'generate', ...words)
    expect({ ...made, stderr: stable(made.stderr) }).toEqual({ ...reference, stderr: stable(reference.stderr) })
    // ostree counts the size of a part otherwise before 2026.3.
    const parts = (path: string) => readdirSync(join(path, 'deltas'), { recursive: true, encoding: 'utf8' }).length
    if (!words.some((word) => word.startsWith('--max-chunk-size'))) expect(parts(ours)).toBe(parts(theirs.path))

    const [head = ''] = readdirSync(join(ours, 'deltas'))
    const [tail = ''] = readdirSync(join(ours, 'deltas', head))
    const delta = join(ours, 'deltas', head, tail)
    const programs = ['ostree', ...(hasReference(NEWEST_OSTREE) ? [NEWEST_OSTREE] : [])]
    for (const [index, program] of programs.entries()) {
      const target = ReferenceRepo.create(join(root, `target-${index}`), 'bare-user')
      if (!words.includes('--empty')) target.run('pull-local', theirs.path, from)
      const { status, stderr } = spawnSync(program, [`--repo=${target.path}`, 'static-delta', 'apply-offline', delta], {
        encoding: 'utf8',
      })
      if (words.includes('--min-fallback-size=1')) {
        expect(stderr).toContain('contains nonempty http fallback entries')
        continue
      }
      // ostree cannot apply a part that has only an empty file, whatever wrote it.
      if (words.includes('--max-chunk-size=0') && /assertion (?:'buf' failed|failed: \(buf\))/.test(stderr)) continue
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      // Fails if an object is missing.
      target.run('refs', '--create=main', to)
      target.run('fsck', '-q')
      target.run('ls', '-R', to)
    }
  })
})
