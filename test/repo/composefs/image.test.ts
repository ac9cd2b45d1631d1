import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, fromHex } from '../../../src/bytes.ts'
import { verityDigest } from '../../../src/composefs/index.ts'
import { LimitError, ObjectNotFoundError } from '../../../src/errors.ts'
import { bytes, string, type Vardict, variantOf } from '../../../src/gvariant/index.ts'
import { readNodes } from '../../../src/repo/composefs/nodes.ts'
import { COMPOSEFS_KEY, commit, composefsImage, type Repo, verifiedComposefsImage } from '../../../src/repo/index.ts'
import { BACKENDS, testRepos, testWith } from '../../support/backends.ts'
import { commitRaw, commitTree, memoryRepo } from '../../support/commits.ts'

const repos = testRepos()

/** The tree that `/usr/bin/hello`, a link to it and an empty file make, and its digest by ostree 2026.4. */
const TREE = {
  'usr/bin/hello': { mode: 0o100755, content: 'hello\n' },
  'usr/bin/hi': { mode: 0o120777, content: 'hello' },
  'usr/empty': { mode: 0o100644, content: '' },
}
const DIGEST = 'b1127416b8e9fbfb1f70bf57ca4fc5f979a89fda185c50e6b489ab006b364223'
const UNBOUND_DIGEST = '556d09f1779d325f7d88fb21a59e139ec7d80960d9892870e9cae7fa80af7d9d'

describe.each(BACKENDS)('$name', (backend) => {
  for (const mode of ['archive', 'bare-user', 'bare-user-only'] as const) {
    testWith(backend, mode, `a repository of mode ${mode} gives the image that ostree writes`, async () => {
      const repo = await repos.create(backend, mode)
      const rev = await commitTree(repo, TREE)
      const image = await composefsImage(repo, rev)
      expect([image.size, image.digest]).toEqual([16384, DIGEST])
      const content = concatBytes([...image.bytes()])
      expect([content.length, await verityDigest(repo.platform, content)]).toEqual([16384, DIGEST])
      expect((await composefsImage(repo, rev, { verity: false })).digest).toBe(UNBOUND_DIGEST)
    })
  }
})

async function commitWith(repo: Repo, metadata: Vardict): Promise<Checksum> {
  const base = await commitTree(repo, TREE)
  return (await commit(repo, { trees: [{ rev: base }], orphan: true, timestamp: 5n, metadata, composefs: false }))
    .commit
}

describe('the digest in the metadata of a commit', () => {
  test('is written by a commit that asks for it, in place of a value that was given', async () => {
    const repo = await memoryRepo()
    const base = await commitTree(repo, TREE)
    const metadata: Vardict = [[COMPOSEFS_KEY, variantOf(string, 'text')]]
    const made = await commit(repo, { trees: [{ rev: base }], orphan: true, timestamp: 5n, metadata, composefs: true })
    const written = (await repo.readCommit(made.commit)).metadata.filter(([key]) => key === COMPOSEFS_KEY)
    expect(written).toEqual([[COMPOSEFS_KEY, variantOf(bytes, fromHex(DIGEST))]])
    expect((await verifiedComposefsImage(repo, made.commit)).digest).toBe(DIGEST)
  })

  test('must be that of the image', async () => {
    const repo = await memoryRepo()
    const other = await commitWith(repo, [[COMPOSEFS_KEY, variantOf(bytes, new Uint8Array(32))]])
    await expect(verifiedComposefsImage(repo, other)).rejects.toThrow(
      `Generated composefs image digest (${DIGEST}) doesn't match expected digest (${'00'.repeat(32)})`,
    )
  })

  test('must have 32 bytes', async () => {
    const repo = await memoryRepo()
    const short = await commitWith(repo, [[COMPOSEFS_KEY, variantOf(bytes, new Uint8Array(2))]])
    await expect(verifiedComposefsImage(repo, short)).rejects.toThrow(
      'Expected composefs fs-verity in metadata has the wrong size',
    )
  })

  test('is ignored when it has another type', async () => {
    const repo = await memoryRepo()
    const text = await commitWith(repo, [[COMPOSEFS_KEY, variantOf(string, 'text')]])
    expect((await verifiedComposefsImage(repo, text)).digest).toBe(DIGEST)
  })
})

describe('a tree that cannot be an image', () => {
  test('lacks a file', async () => {
    const repo = await memoryRepo()
    const absent = 'ab'.repeat(32) as Checksum
    const rev = await commitRaw(repo, (make) => make({ files: [{ name: 'x', checksum: absent }] }))
    for (const verity of [true, false]) {
      const error = await composefsImage(repo, rev, { verity }).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(ObjectNotFoundError)
      expect(String(error)).toContain(
        `Checking out composefs: Processing ${absent}: Couldn't find file object '${absent}'`,
      )
    }
  })

  test('refers to one directory so often that its nodes would fill the memory', async () => {
    const repo = await memoryRepo()
    const rev = await commitRaw(repo, async (make, file) => {
      const checksum = await file('x')
      let tree = await make({ files: Array.from({ length: 64 }, (_, i) => ({ name: `f${i + 10}`, checksum })) })
      for (let level = 0; level < 3; level++) {
        const inner = tree
        tree = await make({ dirs: Array.from({ length: 40 }, (_, i) => ({ name: `d${i + 10}`, tree: inner })) })
      }
      return tree
    })
    const { rootTree, rootMeta } = await repo.readCommit(rev)
    const root = { tree: rootTree, meta: rootMeta }
    const maxMemory = 64 << 20
    await expect(readNodes(repo.objects, repo.platform, root, { verity: true, maxMemory })).rejects.toThrow(LimitError)
  })

  test('is not read further when the signal is aborted', async () => {
    const repo = await memoryRepo()
    const rev = await commitTree(repo, TREE)
    await expect(composefsImage(repo, rev, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop')
  })
})

test('names and targets keep their bytes', async () => {
  const repo = await memoryRepo()
  const rev = await commitTree(repo, { 'été/日本': { mode: 0o120777, content: '../é t' } })
  const lines = [...(await composefsImage(repo, rev)).dump()]
  expect(lines.at(-1)).toContain(
    '/\\xc3\\xa9t\\xc3\\xa9/\\xe6\\x97\\xa5\\xe6\\x9c\\xac 7 120777 1 0 0 0 0.0 ../\\xc3\\xa9\\x20t - -\n',
  )
})
