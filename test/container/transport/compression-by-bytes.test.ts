/** Layers whose media type does not say how they are compressed: every type with every compression. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8, equalBytes, readAll } from '../../../src/bytes.ts'
import {
  openDestination,
  openImage,
  openMemoryLayout,
  parseImageReference,
  pullImage,
  transferImage,
} from '../../../src/container/index.ts'
import { openLayer } from '../../../src/container/internal.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packTar } from '../../../src/tar/index.ts'
import {
  buildDockerImage,
  buildImage,
  compressLayer,
  LAYER_CODECS,
  type LayerFields,
  packFiles,
  packLayer,
} from '../../../src/testing/index.ts'
import { run, testReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf } from '../golden-images.ts'
import { memoryRepo } from '../tar-kit.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: HOST }
const open = (image: string) => openImage(parseImageReference(image), CONTEXT)
const PREFIX = 'application/vnd.oci.image.layer.v1.tar'
const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
const DOCKER = 'application/vnd.docker.image.rootfs.diff.tar'
const DOCKER_FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar'
const TYPES = [
  ...[PREFIX, FOREIGN].flatMap((type) => [type, `${type}+gzip`, `${type}+zstd`]),
  ...[DOCKER, `${DOCKER}.gzip`, `${DOCKER}.zstd`, DOCKER_FOREIGN, `${DOCKER_FOREIGN}.gzip`],
]
const MATRIX = TYPES.flatMap((mediaType) => LAYER_CODECS.map((codec) => [mediaType, codec] as const))

/** Names that begin like compressed data: gzip, bzip2, zstd, zip, and a skippable frame of zstd. */
const NAMES = [
  new Uint8Array([0x1f, 0x8b, 0x08, 0x41]),
  encodeUtf8('BZh91AY&SY'),
  new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]),
  encodeUtf8('PK\u0003\u0004'),
  encodeUtf8('P*M\u0018'),
]

const text = (path: string, content: string) => ({ path, body: encodeUtf8(content) })

describe('a layer', () => {
  let base: Uint8Array
  let top: Uint8Array
  let expected: string
  const folder = temporaryFolder()

  beforeAll(async () => {
    base = await packLayer([text('usr/bin/tool', 'base\n'.repeat(3000)), text('usr/lib/x', 'x')])
    top = await packLayer([text('usr/bin/tool', 'top\n'), text('usr/lib/y', 'y'.repeat(5000))])
    expected = await pulledTree([{ tar: base }, { tar: top }])
  })

  /** Pulls an image. @returns the checksum of its root directory */
  async function pulledTree(layers: readonly LayerFields[]): Promise<string> {
    const files = buildImage(nodePlatform, layers)
    const repo = await memoryRepo()
    const { mergeCommit } = await pullImage(repo, 'ostree-unverified-image:oci:/image', {
      host: HOST,
      open: (_, context) => openMemoryLayout(files, undefined, context),
    })
    return (await repo.readCommit(mergeCommit)).rootTree
  }

  async function labelled(tar: Uint8Array, codec: (typeof LAYER_CODECS)[number], mediaType: string) {
    return { ...(await compressLayer(nodePlatform, tar, codec)), mediaType }
  }

  test.each(MATRIX)('of type %s with the bytes of %s is imported by its bytes', async (mediaType, codec) => {
    const layers = [await labelled(base, codec, mediaType), await labelled(top, codec, mediaType)]
    expect(await pulledTree(layers)).toBe(expected)
  })

  test.each(MATRIX)(
    'of type %s with the bytes of %s is copied into an archive as plain tar',
    async (mediaType, codec) => {
      const layers = [await labelled(base, codec, mediaType), await labelled(top, codec, mediaType)]
      const name = join(folder, MATRIX.findIndex(([a, b]) => a === mediaType && b === codec).toString())
      writeLayout(name, layers)
      {
        await using from = await open(`oci:${name}`)
        await using to = await openDestination(parseImageReference(`docker-archive:${name}.tar:box:1`), CONTEXT)
        await transferImage(from, to, CONTEXT)
      }
      await using source = await open(`docker-archive:${name}.tar`)
      const tars = await Promise.all(
        source.manifest.layers.map((layer) => readAll(openLayer(source, layer, { platform: nodePlatform }))),
      )
      expect([tars.length, ...tars.map((tar, i) => equalBytes(tar, i === 0 ? base : top))]).toEqual([2, true, true])
    },
  )

  test.each(NAMES.map((name) => [name] as const))(
    'whose first entry has a name like compressed data is a tar all the same',
    async (name) => {
      const tar = await readAll(packTar([{ path: name, body: encodeUtf8('content') }]))
      for (const codec of LAYER_CODECS) {
        const fields = await labelled(tar, codec, `${PREFIX}+gzip`)
        const blob = fields.blob ?? tar
        async function* stored() {
          for (let at = 0; at < blob.length; at += 100) yield blob.subarray(at, at + 100)
        }
        const layer = { mediaType: `${PREFIX}+gzip`, digest: digestOf(blob), size: blob.length }
        const options = { platform: nodePlatform, diffId: digestOf(tar) }
        expect(equalBytes(await readAll(openLayer({ blob: stored }, layer, options)), tar)).toBe(true)
      }
    },
  )

  test.each(LAYER_CODECS)('with the bytes of %s in an archive of docker is read by its bytes', async (codec) => {
    const { blob } = await compressLayer(nodePlatform, base, codec)
    const path = join(folder, `saved-${codec}.tar`)
    writeFileSync(path, await packFiles(buildDockerImage(nodePlatform, [{ tar: base, found: blob ?? base }])))
    await using source = await open(`docker-archive:${path}`)
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    expect(layer).toMatchObject({ digest: digestOf(base), size: base.length })
    expect(equalBytes(await readAll(openLayer(source, layer, { platform: nodePlatform })), base)).toBe(true)
  })

  test('without any bytes is an empty tar, whatever its type is', async () => {
    for (const mediaType of TYPES) {
      expect(await pulledTree([{ tar: base }, { tar: top }, { tar: new Uint8Array(0), mediaType }])).toBe(expected)
    }
  })

  test('that is neither compressed nor a tar fails as its type says', async () => {
    const blob = encodeUtf8('neither of them '.repeat(100))
    const gzip = pulledTree([{ tar: base, blob, mediaType: `${PREFIX}+gzip` }])
    await expect(gzip).rejects.toMatchObject({ name: 'CompressionError', data: { kind: 'gzip' } })
    const plain = pulledTree([{ tar: blob, mediaType: `${PREFIX}+gzip` }])
    await expect(plain).rejects.toMatchObject({ name: 'TarFormatError' })
  })

  test('is refused if its plain tar is not what the config promises, whatever the bytes are', async () => {
    const twice = new Uint8Array(gzipSync(gzipSync(base)))
    await expect(pulledTree([{ tar: base, blob: twice, mediaType: `${PREFIX}+gzip` }])).rejects.toThrow()
    for (const [mediaType, codec] of MATRIX) {
      const { blob = top } = await compressLayer(nodePlatform, top, codec)
      await expect(pulledTree([{ tar: base, blob, mediaType }])).rejects.toMatchObject({
        name: 'DigestMismatchError',
        data: { what: 'diffId' },
      })
    }
  })

  testReference('skopeo', 'of any type and compression is read by skopeo to the same tar', async () => {
    for (const [i, [mediaType, codec]] of MATRIX.entries()) {
      // Skopeo refuses to convert a manifest of these types.
      if (mediaType.startsWith('application/vnd.docker') || mediaType.endsWith('+zstd')) continue
      const name = join(folder, `skopeo-${i}`)
      writeLayout(name, [await labelled(base, codec, mediaType), await labelled(top, codec, mediaType)])
      run('skopeo', ['copy', '--insecure-policy', '-q', `oci:${name}`, `docker-archive:${name}.tar:box:1`])
      await using source = await open(`docker-archive:${name}.tar`)
      expect([mediaType, codec, ...source.manifest.layers.map((layer) => layer.digest)]).toEqual([
        mediaType,
        codec,
        digestOf(base),
        digestOf(top),
      ])
    }
  })

  function writeLayout(path: string, layers: readonly LayerFields[]): void {
    for (const [name, bytes] of buildImage(nodePlatform, layers)) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), bytes)
    }
  }
})
