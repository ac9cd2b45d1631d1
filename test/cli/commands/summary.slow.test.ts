import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { lookup, parseVariantText, u64be, type Vardict } from '../../../src/gvariant/index.ts'
import { COLLECTION_METADATA_REF, commitCollectionMetadata, Summary, updateSummary } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { describeReference, run } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'

const EXTRA: Vardict = [
  ['exp.str', parseVariantText('"hello"')],
  ['exp.u', parseVariantText('uint32 5')],
  ['exp.arr', parseVariantText('["a","b"]')],
  ['x.y', parseVariantText('@ay []')],
  ['ostree.summary.mode', parseVariantText('true')],
  ['exp.u', parseVariantText('uint32 6')],
]
const EXTRA_TEXT = ['exp.str="hello"', 'exp.u=uint32 5', 'exp.arr=["a","b"]', 'x.y=@ay []', 'ostree.summary.mode=true']

describeReference('ostree', 'summaries of `ostree-ts` and of `ostree`', () => {
  let pair: SideBySide
  beforeEach(async () => {
    pair = new SideBySide()
    pair.shell('mkdir tree; echo a > tree/a')
  })

  const ostree = (...words: string[]): string => run('ostree', words, { cwd: pair.theirs })
  const commit = async (ref: string, ...more: string[]): Promise<void> => {
    const words = ['commit', '--repo=@/r', '--timestamp=@1700000000', `--branch=${ref}`, ...more, '@/tree']
    expect(await pair.run(words)).toMatchObject({ status: 0 })
  }

  /** Updates both summaries with the same time, and compares the files. */
  async function update(metadata: Vardict = [], text: readonly string[] = []): Promise<void> {
    ostree('summary', '--repo=r', '-u', ...text.flatMap((given) => ['-m', given]))
    const bytes = new Uint8Array(readFileSync(join(pair.theirs, 'r/summary')))
    const made = Summary.decode(bytes)
    const timestamp = lookup(made.metadata, 'ostree.summary.last-modified', u64be) as bigint // always there
    const repo = await openRepo(join(pair.ours, 'r'))
    const metadataRef = made.refs.find(({ name }) => name === COLLECTION_METADATA_REF)
    if (metadataRef !== undefined) {
      const committed = lookup(metadataRef.latest.metadata, 'ostree.commit.timestamp', u64be) as bigint
      await commitCollectionMetadata(repo, { metadata, timestamp: committed })
    }
    await updateSummary(repo, { metadata, timestamp })
    await repo.close()
    for (const path of ['r/summary', 'r/config', 'r/refs']) pair.expectSame(path)
    await pair.run(['summary', '--repo=@/r', '--raw'])
    const unsigned = (theirs: string): string => `${theirs}Summary is unsigned\n`
    await pair.run(['summary', '--repo=@/r', '--view'], { stdout: unsigned })
  }

  test('both write the same summary of a repository without refs, and with refs and versions', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    await update()
    await commit('main')
    await commit('main', '--add-metadata-string=version=v1')
    await commit('a/b/c')
    await commit('Z', '--add-metadata=version=uint32 1')
    await commit('rem:main')
    await pair.run(['refs', '--repo=@/r', '-A', '--create=alias', 'main'])
    await update(EXTRA, [...EXTRA_TEXT, 'exp.u=uint32 6'])
  })

  test.each(['bare', 'bare-user', 'bare-user-only'])('both write the same summary in mode %s', async (mode) => {
    await pair.run(['init', '--repo=@/r', `--mode=${mode}`])
    pair.shell('echo "tombstone-commits=true" >> r/config')
    await commit('main')
    await update()
  })

  test('both write the same summary with deltas and without them', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    pair.shell('echo b > tree/a')
    await commit('main')
    ostree('--repo=r', 'static-delta', 'generate', 'main')
    ostree('--repo=r', 'static-delta', 'generate', '--empty', '--to=main')
    run('cp', ['-a', join(pair.theirs, 'r/deltas'), join(pair.ours, 'r/deltas')])
    await update()
    pair.expectSame('r/delta-indexes')
    await pair.run(['config', '--repo=@/r', 'set', 'core.no-deltas-in-summary', 'true'])
    await update()
    pair.shell('rm -r r/deltas; : > r/summary.sig')
    await update()
    pair.expectSame('r', (name) => /^(objects|tmp|deltas|\.lock$)/.test(name))
  })

  test('both write the same summary with refs of other collections, as mirrors and of remotes', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    await pair.run(['refs', '--repo=@/r', '-c', '--create=org.b:x/y', 'main'])
    await pair.run(['refs', '--repo=@/r', '-c', '--create=org.a:z', 'main'])
    await pair.run(['remote', 'add', '--repo=@/r', '--collection-id=org.r', 'rem', 'http://x'])
    await commit('rem:main', '--no-bindings')
    await commit('other:main', '--no-bindings')
    await update()
  })

  test('both write the same summary of a collection, with a commit for its metadata', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive', '--collection-id=org.example.C'])
    await commit('main')
    await update()
    await commit('other')
    await pair.run(['refs', '--repo=@/r', '-c', '--create=org.b:x', 'main'])
    await update(EXTRA.slice(0, 4), EXTRA_TEXT.slice(0, 4))
    await pair.run(['show', '--repo=@/r', '--raw', COLLECTION_METADATA_REF])
  })

  test('both refuse a damaged repository, summary or metadata with the same message', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    await pair.run(['summary', '--repo=@/r'])
    await pair.run(['summary', '--repo=@/r', '--raw'])
    await pair.run(['summary', '--repo=@/r', '-u', '-m', 'nothing'])
    pair.shell(`printf '%064d\\n' 0 > r/refs/heads/gone`)
    await pair.run(['summary', '--repo=@/r', '-u'])
    pair.shell('echo junk > r/summary')
    await pair.run(['summary', '--repo=@/r', '--raw'])
    await pair.run(['summary', '--repo=@/r', '-u', '-m', 'a=@@'])
    await pair.run(['summary', '--repo=@/r', '-u', '-m', 'a=[1,', '-m', 'b=1'])
    expect(await pair.run(['summary', '--repo=@/r', '-u', '-m', 'k=v'])).toMatchObject({ status: 1, stdout: '' })
  })

  test('both print the summary of a remote with a file URL', async () => {
    await pair.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    await commit('b')
    await update()
    await pair.run(['init', '--repo=@/other', '--mode=archive'])
    await pair.run(['remote', 'add', '--repo=@/other', 'near', 'file://@/r'])
    await pair.run(['remote', 'refs', '--repo=@/other', 'near'])
    await pair.run(['remote', 'summary', '--repo=@/other', 'near'])
    await pair.run(['remote', 'summary', '--repo=@/other', '--raw', 'near'])
    await pair.run(['remote', 'refs', '--repo=@/other', 'absent'])
    pair.shell('rm r/summary')
    await pair.run(['remote', 'refs', '--repo=@/other', 'near'])
    await pair.run(['remote', 'summary', '--repo=@/other', 'near'])
  })

  test.each(['auto-update-summary', 'commit-update-summary'])(
    'both update the summary with every change of a ref if core.%s is set',
    async (key) => {
      await pair.run(['init', '--repo=@/r', '--mode=archive'])
      await pair.run(['config', '--repo=@/r', 'set', `core.${key}`, 'true'])
      const changes = [
        ['commit', '--timestamp=@5', '-b', 'main', '@/tree'],
        ['refs', '--create=other', 'main'],
        ['refs', '--delete', 'main'],
      ]
      for (const [command = '', ...words] of changes) {
        await pair.run([command, '--repo=@/r', ...words])
        const shown = await pair.runBoth(['summary', '--repo=@/r', '--raw'])
        const [theirs, ours] = shown.map(({ stdout }) =>
          stdout.replace(/('ostree.summary.last-modified': <uint64) \d+/, '$1'),
        )
        expect(ours).toBe(theirs)
        expect(ours).toContain('last-modified')
      }
    },
  )

  // 2022.7 prints only the part after the prefix.
  test.each([
    ['summary', 'Unable to rename summary file: : renameat(summary, summary): Is a directory'],
    ['summary.sig', 'Unable to delete summary signature file: : unlink(summary.sig): Is a directory'],
  ])('a directory in the place of %s fails with the text of ostree 2026.4', async (name, message) => {
    pair.shell(`ostree --repo=blocked-${name} init --mode=archive; mkdir blocked-${name}/${name}`)
    const [, ours] = await pair.runBoth(['summary', `--repo=@/blocked-${name}`, '-u'])
    expect(ours).toEqual({ status: 1, stdout: '', stderr: `error: ${message}\n` })
  })
})
