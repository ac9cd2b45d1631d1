/** Tests of the fixture commit: read from the repository that ostree wrote, and unencapsulated from its image. */
import { mkdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { pullImage } from '../../../src/container/index.ts'
import { printVariant, vardict } from '../../../src/gvariant/index.ts'
import { contentChecksum } from '../../../src/objects/index.ts'
import { commitRoot, fsck, type Repo } from '../../../src/repo/index.ts'
import { formatLsLine, listPath } from '../../../src/repo/internal.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { BACKENDS, PLATFORMS, testRepos } from '../../support/backends.ts'
import { goldenJson, unpackGolden } from '../../support/golden.ts'
import { goldenImage, sourceOf } from '../golden-images.ts'

const fixture = goldenJson<{
  ref: string
  commit: Checksum
  content_checksum: string
  timestamp: number
  metadata_in_order: Record<string, string>
  detached_metadata: Record<string, string>
  ls: string[]
  update: { commit: Checksum; parent: Checksum; timestamp: number; chunked_manifest_digest: string }
}>('container/fixture-commit.json')
const places = testRepos()

async function listing(repo: Repo, commit: Checksum): Promise<string[]> {
  const lines: string[] = []
  const root = await commitRoot(repo.objects, commit)
  for await (const listed of listPath(repo.objects, root, '/', { depth: Number.POSITIVE_INFINITY }))
    lines.push(formatLsLine(listed, { checksums: true, xattrs: true }))
  return lines
}

const listed = fixture.ls.filter((line) => line !== '')

test.each(PLATFORMS)(
  'the repository of the fixture commit is read on platform $name as by ostree',
  async (platform) => {
    const path = places.path()
    mkdirSync(path)
    unpackGolden('container/exampleos-archive-repo.tar.gz', path)
    const repo = await openRepo(path, { platform })
    const checksum = await repo.resolve(fixture.ref)
    expect(checksum).toBe(fixture.commit)
    const commit = await repo.readCommit(checksum)
    expect(contentChecksum(platform, commit)).toBe(fixture.content_checksum)
    expect(commit.timestamp).toBe(BigInt(fixture.timestamp))
    expect(commit.metadata.map(([key, value]) => [key, printVariant(value, false)])).toEqual(
      Object.entries(fixture.metadata_in_order),
    )
    const detached = await repo.objects.readAttached('commitmeta', checksum)
    const entries = vardict
      .decode(detached ?? new Uint8Array(0))
      .map(([key, value]) => [key, printVariant(value, false)])
    expect(entries).toEqual(Object.entries(fixture.detached_metadata).map(([key, text]) => [key, `'${text}'`]))
    expect(await listing(repo, checksum)).toEqual(listed)
    expect(await fsck(repo)).toMatchObject({ commits: 1, damaged: 0 })
    await repo.close()
  },
)

describe.each(BACKENDS)('the fixture commit in $name', (place) => {
  test('the fixture commit and its update are imported unchanged from their images', async () => {
    const repo = await places.create(place, 'bare-user')
    const pull = (name: string) => {
      const host = { architecture: 'amd64', os: 'linux' }
      const image = goldenImage(`container/${name}.tar.gz`)
      return pullImage(repo, 'ostree-unverified-image:oci:/image', { host, open: sourceOf(image) })
    }
    expect((await pull('oci-chunked')).baseCommit).toBe(fixture.commit)
    expect(await listing(repo, fixture.commit)).toEqual(listed)
    const updated = await pull('oci-chunked-update')
    const { commit, parent, timestamp, chunked_manifest_digest } = fixture.update
    expect([updated.baseCommit, updated.manifestDigest]).toEqual([commit, chunked_manifest_digest])
    expect(await repo.readCommit(commit)).toMatchObject({ parent, timestamp: BigInt(timestamp) })
    await repo.close()
  })
})
