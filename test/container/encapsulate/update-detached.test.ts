/** Detached metadata of commits that are in images already. */
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, equalBytes, fromHex } from '../../../src/bytes.ts'
import { replaceDetachedMetadata } from '../../../src/container/encapsulate/detached-metadata.ts'
import {
  encapsulate,
  encapsulateTo,
  openMemoryDestination,
  openMemoryLayout,
  unencapsulate,
  updateDetachedMetadata,
  updateDetachedMetadataTo,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packTar } from '../../../src/tar/index.ts'
import { testRepos } from '../../support/backends.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { goldenImage, sourceOf } from '../golden-images.ts'
import { collect, entriesOf, exported, memoryRepo, repoFrom } from '../tar-kit.ts'
import { CHUNKED, documentsOf, FIXTURE_TAR, fixtureRepo, GOLDEN, HOST } from './kit.ts'

const SIGNED = goldenJson<{ commitmeta_hex: string; tar_sha256: string }>('container/signed-commit.json')
const SIGNATURE = fromHex(SIGNED.commitmeta_hex)
const signedTar = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-signed-export.tar.gz')))
const places = testRepos()

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size)
    buffer.set(piece)
    yield buffer.subarray(0, piece.length)
    buffer.fill(0xee)
  }
}

const replaced = (tar: Uint8Array, metadata: Uint8Array | undefined, size = 1 << 20) =>
  collect(replaceDetachedMetadata(inPieces(tar, size), metadata))

describe('detached metadata in a stream', () => {
  test('E5: becomes the signed stream of the original, byte for byte, and back', async () => {
    const signed = await replaced(FIXTURE_TAR, SIGNATURE)
    expect(nodePlatform.sha256(signed)).toBe(SIGNED.tar_sha256)
    const before = entriesOf(FIXTURE_TAR).find(({ path }) => path.endsWith('.commitmeta'))?.body
    expect(equalBytes(await replaced(signed, before), FIXTURE_TAR)).toBe(true)
  })

  test('E6: is gone when there is none to put in its place', async () => {
    const bare = await replaced(signedTar, undefined)
    const repo = await repoFrom(bare)
    expect(await repo.objects.readAttached('commitmeta', GOLDEN.commit)).toBeUndefined()
    expect(equalBytes(await exported(repo, GOLDEN.commit), bare)).toBe(true)
    expect(equalBytes(await replaced(bare, SIGNATURE), signedTar)).toBe(true)
  })

  test('is what an export of the commit with it has, however the stream comes in pieces', async () => {
    const check = async (metadata: Uint8Array, size: number) => {
      const repo = await fixtureRepo()
      await repo.objects.writeAttached('commitmeta', GOLDEN.commit, metadata)
      expect(equalBytes(await replaced(FIXTURE_TAR, metadata, size), await exported(repo, GOLDEN.commit))).toBe(true)
    }
    const anySize = fc.integer({ min: 100, max: 300_000 })
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), anySize, check), { numRuns: 30 })
  })

  const objects = 'sysroot/ostree/repo/objects'
  const name = `${objects}/61/${'6'.repeat(62)}`
  test.each([
    ['without a commit', [{ path: 'a', body: new Uint8Array(3) }], 'Missing commit object'],
    ['that ends behind the commit', [{ path: `${name}.commit` }], 'Expected metadata object after commit'],
    ['where a file follows the commit', [{ path: `${name}.commit` }, { path: 'etc/passwd' }], 'not etc/passwd'],
    ['where no object follows', [{ path: `${name}.commit` }, { path: `${objects}/x/y.dirmeta` }], 'Invalid checksum'],
  ])('is refused in one %s', async (_, entries, message) => {
    const tar = await collect(packTar(entries))
    await expect(replaced(tar, SIGNATURE)).rejects.toThrow(message)
    await expect(replaced(tar, SIGNATURE)).rejects.toThrow('Replacing detached metadata: ')
  })

  test('a stream cut off anywhere is an error', async () => {
    for (const length of [0, 1, 511, 512, 5000, 150_000]) {
      await expect(replaced(FIXTURE_TAR.subarray(0, length), SIGNATURE)).rejects.toThrow('Replacing detached metadata')
    }
  })
})

describe('detached metadata of an image', () => {
  test.each(['chunked', 'single'])(
    'changes the layer of the commit, and what names it, in one that is %s',
    async (kind) => {
      const options = kind === 'chunked' ? CHUNKED : { host: HOST }
      const before = new Map<string, Uint8Array>()
      await encapsulateTo(
        await fixtureRepo(),
        GOLDEN.commit,
        {},
        options,
        openMemoryDestination(before, undefined, nodePlatform),
      )
      const signedRepo = await repoFrom(signedTar)
      const wanted = new Map<string, Uint8Array>()
      await encapsulateTo(
        signedRepo,
        GOLDEN.commit,
        {},
        options,
        openMemoryDestination(wanted, undefined, nodePlatform),
      )

      const after = new Map<string, Uint8Array>()
      const context = { platform: nodePlatform, host: HOST }
      await using source = await openMemoryLayout(before, undefined, context)
      await using to = openMemoryDestination(after, undefined, nodePlatform)
      const digest = await updateDetachedMetadataTo(source, to, SIGNATURE, context)
      expect(digest).not.toBe(source.manifestDigest)
      expect(documentsOf(after).config).toEqual(documentsOf(wanted).config)
      expect(documentsOf(after).manifest.layers).toEqual(documentsOf(wanted).manifest.layers)

      const repo = await memoryRepo()
      const open = () => openMemoryLayout(after, undefined, context)
      const image = await unencapsulate(repo, 'ostree-unverified-image:oci:x', { host: HOST, open })
      expect(image.commit).toBe(GOLDEN.commit)
      const attached = await repo.objects.readAttached('commitmeta', GOLDEN.commit as Checksum)
      expect(attached !== undefined && equalBytes(attached, SIGNATURE)).toBe(true)
    },
  )

  test('goes from one place on a disk to another, or stays where it is', async () => {
    const path = places.path()
    const options = { platform: nodePlatform, files: nodeFiles, host: HOST }
    const repo = await fixtureRepo()
    const first = await encapsulate(repo, GOLDEN.commit, {}, { ...CHUNKED, files: nodeFiles }, `oci:${path}:a`)
    const signed = await updateDetachedMetadata(`oci:${path}:a`, `oci-archive:${path}.tar:b`, SIGNATURE, options)
    expect(signed).not.toBe(first)
    expect(await updateDetachedMetadata(`oci:${path}:a`, `oci:${path}:a`, SIGNATURE, options)).toBe(signed)
    const back = entriesOf(FIXTURE_TAR).find(({ path }) => path.endsWith('.commitmeta'))?.body
    expect(await updateDetachedMetadata(`oci:${path}:a`, `oci:${path}:a`, back, options)).toBe(first)
  })

  test('is nothing for an image that holds no commit', async () => {
    await using source = await sourceOf(goldenImage('container/oci-nonostree.tar.gz'))()
    await using to = openMemoryDestination(new Map(), undefined, nodePlatform)
    await expect(updateDetachedMetadataTo(source, to, SIGNATURE, { platform: nodePlatform })).rejects.toThrow(
      'Regenerating commit layer: ',
    )
  })
})
