/** Symbolic links whose mode is not 0777, as tar programs of BSD and macOS write them, in images. */
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import {
  encapsulateTo,
  exportCommit,
  type ObjectMetaSized,
  openMemoryDestination,
  openMemoryLayout,
  pullImage,
  unencapsulate,
} from '../../../src/container/index.ts'
import { commit, type Repo, traverseCommit } from '../../../src/repo/index.ts'
import { HeaderBlock, packTar } from '../../../src/tar/index.ts'
import { run, testReference } from '../../support/reference.ts'
import { ReferenceRepo } from '../../support/reference-repo.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { HOST } from '../encapsulate/kit.ts'
import { collect, exported, memoryRepo, repoFrom } from '../tar-kit.ts'

const MODES = [0o755, 0o777, 0o644, 0, 0o120, 0o4755]
const ENTRIES = [
  { path: './', type: 'directory' as const, mode: 0o755 },
  { path: 'usr', type: 'directory' as const, mode: 0o755 },
  ...MODES.map((mode) => ({ path: `usr/link-${mode}`, type: 'symlink' as const, linkPath: 'target', mode })),
  { path: 'usr/same', type: 'symlink' as const, linkPath: 'target', mode: 0o755 },
  { path: 'usr/target', type: 'file' as const, mode: 0o644, body: new TextEncoder().encode('content') },
]
const layer = () => packTar(ENTRIES)

async function committed() {
  const repo = await memoryRepo()
  const { commit: checksum } = await commit(repo, { trees: [{ tar: layer() }], branch: 'main', timestamp: 0n })
  return { repo, checksum }
}

async function chunks(): Promise<ObjectMetaSized> {
  const { repo, checksum } = await committed()
  const map = new Map<Checksum, string>()
  for await (const { type, checksum: name } of traverseCommit(repo, checksum)) if (type === 'file') map.set(name, 'all')
  const sizes = [{ identifier: 'all', name: 'all', srcid: 'all', changeFrequency: 1, changeTimeOffset: 1, size: 7 }]
  return { map, sizes }
}

/** Expects that a repository has all objects of a commit. */
async function expectAll(from: Repo, repo: Repo, checksum: Checksum): Promise<void> {
  const missing: string[] = []
  for await (const object of traverseCommit(from, checksum)) {
    if (!(await repo.objects.has(object))) missing.push(`${object.checksum}.${object.type}`)
  }
  expect(missing).toEqual([])
}

describe('a commit with symbolic links of any mode', () => {
  test.each(['in one layer', 'in chunks'])('is the same after it was an image %s', async (how) => {
    const { repo, checksum } = await committed()
    const files = new Map<string, Uint8Array>()
    const options = how === 'in chunks' ? { packageContentmeta: await chunks(), maxLayers: 2 } : {}
    await using destination = openMemoryDestination(files, undefined, repo.platform)
    await encapsulateTo(repo, checksum, {}, { host: HOST, ...options }, destination)
    const open = () => openMemoryLayout(files, undefined, { platform: repo.platform, host: HOST })
    const reference = 'ostree-unverified-image:oci:memory'

    const other = await memoryRepo()
    expect((await unencapsulate(other, reference, { host: HOST, open })).commit).toBe(checksum)
    const modes = new Map<string, number>()
    for await (const object of traverseCommit(other, checksum)) {
      if (object.type !== 'file') continue
      const { header } = await other.objects.statFile(object.checksum)
      if (header.target !== '') modes.set(object.checksum, header.mode & 0o7777)
    }
    expect([...modes.values()].sort()).toEqual([...MODES].sort())

    const stored = await memoryRepo()
    await pullImage(stored, reference, { host: HOST, open })
    expect(await stored.commitState(checksum)).toBe('complete')
  })

  test('is the same after it was a stream', async () => {
    const { repo, checksum } = await committed()
    const other = await repoFrom(await collect(exportCommit(repo, checksum)))
    await expectAll(repo, other, checksum)
  })

  test('is imported if the stream has another mode for a link of 0777, which ostree-ext ignores', async () => {
    const { repo, checksum } = await committed()
    const tar = await exported(repo, checksum)
    let changed = 0
    for (let at = 0; at < tar.length; at += 512) {
      const block = tar.subarray(at, at + 512)
      const mode = new TextDecoder().decode(block.subarray(100, 107))
      if (block[156] !== 0x32 || mode !== '0000777') continue
      const header = new HeaderBlock('gnu')
      header.bytes.set(block)
      header.mode = 0o600
      block.set(header.seal())
      changed++
    }
    expect(changed).toBe(1)
    await expectAll(repo, await repoFrom(tar), checksum)
  })

  testReference('ostree', 'is the commit that ostree makes of the same archive', async () => {
    const reference = ReferenceRepo.create(`${temporaryFolder()}/repo`, 'bare-user')
    const tar = await collect(layer())
    const made = run('ostree', [`--repo=${reference.path}`, 'commit', '-b', 'main', '--timestamp=@0', '--tree=tar=-'], {
      input: tar,
    })
    expect(made.trim()).toBe((await committed()).checksum)
  })
})
