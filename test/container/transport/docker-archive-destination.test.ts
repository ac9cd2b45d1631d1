/** Tests of writing images in the form of `docker save`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import {
  type Digest,
  exportImage,
  type ImageSource,
  openDestination,
  openImage,
  parseImageReference,
  pullImage,
  transferImage,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { testRepos } from '../../support/backends.ts'
import { goldenBytes } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { GOLDEN, HOST } from '../encapsulate/kit.ts'
import { goldenImage, sourceOf, unpack } from '../golden-images.ts'
import { memoryRepo } from '../tar-kit.ts'

const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: HOST }
const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const places = testRepos()
// The paths of all tests are in one directory, which has to exist.
beforeAll(() => mkdirSync(dirname(places.path()), { recursive: true }))

async function copyTo(reference: string, source: ImageSource): Promise<Digest> {
  await using to = await openDestination(parseImageReference(reference), CONTEXT)
  return await transferImage(source, to, CONTEXT)
}

async function archived(tag = '', image = CHUNKED): Promise<{ path: string; digest: Digest }> {
  const path = `${places.path()}.tar`
  await using source = await sourceOf(image)()
  return { path, digest: await copyTo(`docker-archive:${path}${tag}`, source) }
}

const filesOf = (path: string) => unpack(new Uint8Array(readFileSync(path)))
const textOf = (path: string, name: string) => new TextDecoder().decode(filesOf(path).get(name))

describe('an image as a docker-archive', () => {
  test('a docker-archive has the uncompressed layers, the config and manifest.json', async () => {
    const { path, digest } = await archived(':box:1')
    const diffIds = GOLDEN.chunked.config.rootfs.diff_ids
    const layers = diffIds.map((diffId) => `${diffId.slice(7)}.tar`)
    const config = `${GOLDEN.chunked.manifest.config.digest.slice(7)}.json`
    expect([...filesOf(path).keys()]).toEqual([...new Set(layers), config, 'manifest.json'])
    expect(JSON.parse(textOf(path, 'manifest.json'))).toEqual([
      { Config: config, RepoTags: ['docker.io/library/box:1'], Layers: layers },
    ])
    for (const [name, bytes] of filesOf(path)) {
      if (name !== 'manifest.json') expect(name.slice(0, 64)).toBe(nodePlatform.sha256(bytes))
    }
    await using image = await openImage(parseImageReference(`docker-archive:${path}:box:1`), CONTEXT)
    expect(image.manifestDigest).toBe(digest)
    const repo = await memoryRepo()
    const pulled = await pullImage(repo, `ostree-unverified-image:docker-archive:${path}`, CONTEXT)
    expect(pulled.baseCommit).toBe(GOLDEN.commit)
  })

  test.each(['oci-zstd', 'oci-zstd-chunked'])('a docker-archive of %s is the same as of gzip layers', async (name) => {
    const [gzip, zstd] = [await archived(), await archived('', goldenImage(`container/${name}.tar.gz`))]
    expect(zstd.digest).toBe(gzip.digest)
    expect(readFileSync(zstd.path).equals(readFileSync(gzip.path))).toBe(true)
  })

  test('a docker-archive written to the path of its source replaces it with the same bytes', async () => {
    const { path, digest } = await archived()
    const before = readFileSync(path)
    await using source = await openImage(parseImageReference(`docker-archive:${path}`), CONTEXT)
    expect(await copyTo(`docker-archive:${path}`, source)).toBe(digest)
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(dirname(path)).filter((name) => name.startsWith('.tmp'))).toEqual([])
  })

  test("a docker-archive of a Docker image keeps Docker's config", async () => {
    const from = places.path()
    for (const [path, bytes] of unpack(gunzipSync(goldenBytes('container/dir-v2s2.tar.gz')))) {
      if (path.endsWith('/')) continue
      mkdirSync(dirname(join(from, path)), { recursive: true })
      writeFileSync(join(from, path), bytes)
    }
    await using source = await openImage(parseImageReference(`dir:${from}`), CONTEXT)
    const path = `${places.path()}.tar`
    await copyTo(`docker-archive:${path}`, source)
    await using saved = await openImage(parseImageReference(`docker-archive:${path}`), CONTEXT)
    expect(await readAll(one(await saved.configBytes()))).toEqual(await source.configBytes())
  })

  test('a docker-archive of a stored image is pulled as the same image', async () => {
    const repo = await memoryRepo()
    const options = { host: HOST, open: sourceOf(CHUNKED) }
    const { baseCommit } = await pullImage(repo, 'ostree-unverified-image:oci:image', options)
    const path = `${places.path()}.tar`
    const digest = await exportImage(repo, parseImageReference('oci:image'), `docker-archive:${path}:a/b`, CONTEXT)
    const again = await memoryRepo()
    const back = await pullImage(again, `ostree-unverified-image:docker-archive:${path}:docker.io/a/b:latest`, CONTEXT)
    expect([back.baseCommit, back.manifestDigest]).toEqual([baseCommit, digest])
  })

  test('a docker-archive is not written under an invalid tag', async () => {
    for (const tag of ['Foo:1', '@0', `foo@sha256:${'0'.repeat(64)}`]) {
      await expect(archived(`:${tag}`)).rejects.toMatchObject({ code: 'invalid' })
    }
  })

  test('a docker-archive is not written when a layer does not match its diff id or its digest', async () => {
    const path = `${places.path()}.tar`
    const source = await sourceOf(CHUNKED)()
    const [first, second] = source.manifest.layers
    const swapped: ImageSource = {
      ...source,
      original: {
        ...source.original,
        bytes: encodeUtf8(
          JSON.stringify({ ...source.manifest, layers: [second, first, ...source.manifest.layers.slice(2)] }),
        ),
      },
    }
    const liar: ImageSource = {
      ...source,
      async *blob(layer) {
        for await (const chunk of source.blob(layer)) yield chunk.subarray(0, chunk.length - 1)
      },
    }
    await expect(copyTo(`docker-archive:${path}`, swapped)).rejects.toMatchObject({ code: 'corrupt' })
    await expect(copyTo(`docker-archive:${path}`, liar)).rejects.toMatchObject({ code: 'corrupt' })
    await using to = await openDestination(parseImageReference(`docker-archive:${path}`), CONTEXT)
    await expect(to.commit()).rejects.toThrow('needs a manifest')
    await expect(to.putManifest(source.original.bytes, { mediaType: 'text/plain' })).rejects.toThrow('cannot hold')
    expect(existsSync(path)).toBe(false)
  })
})

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

describeReference('skopeo', 'a docker-archive, compared with that of skopeo', () => {
  const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args])

  test('a docker-archive has the same layers, config and tag as that of skopeo, and skopeo reads it', async () => {
    const layout = places.path()
    for (const [path, bytes] of unpack(gunzipSync(goldenBytes('container/oci-chunked.tar.gz')))) {
      if (path.endsWith('/')) continue
      mkdirSync(dirname(join(layout, path)), { recursive: true })
      writeFileSync(join(layout, path), bytes)
    }
    const theirs = `${places.path()}.tar`
    skopeo('copy', `oci:${layout}`, `docker-archive:${theirs}:quay.io/a/box:1`)
    const { path: ours, digest } = await archived(':quay.io/a/box:1')
    expect(textOf(ours, 'manifest.json')).toBe(textOf(theirs, 'manifest.json'))
    const expected = filesOf(theirs)
    for (const [name, bytes] of filesOf(ours))
      expect(nodePlatform.sha256(bytes)).toBe(nodePlatform.sha256(expected.get(name) ?? new Uint8Array(0)))

    const inspected = JSON.parse(skopeo('inspect', `docker-archive:${ours}:quay.io/a/box:1`))
    expect([inspected.Digest, inspected.Layers]).toEqual([digest, GOLDEN.chunked.config.rootfs.diff_ids])
    const copy = places.path()
    skopeo('copy', `docker-archive:${ours}`, `oci:${copy}:x`)
    const pulled = await pullImage(await memoryRepo(), `ostree-unverified-image:oci:${copy}:x`, CONTEXT)
    expect(pulled.baseCommit).toBe(GOLDEN.commit)
  })
})
