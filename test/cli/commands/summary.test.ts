import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lookup, parseVariantText, u64be, type Vardict } from '../../../src/gvariant/index.ts'
import { commitCollectionMetadata, OSTREE_METADATA, Summary, updateSummary } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { describeReference, run } from '../../support/reference.ts'
import { Twins } from '../twins.ts'

const EXTRA: Vardict = [
  ['exp.str', parseVariantText('"hello"')],
  ['exp.u', parseVariantText('uint32 5')],
  ['exp.arr', parseVariantText('["a","b"]')],
  ['x.y', parseVariantText('@ay []')],
  ['ostree.summary.mode', parseVariantText('true')],
  ['exp.u', parseVariantText('uint32 6')],
]
const EXTRA_TEXT = ['exp.str="hello"', 'exp.u=uint32 5', 'exp.arr=["a","b"]', 'x.y=@ay []', 'ostree.summary.mode=true']

describeReference('ostree', 'summaries, beside ostree', () => {
  let twins: Twins
  beforeEach(async () => {
    twins = new Twins()
    twins.shell('mkdir tree; echo a > tree/a')
  })
  afterEach(() => twins.remove())

  const ostree = (...words: string[]): string => run('ostree', words, { cwd: twins.theirs })
  const commit = async (ref: string, ...more: string[]): Promise<void> => {
    const words = ['commit', '--repo=@/r', '--timestamp=@1700000000', `--branch=${ref}`, ...more, '@/tree']
    expect(await twins.run(words)).toMatchObject({ status: 0 })
  }

  /** Makes both summaries, ours at the time of theirs, and compares the files. */
  async function update(metadata: Vardict = [], text: readonly string[] = []): Promise<void> {
    ostree('summary', '--repo=r', '-u', ...text.flatMap((given) => ['-m', given]))
    const bytes = new Uint8Array(readFileSync(join(twins.theirs, 'r/summary')))
    const made = Summary.decode(bytes)
    const timestamp = lookup(made.metadata, 'ostree.summary.last-modified', u64be) as bigint // always there
    const repo = await openRepo(join(twins.ours, 'r'))
    const metadataRef = made.refs.find(({ name }) => name === OSTREE_METADATA)
    if (metadataRef !== undefined) {
      const committed = lookup(metadataRef.latest.metadata, 'ostree.commit.timestamp', u64be) as bigint
      await commitCollectionMetadata(repo, { metadata, timestamp: committed })
    }
    await updateSummary(repo, { metadata, timestamp })
    await repo.close()
    for (const path of ['r/summary', 'r/config', 'r/refs']) twins.expectSame(path)
    await twins.run(['summary', '--repo=@/r', '--raw'])
    const unsigned = (theirs: string): string => `${theirs}Summary is unsigned\n`
    await twins.run(['summary', '--repo=@/r', '--view'], { stdout: unsigned })
  }

  test('of no refs, of refs, of versions', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive'])
    await update()
    await commit('main')
    await commit('main', '--add-metadata-string=version=v1')
    await commit('a/b/c')
    await commit('Z', '--add-metadata=version=uint32 1')
    await commit('rem:main')
    await twins.run(['refs', '--repo=@/r', '-A', '--create=alias', 'main'])
    await update(EXTRA, [...EXTRA_TEXT, 'exp.u=uint32 6'])
  })

  test.each(['bare', 'bare-user', 'bare-user-only'])('says that the mode is %s', async (mode) => {
    await twins.run(['init', '--repo=@/r', `--mode=${mode}`])
    twins.shell('echo "tombstone-commits=true" >> r/config')
    await commit('main')
    await update()
  })

  test('lists deltas, indexes them, and forgets both', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    twins.shell('echo b > tree/a')
    await commit('main')
    ostree('--repo=r', 'static-delta', 'generate', 'main')
    ostree('--repo=r', 'static-delta', 'generate', '--empty', '--to=main')
    run('cp', ['-a', join(twins.theirs, 'r/deltas'), join(twins.ours, 'r/deltas')])
    await update()
    twins.expectSame('r/delta-indexes')
    await twins.run(['config', '--repo=@/r', 'set', 'core.no-deltas-in-summary', 'true'])
    await update()
    twins.shell('rm -r r/deltas; : > r/summary.sig')
    await update()
    twins.expectSame('r', (name) => /^(objects|tmp|deltas|\.lock$)/.test(name))
  })

  test('maps the refs of other collections, mirrored ones and those of remotes', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    await twins.run(['refs', '--repo=@/r', '-c', '--create=org.b:x/y', 'main'])
    await twins.run(['refs', '--repo=@/r', '-c', '--create=org.a:z', 'main'])
    await twins.run(['remote', 'add', '--repo=@/r', '--collection-id=org.r', 'rem', 'http://x'])
    await commit('rem:main', '--no-bindings')
    await commit('other:main', '--no-bindings')
    await update()
  })

  test('of a collection begin with its own refs, and with a commit for its metadata', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive', '--collection-id=org.example.C'])
    await commit('main')
    await update()
    await commit('other')
    await twins.run(['refs', '--repo=@/r', '-c', '--create=org.b:x', 'main'])
    await update(EXTRA.slice(0, 4), EXTRA_TEXT.slice(0, 4))
    await twins.run(['show', '--repo=@/r', '--raw', OSTREE_METADATA])
  })

  test('cannot be made of what is broken, and say so as ostree does', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive'])
    await twins.run(['summary', '--repo=@/r'])
    await twins.run(['summary', '--repo=@/r', '--raw'])
    await twins.run(['summary', '--repo=@/r', '-u', '-m', 'nothing'])
    twins.shell(`printf '%064d\\n' 0 > r/refs/heads/gone`)
    await twins.run(['summary', '--repo=@/r', '-u'])
    twins.shell('echo junk > r/summary')
    await twins.run(['summary', '--repo=@/r', '--raw'])
    await twins.run(['summary', '--repo=@/r', '-u', '-m', 'a=@@'])
    await twins.run(['summary', '--repo=@/r', '-u', '-m', 'a=[1,', '-m', 'b=1'])
    expect(await twins.run(['summary', '--repo=@/r', '-u', '-m', 'k=v'])).toMatchObject({ status: 1, stdout: '' })
  })

  test('of a remote that is a directory can be looked at', async () => {
    await twins.run(['init', '--repo=@/r', '--mode=archive'])
    await commit('main')
    await commit('b')
    await update()
    await twins.run(['init', '--repo=@/other', '--mode=archive'])
    await twins.run(['remote', 'add', '--repo=@/other', 'near', 'file://@/r'])
    await twins.run(['remote', 'refs', '--repo=@/other', 'near'])
    await twins.run(['remote', 'summary', '--repo=@/other', 'near'])
    await twins.run(['remote', 'summary', '--repo=@/other', '--raw', 'near'])
    await twins.run(['remote', 'refs', '--repo=@/other', 'absent'])
    twins.shell('rm r/summary')
    await twins.run(['remote', 'refs', '--repo=@/other', 'near'])
    await twins.run(['remote', 'summary', '--repo=@/other', 'near'])
  })

  test.each(['auto-update-summary', 'commit-update-summary'])(
    'are made with every change of a ref under core.%s',
    async (key) => {
      await twins.run(['init', '--repo=@/r', '--mode=archive'])
      await twins.run(['config', '--repo=@/r', 'set', `core.${key}`, 'true'])
      const changes = [
        ['commit', '--timestamp=@5', '-b', 'main', '@/tree'],
        ['refs', '--create=other', 'main'],
        ['refs', '--delete', 'main'],
      ]
      for (const [command = '', ...words] of changes) {
        await twins.run([command, '--repo=@/r', ...words])
        const shown = await twins.runBoth(['summary', '--repo=@/r', '--raw'])
        const [theirs, ours] = shown.map(({ stdout }) =>
          stdout.replace(/('ostree.summary.last-modified': <uint64) \d+/, '$1'),
        )
        expect(ours).toBe(theirs)
        expect(ours).toContain('last-modified')
      }
    },
  )
})
