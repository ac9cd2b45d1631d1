/** Random sequences of commands that both programs run on a repository each. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeReference } from '../support/reference.ts'
import { SideBySide } from '../support/side-by-side.ts'

/** Number of sequences in each mode. The variable SEQUENCES sets it, and SEED chooses others. */
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 70)

const TREES = `
umask 022
mkdir -p t0/a/b t1/a/b t2/x t3 t4/a
echo 1 > t0/f; echo 2 > t0/a/g; : > t0/a/nothing; ln -s f t0/link; echo h > t0/a/b/h
echo 1 > t1/f; echo 3 > t1/a/g; : > t1/a/nothing; ln -s a t1/link; chmod 700 t1/a; echo h > t1/a/b/h
echo run > t2/x/run; chmod 775 t2/x/run; ln t2/x/run t2/x/same; echo 2 > t2/g; chmod 4755 t2/g
echo file > t4/a/b; echo w > t4/w; chmod 644 t4/w
printf '%s\\n' /a/b /f > skip; printf '%s\\n' /a/ /f > skip-checkout; printf '%s\\n' '=384 /f' '=448 /a' > statoverride
printf 'main\\0/\\0x/y\\0/a\\0' > list
ostree init --repo=source --mode=archive
ostree commit --repo=source -b main --timestamp=@500 --canonical-permissions t1 > /dev/null
ostree commit --repo=source -b main --timestamp=@600 --canonical-permissions t0 > /dev/null
`

const trees = ['t0', 't1', 't2', 't3', 't4']
const branches = ['main', 'x/y', 'origin:rem']
/** All of these branches can be written, because ostree leaves an unreachable commit if one cannot. */
const anyBranch = fc.constantFrom(...branches)
const anyRev = fc.constantFrom(...branches, ...branches, 'main^', 'x/y^', 'rem', 'al', 'nope', '', 'main^^')
const anyTree = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...trees).map((tree) => `--tree=dir=@/${tree}`) },
  anyRev.map((rev) => `--tree=ref=${rev}`),
)
const maybe = (...options: string[]): fc.Arbitrary<string[]> =>
  fc.array(fc.constantFrom(...options), { maxLength: 2 }).map((chosen) => [...new Set(chosen)])

const anyCommit = fc
  .tuple(
    anyBranch,
    fc.array(anyTree, { minLength: 1, maxLength: 3 }),
    maybe(
      '--canonical-permissions',
      '--no-xattrs',
      '--owner-uid=7',
      '--owner-gid=0',
      '--skip-if-unchanged',
      '--orphan',
      '--add-metadata-string=version=1',
      '--keep-metadata=version',
      '--parent=none',
      '--no-bindings',
      '--generate-sizes',
      '--link-checkout-speedup',
      '--devino-canonical',
      '--table-output',
      '--statoverride=@/statoverride',
      '--skip-list=@/skip',
      '--base=main',
      '--subject=s',
    ),
    fc.integer({ min: 1, max: 9 }),
  )
  // For a skipped commit ostree prints statistics that are not initialised.
  .filter(([, , options]) => !(options.includes('--table-output') && options.includes('--skip-if-unchanged')))
  .map(([branch, given, options, time]) => ['commit', '-b', branch, `--timestamp=@${time}000`, ...options, ...given])

const anyCheckout = fc
  .tuple(
    anyRev,
    fc.constantFrom('out', 'out', 'other'),
    fc.constantFrom('', '--union', '--union', '--union-add', '--union-identical'),
    maybe(
      '-C',
      '-H',
      '-M',
      '-z',
      '--disable-cache',
      '--whiteouts',
      '--subpath=/a',
      '--allow-noent',
      '--skip-list=@/skip-checkout',
      '--fsync=no',
    ),
  )
  .map(([rev, place, union, options]) =>
    ['checkout', '-U', ...options, union, rev, `@/${place}`].filter((word) => word !== ''),
  )

const anyListed = maybe('-C', '-M', '--union', '--union-add').map((options) => [
  'checkout',
  '-U',
  ...options,
  '--from-file=@/list',
  '@/out',
])

const anyOther: fc.Arbitrary<string[]> = fc.oneof(
  fc.constantFrom(...branches, 'x', 'origin:', 'nope').map((prefix) => ['refs', '--list', prefix]),
  fc.constantFrom(...branches, 'al', 'nope').map((prefix) => ['refs', '--delete', prefix]),
  fc
    .tuple(fc.constantFrom('new', 'x', 'main', 'x/y/z'), anyRev)
    .map(([name, rev]) => ['refs', `--create=${name}`, rev]),
  fc.constantFrom('main', 'x/y', 'nope').map((target) => ['refs', '-A', '--create=al', target]),
  anyRev.map((rev) => ['rev-parse', rev]),
  anyRev.map((rev) => ['log', rev]),
  anyRev.map((rev) => ['ls', '-RC', rev]),
  anyRev.map((rev) => ['show', rev]),
  fc.tuple(anyRev, anyRev).map(([a, b]) => ['diff', a, b]),
  fc.tuple(fc.constantFrom('main', 'x/y', 'al', 'nope'), anyRev).map(([ref, rev]) => ['reset', ref, rev]),
  fc
    .constantFrom(
      '--refs-only',
      '--depth=0',
      '--no-prune',
      '--refs-only --depth=0',
      '--keep-younger-than=@4000',
      '--retain-branch-depth=main=1',
      '--depth=0 --only-branch=main',
      '--refs-only --commit-only',
    )
    .map((text) => ['prune', ...text.split(' ')]),
  fc
    .tuple(maybe('--depth=-1', '--remote=origin'), fc.constantFrom('main', 'nope'))
    .map(([options, ref]) => ['pull-local', ...options, '@/source', ref]),
  fc
    .tuple(maybe('--subpath=/a', '--prefix=p/'), anyRev)
    .map(([options, rev]) => ['export', ...options, '-o', '@/tar', rev]),
  fc.constant('fsck').map((command) => [command, '-q']),
)

const anySequence = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: anyCommit },
    { weight: 2, arbitrary: anyCheckout },
    { weight: 1, arbitrary: anyListed },
    { weight: 4, arbitrary: anyOther },
  ),
  { minLength: 3, maxLength: 10 },
)

/** A sequence in which uncompressed files of an archive stay in the cache, although nothing links to them. */
const CACHED = [
  ['commit', '-b', 'main', '--timestamp=@1000', '--tree=dir=@/t0'],
  ['checkout', '-U', '-C', 'main', '@/out'],
  ['checkout', '-U', '--union', 'main', '@/out'],
]

/**
 * Removes what ostree leaves after a failed commit: staged objects, which the next commit stores, and all objects if only
 * the ref could not be written. `ostree-ts` removes both.
 */
const LEFT_BY_FAILED_COMMIT =
  'rm -rf r/tmp/staging-*; ostree prune --repo=r --refs-only > /dev/null; find r/objects -mindepth 1 -type d -empty -delete'

describeReference('ostree', 'random sequences of commands of `ostree-ts` and of `ostree`', () => {
  describe.each(['archive', 'bare-user', 'bare-user-only'])('in mode %s', (mode) => {
    let pair: SideBySide
    beforeAll(() => {
      pair = new SideBySide()
      pair.shell(TREES)
    })

    test('both print the same and leave the same files', { timeout: 600_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(anySequence, async (sequence) => {
          pair.shell('rm -rf r out other tar; : > tar')
          await pair.run(['init', '--repo=@/r', `--mode=${mode}`])
          for (const [command = '', ...words] of sequence) {
            const { status } = await pair.run([command, '--repo=@/r', ...words])
            if (status !== 0 && command === 'commit') pair.shell(LEFT_BY_FAILED_COMMIT)
          }
          pair.expectSame('r', (name) => /^(tmp|\.lock$|objects\/.*\.filez$)/.test(name))
          pair.shell(
            "for place in out other; do find $place -printf '%P %M %n %U %G %l\\n' 2>/dev/null || :; done | sort > found",
          )
          pair.expectSame('found')
          pair.expectSame('tar')
        }),
        { numRuns: SEQUENCES, examples: [[CACHED]] },
      )
      expect(SEQUENCES).toBeGreaterThan(0)
    })
  })
})
