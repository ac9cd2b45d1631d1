import { beforeAll, describe, expect, test } from 'vitest'
import { loosePath } from '../../../src/objects/index.ts'
import type { Repo } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { isRoot } from '../../support/machine.ts'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

/** A line of help for an option that older versions of ostree do not have. */
const LATER = '--disable-static-deltas       Do not use static deltas'

async function within<T>(path: string, work: (repo: Repo) => Promise<T>): Promise<T> {
  const repo = await openRepo(path)
  try {
    return await work(repo)
  } finally {
    await repo.close()
  }
}

describeReference('ostree', 'options of `ostree-ts pull-local` and of `ostree pull-local`', () => {
  const pair = new SideBySide()
  beforeAll(() =>
    pair.shell(`mkdir -p tree/sub empty
      for mode in archive bare-user bare-user-only; do ostree --repo=$mode init --mode=$mode; done
      ostree --repo=src init --mode=archive
      ostree --repo=none init --mode=archive
      ostree --repo=refusing init --mode=archive
      export A="--canonical-permissions --no-xattrs"
      echo 1 > tree/f; ln -s f tree/l; : > tree/e; cp tree/f tree/sub/copy
      ostree --repo=src commit $A -b main --timestamp=@1 tree
      echo 2 > tree/sub/g
      ostree --repo=src commit $A -b main --timestamp=@2 tree
      ostree --repo=src commit $A -b x/y --timestamp=@3 --add-detached-metadata-string=k=v tree
      ostree --repo=src commit $A -b bound --bind-ref=other --timestamp=@4 tree
      ostree --repo=src commit $A -b unbound --no-bindings --timestamp=@5 tree
      ostree --repo=coll init --mode=archive --collection-id=org.e.C
      ostree --repo=coll commit $A -b ours --timestamp=@6 tree
      ostree --repo=coll commit $A -b unbound --no-bindings --timestamp=@7 tree
      cp -a src remote; ostree --repo=remote refs --create=origin:main main
      cp -a src alias; ostree --repo=alias refs --alias --create=also main
      cp -a src told; ostree --repo=told summary -u
      cp -a src suid; printf '2048 /f\\n' > overrides
      ostree --repo=suid commit -b suid --timestamp=@8 --owner-uid=0 --owner-gid=0 --no-xattrs --statoverride=overrides tree`),
  )
  const marks = (name: string) => /(^|\/)tmp|\.lock$|commitpartial$/.test(name)

  test.each([
    [[]],
    [['@/nowhere', 'main']],
    [['@/tree', 'main']],
    [['@/src', '']],
    [['@/src', 'nope']],
    [['@/src', 'sp ace']],
    [['@/src', 'main^']],
    [['@/src', 'origin:main']],
    [['@/src', '00'.repeat(32)]],
    [['@/src', 'main', '--depth=x']],
    [['@/src', 'main', '--remote=bad/name']],
    [['@/src', 'main', '--remote=']],
    [['@/src', 'main', '--gpg-verify']],
    [['@/src', 'main', '--gpg-verify-summary']],
    [['@/src', 'main', '--gpg-verify', '--remote=origin']],
    [['@/src', 'nope', '--gpg-verify', '--remote=origin']],
    [['@/src', 'nope', '--gpg-verify-summary', '--remote=origin']],
    [['@/told', 'main', '--gpg-verify-summary', '--gpg-verify', '--remote=origin']],
    [['@/src', 'main', '--require-static-deltas']],
    [['@/remote']],
    [['@/coll', 'unbound']],
    [['@/alias', 'also']],
    [['@/suid', 'suid', '--bareuseronly-files']],
  ])('both refuse %j with the same message', async (words) => {
    await pair.run(['pull-local', '--repo=@/refusing', ...words], {
      // Later versions of ostree have another option.
      stderr: (theirs) =>
        theirs.includes(LATER) ? theirs : theirs.replace(/(\n +)--require-static-deltas +Require.*/, `$&$1${LATER}`),
    })
    pair.expectSame('refusing/refs')
  })

  describe.each(['archive', 'bare-user', 'bare-user-only'])('into %s', (mode) => {
    test.each([
      [['@/src', 'main']],
      [['@/src', 'main']],
      [['@/src', 'x/y', '--commit-metadata-only']],
      [['@/src', 'x/y', '--commit-metadata-only', '--depth=-1']],
      [['@/src', 'main', 'x/y', '--depth=1', '--disable-fsync']],
      [['@/src', 'x/y', '--per-object-fsync']],
      [['@/src', 'unbound', '--remote=origin', '--untrusted']],
      [['@/src', 'bound', '--disable-verify-bindings']],
      [['@/coll', 'ours']],
      [['@/coll', '--disable-verify-bindings']],
      [['@/src', '--depth=-1', '--bareuseronly-files', '--disable-verify-bindings', '--remote=far']],
      [['@/none']],
    ])('both print the same and leave the same files with %j', async (words) => {
      await pair.run(['pull-local', `--repo=@/${mode}`, ...words])
      for (const part of ['objects', 'refs', 'state', 'config']) pair.expectSame(`${mode}/${part}`)
    })
  })

  test('both refuse a file that mode bare-user-only cannot store', async () => {
    await pair.run(['pull-local', '--repo=@/bare-user-only', '@/suid', 'suid'])
    pair.expectSame('bare-user-only', marks)
  })

  test('both check the ref binding of a commit for the same one of several refs', async () => {
    pair.shell(`ostree --repo=bindings init --mode=archive
      ostree --repo=bindings commit --no-xattrs --canonical-permissions -b a --bind-ref=b --timestamp=@1 tree
      for name in b c d e f 0; do ostree --repo=bindings refs --create=$name a; done`)
    const commit = '$(ostree --repo=bindings rev-parse a)'
    for (const refs of ['a c', 'c a', 'c b a', '0 f', 'f 0', 'a 0', 'd e', '', 'no nope none', `c ${commit}`]) {
      pair.shell('rm -rf several; ostree --repo=several init --mode=archive')
      const words = refs.replace(
        commit,
        run('ostree', ['--repo=bindings', 'rev-parse', 'a'], { cwd: pair.ours }).trim(),
      )
      await pair.run(['pull-local', '--repo=@/several', '@/bindings', ...words.split(' ').filter(Boolean)])
      pair.expectSame('several/refs')
    }
  })

  test('both follow parents to the same depth if several refs have common ancestors', async () => {
    pair.shell(`ostree --repo=line init --mode=archive
      for i in 1 2 3 4; do echo $i > tree/f
        ostree --repo=line commit --no-xattrs --canonical-permissions --no-bindings -b a --timestamp=@1 tree
        ostree --repo=line refs --create=r$i a; ostree --repo=line refs --create=s$i a; done`)
    for (const refs of [['r4', 'r3', 'r2'], ['s2', 's4', 'r4', 'r3', 'r2', 's3'], ['r4', 'r2'], []]) {
      for (const depth of ['0', '1', '2', '-1']) {
        pair.shell('rm -rf some; ostree --repo=some init --mode=archive')
        await pair.run(['pull-local', '--repo=@/some', `--depth=${depth}`, '@/line', ...refs])
        for (const part of ['objects', 'refs', 'state']) pair.expectSame(`some/${part}`)
      }
    }
  })

  test('both pull a commit again that was deleted with a tombstone', async () => {
    pair.shell(`ostree --repo=again init --mode=archive; ostree --repo=again pull-local --depth=-1 src main
      ostree --repo=again refs --delete main
      ostree --repo=again prune --refs-only --delete-commit=$(ostree --repo=src rev-parse main)`)
    await pair.run(['pull-local', '--repo=@/again', '@/src', 'main'])
    pair.expectSame('again', marks)
  })

  test('`--json` prints the statistics', async () => {
    pair.shell('ostree --repo=json init --mode=archive')
    const [, ours] = await pair.runBoth(['pull-local', '--repo=@/json', '--json', '@/src', 'main'])
    expect(JSON.parse(ours.stdout)).toEqual({ metadata: 4, content: 4, contentBytes: 0, attachedBytes: 0 })
  })

  test('both refuse `--require-static-deltas` if the source does not have deltas', async () => {
    await pair.run(['pull-local', '--repo=@/bare-user', '@/src', 'main', '--require-static-deltas'])
  })

  test.runIf(isRoot)('both write objects of an archive as files with owners in mode bare', async () => {
    pair.shell('ostree --repo=bare init --mode=bare')
    await pair.run(['pull-local', '--repo=@/bare', '@/suid', 'suid', 'main'])
    pair.expectSame('bare/objects')
  })

  test.each([
    ['archive', 'bare-user'],
    ['archive', 'archive'],
    ['bare-user', 'archive'],
    ['bare-user-only', 'bare-user'],
  ])('both copy or convert a file of %s with changed content to %s unverified, and fsck finds it', async (from, to) => {
    for (const size of [9, 200_000]) {
      pair.shell(`rm -rf broken first into file; for r in broken:${from} first:${to} into:${to}; do
          ostree --repo=\${r%:*} init --mode=\${r#*:}; done
        mkdir file; head -c ${size} /dev/zero > file/f; echo other > file/g; chmod 644 file/*
        ostree --repo=broken commit --canonical-permissions --no-xattrs -b main --timestamp=@0 file`)
      for (const place of [pair.theirs, pair.ours]) {
        const { files } = await within(`${place}/broken`, async (repo) =>
          repo.readDirTree((await repo.readCommit(await repo.resolve('main'))).rootTree),
        )
        const [f, g] = files.map(({ checksum }) => loosePath({ checksum, type: 'file' }, from === 'archive'))
        run('cp', ['-a', `${place}/broken/${g}`, `${place}/broken/${f}`])
      }
      await pair.run(['pull-local', '--repo=@/first', '@/broken', 'main', '--untrusted'])
      await pair.run(['pull-local', '--repo=@/into', '@/broken', 'main'])
      for (const repo of ['first', 'into']) pair.expectSame(`${repo}/refs`)
      pair.expectSame('into/objects', (name) => name.endsWith('.filez'))
      await pair.run(['fsck', '--repo=@/into', '--quiet'])
    }
  })

  test.each(['commit', 'dirtree', 'dirmeta', 'filez'])(
    'both print the same if a %s is missing from the source',
    async (kind) => {
      for (const mode of ['archive', 'bare-user']) {
        pair.shell(`rm -rf broken into; cp -a src broken; ostree --repo=into init --mode=${mode}
        rm $(find broken/objects -name '*.${kind}' -size -2k | sort | head -1)`)
        for (const options of [[], ['--untrusted']]) {
          // The order in which ostree finds missing objects is random, so the checksums in the messages are ignored.
          const words = ['pull-local', '--repo=@/into', '@/broken', 'main', ...options]
          const [theirs, ours] = await pair.runBoth(words)
          expect(ours.status).toBe(theirs.status)
          expect(ours.stderr.replaceAll(/[0-9a-f]{64}/g, 'C')).toBe(theirs.stderr.replaceAll(/[0-9a-f]{64}/g, 'C'))
          if (theirs.status !== 0) pair.expectSame('into/refs')
        }
      }
    },
  )
})
