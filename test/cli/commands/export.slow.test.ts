import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { anyCollidingTree, createEntry } from '../../support/colliding-trees.ts'
import { runInProcess } from '../../support/in-process.ts'
import { isRoot } from '../../support/machine.ts'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const LONG = 'x'.repeat(99)

// No content occurs twice in these trees, because ostree 2022.7 would write it twice.
describeReference('ostree', '`ostree-ts export` and `ostree export`', () => {
  const pair = new SideBySide()
  beforeAll(() =>
    pair.shell(`mkdir -p tree/sub/deep tree/empty tree/${'d'.repeat(120)} tree/${'u'.repeat(100)} tree/${'s'.repeat(99)}
    cd tree
    echo hi > f; echo copy > sub/copy; ln -s f l; : > empty-file; echo é > é; echo 1 > ${'d'.repeat(120)}/inner
    echo x > sub/${LONG}; echo y > sub/${'y'.repeat(150)}; echo v > ${'v'.repeat(100)}
    ln -s ${'z'.repeat(180)} longlink; ln -s ${'z'.repeat(180)} ${'w'.repeat(150)}; ln -s ${'z'.repeat(100)} justfits
    head -c 1500 /dev/zero > block; chmod 4755 f; chmod 1777 empty
    ${isRoot ? 'chown 123456789:3000000 block' : ''}
    cd ..
    ostree --repo=repo init --mode=${isRoot ? 'bare' : 'bare-user'}
    ostree --repo=repo commit -b main --timestamp=@1234567890 tree
    ostree --repo=repo commit -b late --timestamp=@77777777777 tree
    ostree --repo=repo commit -b early --timestamp=@0 tree
    head -c 3000001 /dev/zero > tree/large
    ostree --repo=repo commit -b large --timestamp=@8 tree`),
  )

  const expectSameFile = (name: string) => {
    // The position of the first difference is compared, because the message would have megabytes.
    const [theirs, ours] = [pair.theirs, pair.ours].map((folder) => readFileSync(join(folder, name)))
    expect(ours?.length).toBe(theirs?.length)
    expect(ours?.findIndex((byte, at) => byte !== theirs?.[at])).toBe(-1)
  }

  test.each([
    ['main'],
    ['late'],
    ['early'],
    ['main', '--subpath=sub'],
    ['main', '--subpath=/sub/deep'],
    ['main', '--subpath=/'],
    ['main', '--subpath='],
    ['main', '--prefix=foo/'],
    ['main', '--prefix=foo'],
    ['main', '--prefix='],
    ['main', '--prefix=/abs/', '--subpath=sub', '--no-xattrs'],
  ])('both write the same archive to a file and to stdout with %j', async (...words) => {
    await pair.run(['export', '--repo=@/repo', '-o', '@/out.tar', ...words])
    expectSameFile('out.tar')
    await pair.run(['export', '--repo=@/repo', ...words])
  })

  test.each([
    [],
    ['nope'],
    ['main', '--subpath=nope'],
    ['main', '--subpath=/sub/'],
    ['main', '--subpath=l/x'],
    ['nope', '-o', '@/nowhere/out.tar'],
    ['nope', '-o', '@/failed.tar'],
  ])('both fail with the same message, and leave an archive without entries, with %j', async (...words) => {
    await pair.run(['export', '--repo=@/repo', ...words])
    if (words.at(-1) === '@/failed.tar') expectSameFile('failed.tar')
  })

  test('both write the same archive of a large file', async () => {
    await pair.run(['export', '--repo=@/repo', '-o', '@/out.tar', 'large'])
    expectSameFile('out.tar')
  })

  test('a subpath that is a file is refused', async () => {
    const [, ours] = await pair.runBoth(['export', '--repo=@/repo', 'main', '--subpath=f'])
    expect(ours).toMatchObject({ status: 1, stderr: 'error: Not a directory\n' })
    expect(statSync(join(pair.ours, 'repo')).isDirectory()).toBe(true)
  })

  test('both write the same archive of random trees', async () => {
    const tree = anyCollidingTree({ names: ['a', 'b', 'é', LONG, 'y'.repeat(200)], targets: ['a', 'z'.repeat(130)] })
    let count = 0
    await fc.assert(
      fc.asyncProperty(tree, fc.constantFrom('', 'p', 'q/'), async (entry, prefix) => {
        const branch = `random${count++}`
        for (const folder of [pair.theirs, pair.ours]) createEntry(join(folder, branch), entry)
        pair.shell(`find ${branch} -type f -exec sh -c 'echo "$1" > "$1"' _ {} \\;
          ostree --repo=repo commit --fsync=0 -b ${branch} --timestamp=@${count} ${branch}`)
        await pair.run(['export', '--repo=@/repo', branch, `--prefix=${prefix}`, '-o', '@/out.tar'])
        expectSameFile('out.tar')
      }),
      { numRuns: 15 },
    )
  })
})

describe('`ostree-ts export` of content that occurs several times', () => {
  const root = temporaryFolder()
  const ostree = (...words: string[]) => runInProcess(words, root)

  // Hashes of the archives that ostree 2026.4 writes; 2022.7 writes the content each time.
  test.each([
    [[], '89aef356bf50cb4ff0987eacfdf0bd89459944c44757e2f5dc02eb4181b2f39c'],
    [['--prefix=x'], '6547e09f5a318e3b9ce9303789f47a97dfb0168c1198cc3195aebf5a39831ace'],
    [['--prefix=/x/'], '8fb26b84c101b4485d79c71e9e9a2146e2a2c67632e0f5dbe9fd568aa7a5cbfc'],
  ])('later files are hard links to the first, as since libostree 2023.7, with %j', async (words, sha256) => {
    const [tree, repo, archive] = ['tree', `repo${words}`, `out${words}.tar`].map((name) =>
      join(root, name.replaceAll('/', '_')),
    ) as [string, string, string]
    mkdirSync(join(tree, 'd'), { recursive: true })
    for (const name of ['a', 'd/b', 'c', 'hard', 'sfile']) writeFileSync(join(tree, name), 'x\n')
    for (const name of ['e1', 'e2']) writeFileSync(join(tree, name), '')
    for (const name of ['a', 'd/b', 'c', 'hard', 'e1', 'e2']) chmodSync(join(tree, name), 0o644)
    for (const name of ['', 'd']) chmodSync(join(tree, name), 0o755)
    chmodSync(join(tree, 'sfile'), 0o600)
    for (const name of ['l1', 'l2']) if (!existsSync(join(tree, name))) symlinkSync('a', join(tree, name))
    await ostree('init', `--repo=${repo}`, '--mode=archive')
    await ostree('commit', `--repo=${repo}`, '-b', 'main', '--timestamp=@0', '--canonical-permissions', tree)
    expect(await ostree('export', `--repo=${repo}`, 'main', '-o', archive, ...words)).toMatchObject({ status: 0 })
    const bytes = readFileSync(archive)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    if (words.length > 0) return
    await ostree('commit', `--repo=${repo}`, '-b', 'again', '--timestamp=@0', `--tree=tar=${archive}`)
    const trees = await Promise.all(['main', 'again'].map((ref) => ostree('ls', `--repo=${repo}`, '-RC', ref)))
    expect(trees[1]).toEqual(trees[0])
  })
})
