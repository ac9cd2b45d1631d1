/** The commits of test/golden/core/commits.json, which `ostree commit` made, made again from the same arguments. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { parseVariantText, string, type Variant, variantOf } from '../../../src/gvariant/index.ts'
import { Commit, decodeSizes, loosePath, type MetaType } from '../../../src/objects/index.ts'
import {
  type CommitOptions,
  commit,
  type DirectorySource,
  type Repo,
  SIZES_KEY,
  type TreeInput,
} from '../../../src/repo/index.ts'
import { parseSkipList, parseStatOverrides } from '../../../src/repo/internal.ts'
import { BACKENDS, describeWith, testRepos } from '../../support/backends.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { memoryDirectory, unpackedTar } from '../../support/memory-directory.ts'

interface Case {
  readonly description: string
  readonly args: readonly string[]
  readonly checksum: Checksum
  readonly commit_b64: string
  readonly env?: Readonly<Record<string, string>>
  readonly aux?: { readonly statoverride?: string; readonly skiplist?: string; readonly tar_b64?: string }
  readonly detached_b64?: string
}

interface Input {
  readonly path: string
  readonly mode: string
  readonly content_b64: string
}

const golden = goldenJson<{ inputs: Record<string, Input[]>; commits: Case[] }>('core/commits.json')
const objects = goldenJson<{ loose_path: string; data_b64: string }[]>('core/commits-objects.json')
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'))

function described(inputs: readonly Input[]): DirectorySource {
  return memoryDirectory(
    Object.fromEntries(
      inputs.map(({ path, mode, content_b64 }) => [
        path,
        { mode: Number.parseInt(mode, 8), content: bytes(content_b64) },
      ]),
    ),
  )
}

const directories: Record<string, DirectorySource> = {
  'tree-a': unpackedTar(goldenBytes('core/tree-a.tar')),
  tiny: described(golden.inputs['tiny'] as Input[]),
  'so-tree': described(golden.inputs['so-tree'] as Input[]),
}
/** The archive, which only the first vector that uses it has. */
const tar = bytes(golden.commits.find(({ aux }) => aux?.tar_b64 !== undefined)?.aux?.tar_b64 as string)

function parseTimestamp(text: string): bigint {
  if (text.startsWith('@')) return BigInt(text.slice(1))
  return BigInt(Date.parse(text.replace(' +0000', 'Z')) / 1000)
}

/** Converts arguments of `ostree commit` to options. */
function optionsOf({ args, aux, env }: Case): CommitOptions {
  const values = (name: string) =>
    args.filter((arg) => arg.startsWith(`--${name}=`)).map((arg) => arg.slice(name.length + 3))
  const value = (name: string) => values(name)[0]
  const short = (name: string) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined)
  const pairs = (name: string, parse: (text: string) => Variant) =>
    values(name).map((pair) => [pair.slice(0, pair.indexOf('=')), parse(pair.slice(pair.indexOf('=') + 1))] as const)
  const asString = (text: string) => variantOf(string, text)

  const pathFilter = value('tar-pathname-filter')?.split(',') as [string, string] | undefined
  const rename = pathFilter && ((path: string) => path.replaceAll(new RegExp(pathFilter[0], 'g'), pathFilter[1]))
  const autocreateParents = args.includes('--tar-autocreate-parents')
  const trees = values('tree').map((tree): TreeInput => {
    const [kind, name = ''] = tree.split('=')
    if (kind === 'dir') return { directory: directories[name] as DirectorySource }
    if (kind === 'ref') return { rev: name }
    return {
      tar: (async function* () {
        yield tar
      })(),
      options: { autocreateParents, rename },
    }
  })
  const modifiers = ['owner-uid=', 'owner-gid=', 'canonical-permissions', 'no-xattrs', 'statoverride=', 'skip-list=']
  const modifier = args.some((arg) => modifiers.some((name) => arg.startsWith(`--${name}`)))
    ? {
        ownerUid: value('owner-uid') === undefined ? undefined : Number(value('owner-uid')),
        ownerGid: value('owner-gid') === undefined ? undefined : Number(value('owner-gid')),
        canonicalPermissions: args.includes('--canonical-permissions'),
        noXattrs: args.includes('--no-xattrs'),
        statOverrides: aux?.statoverride === undefined ? undefined : parseStatOverrides(aux.statoverride),
        skipList: aux?.skiplist === undefined ? undefined : parseSkipList(aux.skiplist),
      }
    : undefined
  const detached = pairs('add-detached-metadata-string', asString)
  return {
    trees,
    modifier,
    branch: short('-b'),
    orphan: args.includes('--orphan'),
    parent: value('parent') as Checksum | 'none' | undefined,
    subject: short('-s'),
    timestamp: parseTimestamp(value('timestamp') ?? `@${env?.['SOURCE_DATE_EPOCH']}`),
    metadata: [...pairs('add-metadata-string', asString), ...pairs('add-metadata', (text) => parseVariantText(text))],
    keepMetadata: values('keep-metadata'),
    bindings: !args.includes('--no-bindings'),
    bindRefs: values('bind-ref'),
    generateSizes: args.includes('--generate-sizes'),
    detachedMetadata: detached.length === 0 ? undefined : detached,
  }
}

const sized = golden.commits.find(({ args }) => args.includes('--generate-sizes')) as Case
const places = testRepos()
/** Modes that keep the owners and xattrs of the commits. The checksums are the same in all of them. */
const HOLDING = ['archive', 'bare-user', 'bare'] as const

test('the vectors have 22 commits and 45 objects', () => {
  expect(golden.commits.length).toBe(22)
  expect(objects.length).toBe(45)
  // Two of them are the same commit.
  const commits = new Set(golden.commits.map(({ checksum }) => loosePath({ checksum, type: 'commit' }, true)))
  const paths = objects.map(({ loose_path }) => loose_path)
  expect(paths.filter((path) => path.endsWith('.commit')).sort()).toEqual([...commits].sort())
  const attached = objects.filter(({ loose_path }) => loose_path.endsWith('.commitmeta'))
  expect(attached.map(({ data_b64 }) => data_b64)).toEqual(golden.commits.flatMap((each) => each.detached_b64 ?? []))
})

describe.each(BACKENDS)('commits of ostree, in $name', (place) => {
  for (const mode of HOLDING) {
    describeWith(place, mode, `in mode ${mode}`, () => {
      let repo: Repo
      beforeAll(async () => {
        repo = await places.create(place, mode)
      })
      afterAll(() => repo.close())

      if (mode === 'archive') {
        test(`the commit has the bytes of ostree, with the sizes that zlib gives: ${sized.description}`, async () => {
          const { commit: checksum } = await commit(repo, optionsOf(sized))
          const ours = Commit.decode(await repo.objects.readMeta('commit', checksum))
          const theirs = Commit.decode(bytes(sized.commit_b64))
          expect(decodeSizes(ours.metadata)).toEqual(decodeSizes(theirs.metadata))
          expect(ours).toEqual(theirs)
          expect(checksum).toBe(sized.checksum)
        })

        test('the sizes depend on the encoder if the compression is not to be exact', async () => {
          const other = await places.create(place, mode)
          const { commit: checksum } = await commit(other, { ...optionsOf(sized), exactCompression: false })
          expect(checksum).not.toBe(sized.checksum)
          await other.close()
        })
      } else {
        test(`the commit does not have sizes, which only mode archive records: ${sized.description}`, async () => {
          const { metadata } = await repo.readCommit((await commit(repo, optionsOf(sized))).commit)
          expect(metadata.map(([key]) => key)).not.toContain(SIZES_KEY)
        })
      }

      // The order matters, because a commit is the parent of the next on its branch.
      for (const given of golden.commits.filter((each) => each !== sized)) {
        test(`the commit has the bytes of ostree: ${given.description}`, async () => {
          const { commit: checksum } = await commit(repo, optionsOf(given))
          const stored = await repo.objects.readMeta('commit', checksum)
          expect(Buffer.from(stored).toString('base64')).toBe(given.commit_b64)
          expect(checksum).toBe(given.checksum)
          if (given.detached_b64 !== undefined) {
            const detached = await repo.objects.readAttached('commitmeta', checksum)
            expect(Buffer.from(detached ?? []).toString('base64')).toBe(given.detached_b64)
          }
        })
      }

      test('all dirtrees and dirmetas have the bytes of ostree', async () => {
        const known = new Set(golden.commits.map(({ checksum }) => checksum))
        const found: Record<string, string> = {}
        for (const type of ['commit', 'dirtree', 'dirmeta'] satisfies MetaType[]) {
          for await (const name of repo.objects.list(type)) {
            if (type === 'commit' && !known.has(name.checksum)) continue
            const data = await repo.objects.readMeta(type, name.checksum)
            found[loosePath(name, true)] = Buffer.from(data).toString('base64')
          }
        }
        const expected = objects.filter(({ loose_path }) => /\.(commit|dirtree|dirmeta)$/.test(loose_path))
        const ofSizes = loosePath({ checksum: sized.checksum, type: 'commit' }, true)
        delete found[ofSizes]
        expect(expected.length).toBe(44)
        expect(found).toEqual(
          Object.fromEntries(
            expected
              .filter(({ loose_path }) => loose_path !== ofSizes)
              .map(({ loose_path, data_b64 }) => [loose_path, data_b64]),
          ),
        )
      })
    })
  }
})
