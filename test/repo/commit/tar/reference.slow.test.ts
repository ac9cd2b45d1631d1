/** Archives committed by `ostree commit --tree=tar` and by importTar. */
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { anyTree } from '../../../../src/testing/index.ts'
import { goldenBytes, goldenPath } from '../../../support/golden.ts'
import { tarEntries } from '../../../support/random-trees.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { dir, file, hardlink, type TarEntry, tarBytes } from '../../../support/tar-bytes.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { take } from './take-tar.ts'

describeReference('ostree', 'importTar and `ostree commit --tree=tar`', () => {
  const folder = temporaryFolder('disk')
  const repo = join(folder, 'repo')
  beforeAll(() => {
    run('ostree', ['init', '--repo', repo, '--mode=archive'])
  })

  const theirs = (bytes: Uint8Array, ...options: string[]) => {
    writeFileSync(join(folder, 'input.tar'), bytes)
    const fixed = ['--orphan', '--no-bindings', '--timestamp=@0', '--fsync=false', '--tar-autocreate-parents']
    return spawnSync(
      'ostree',
      ['commit', '--repo', repo, ...fixed, ...options, `--tree=tar=${join(folder, 'input.tar')}`],
      {
        encoding: 'utf8',
      },
    )
  }

  /** Generates the entries of a tree without some of them, in any order, also with parents after their children. */
  const archives = anyTree({ xattrs: false, whiteouts: true }).chain((tree) => {
    // Hard links are left out, because those to a missing entry fail. They are in the next test.
    return fc.shuffledSubarray(tarEntries(tree).filter(({ type }) => type !== '1'))
  })

  test('random archives have the same commit', async () => {
    await fc.assert(
      fc.asyncProperty(
        archives,
        fc.constantFrom('', '--canonical-permissions', '--no-xattrs'),
        async (entries, option) => {
          const bytes = tarBytes(entries)
          const modifier = { canonicalPermissions: option.startsWith('--c'), noXattrs: option.startsWith('--n') }
          const { commit } = await take(bytes, { modifier, chunk: 4096 })
          expect(`${commit}\n`).toBe(theirs(bytes, ...(option === '' ? [] : [option])).stdout)
        },
      ),
      { numRuns: 50 },
    )
  })

  test.each<[string, TarEntry[]]>([
    ['a missing link target', [hardlink('b', './nope')]],
    ['a link to a directory', [dir('d'), hardlink('b', './d')]],
    ['a link over a directory', [file('a'), dir('b'), hardlink('b', 'a')]],
    ['a file over a directory', [dir('a'), file('a')]],
    ['a pipe', [{ name: './p', type: '6' }]],
    ['a device', [{ name: 'dev/c', type: '3' }]],
    ['an uplink', [file('a/../b')]],
    ['a name of one dot', [file('a/.')]],
    ['a link without target', [hardlink('l', '')]],
    [
      'links of every order',
      [hardlink('b', 'a'), file('a', 'y'), hardlink('d/c', './a'), file('b', 'z'), file('a', '1')],
    ],
    ['strange names', [file('./a/./b'), file('//c'), file('/../d'), dir('.//e//'), file('...')]],
    [
      'a GNU directory and unknown types',
      [
        { name: 'q', type: 'D' },
        { name: 'r', type: 'Z' },
        { name: 'v', type: 'V' },
        { name: 's', type: '7' },
      ],
    ],
    [
      'xattrs in descending order',
      [
        file('f', '', {
          pax: [
            ['SCHILY.xattr.user.z', '1'],
            ['SCHILY.xattr.user.a', ''],
          ],
        }),
      ],
    ],
  ])('an archive with %s has the same commit or error', async (_, entries) => {
    const bytes = tarBytes(entries)
    const { stdout, stderr } = theirs(bytes)
    const ours = await take(bytes).then(
      ({ commit }) => `${commit}\n`,
      (error: Error) => `error: ${error.message}\n`,
    )
    expect(ours).toBe(stdout + stderr)
  })
})

const layers = ['layers', 'layers2'].flatMap((name) =>
  readdirSync(goldenPath(`container/${name}`)).map((tar) => `container/${name}/${tar}`),
)

describeReference('ostree', 'importTar and `ostree commit --tree=tar` of golden layers', () => {
  const repo = temporaryFolder('disk')
  beforeAll(() => {
    run('ostree', ['init', '--repo', repo, '--mode=archive'])
  })
  const fixed = ['--orphan', '--no-bindings', '--timestamp=@0', '--fsync=false', '--tar-autocreate-parents']

  // Without xattrs, because old versions of ostree read several of an entry in another order.
  test.each([...layers, 'core/tree-a.tar'])('the layer %s has the same commit or error', async (tar) => {
    const args = ['commit', '--repo', repo, ...fixed, '--no-xattrs', `--tree=tar=${goldenPath(tar)}`]
    const { stdout, stderr } = spawnSync('ostree', args, { encoding: 'utf8' })
    const ours = await take(goldenBytes(tar), { modifier: { noXattrs: true } }).then(
      ({ commit }) => `${commit}\n`,
      (error: Error) => `error: ${error.message}\n`,
    )
    expect(ours).toBe(stdout + stderr)
  })
})
