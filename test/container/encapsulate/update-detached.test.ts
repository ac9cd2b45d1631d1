/** Tests of replacing the detached metadata of commits in images. */
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
  test('adding the signature gives the signed reference stream, and removing it the original one (case E5)', async () => {
    const signed = await replaced(FIXTURE_TAR, SIGNATURE)
    expect(nodePlatform.sha256(signed)).toBe(SIGNED.tar_sha256)
    const before = entriesOf(FIXTURE_TAR).find(({ path }) => path.endsWith('.commitmeta'))?.body
    expect(equalBytes(await replaced(signed, before), FIXTURE_TAR)).toBe(true)
  })

  test('replacing detached metadata by nothing removes it (case E6)', async () => {
    const bare = await replaced(signedTar, undefined)
    const repo = await repoFrom(bare)
    expect(await repo.objects.readAttached('commitmeta', GOLDEN.commit)).toBeUndefined()
    expect(equalBytes(await exported(repo, GOLDEN.commit), bare)).toBe(true)
    expect(equalBytes(await replaced(bare, SIGNATURE), signedTar)).toBe(true)
  })

  test('replacing gives the same stream as exporting with that metadata, whatever the pieces are', async () => {
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
    ['that ends after the commit', [{ path: `${name}.commit` }], 'Expected metadata object after commit'],
    ['where a file follows the commit', [{ path: `${name}.commit` }, { path: 'etc/passwd' }], 'not etc/passwd'],
    [
      'where a malformed object name follows the commit',
      [{ path: `${name}.commit` }, { path: `${objects}/x/y.dirmeta` }],
      'Invalid checksum',
    ],
  ])('replacing is rejected for a stream %s', async (_, entries, message) => {
    const tar = await collect(packTar(entries))
    await expect(replaced(tar, SIGNATURE)).rejects.toThrow(message)
    await expect(replaced(tar, SIGNATURE)).rejects.toThrow('Replacing detached metadata: ')
  })

  test('a truncated stream is an error', async () => {
    for (const length of [0, 1, 511, 512, 5000, 150_000]) {
      await expect(replaced(FIXTURE_TAR.subarray(0, length), SIGNATURE)).rejects.toThrow('Replacing detached metadata')
    }
  })
})

describe('detached metadata of an image', () => {
  test.each(['chunked', 'single'])(
    'replacing changes only the layer of the commit and the documents that name it, in a %s image',
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

  test('an image with replaced metadata is written to another place on disk, or to the same one', async () => {
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

  test('replacing fails for an image without a commit', async () => {
    await using source = await sourceOf(goldenImage('container/oci-nonostree.tar.gz'))()
    await using to = openMemoryDestination(new Map(), undefined, nodePlatform)
    await expect(updateDetachedMetadataTo(source, to, SIGNATURE, { platform: nodePlatform })).rejects.toThrow(
      'Regenerating commit layer: ',
    )
  })
})
