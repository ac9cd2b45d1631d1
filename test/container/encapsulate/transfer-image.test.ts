/** Tests of copying images between transports. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  type ImageSource,
  openDestination,
  openImage,
  openMemoryDestination,
  openMemoryLayout,
  parseImageReference,
  pullImage,
  transferImage,
} from '../../../src/container/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Progress } from '../../../src/progress.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { testRepos } from '../../support/backends.ts'
import { goldenBytes } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { goldenImage, sourceOf, unpack } from '../golden-images.ts'
import { memoryRepo } from '../tar-kit.ts'
import { documentsOf, GOLDEN, HOST } from './kit.ts'

const CONTEXT = { platform: nodePlatform, files: nodeFiles, host: HOST }
const places = testRepos()

/** Unpacks a vector into a new directory. */
function laidDown(name: string): string {
  const root = places.path()
  for (const [path, bytes] of unpack(gunzipSync(goldenBytes(name)))) {
    if (path.endsWith('/')) continue
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), bytes)
  }
  return root
}

async function mergeOf(source: () => Promise<ImageSource>): Promise<string> {
  const repo = await memoryRepo()
  const image = await pullImage(repo, 'ostree-unverified-image:oci:x', { host: HOST, open: source })
  return image.baseCommit
}

describe('a copied image', () => {
  test('a copied image keeps all digests if the destination accepts its manifest', async () => {
    const image = goldenImage('container/oci-chunked.tar.gz')
    await using source = await sourceOf(image)()
    const path = places.path()
    await using to = await openDestination(parseImageReference(`oci:${path}:copy`), CONTEXT)
    const events: Progress[] = []
    const onProgress = (event: Progress) => void events.push(event)
    expect(await transferImage(source, to, { ...CONTEXT, onProgress })).toBe(image.manifest)
    expect(events.filter(({ kind }) => kind === 'layer-done')).toHaveLength(3)

    await using copy = await openImage(parseImageReference(`oci:${path}:copy`), CONTEXT)
    expect(copy.manifestDigest).toBe(image.manifest)
    await using again = await openDestination(parseImageReference(`oci:${path}:other`), CONTEXT)
    events.length = 0
    await transferImage(copy, again, { ...CONTEXT, onProgress })
    expect(events.map(({ kind }) => kind)).toEqual(['layer-cached', 'layer-cached', 'layer-cached'])
  })

  test('a Docker image is converted to OCI with the same layers', async () => {
    await using source = await openImage(parseImageReference(`dir:${laidDown('container/dir-v2s2.tar.gz')}`), CONTEXT)
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await transferImage(source, to, CONTEXT)
    const { manifest, config } = documentsOf(files)
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(source.manifest.layers.map(({ digest }) => digest))
    expect(manifest.config.digest).toBe(source.manifest.config.digest)
    expect(config.rootfs.diff_ids).toEqual(GOLDEN.chunked.config.rootfs.diff_ids)
    expect(await mergeOf(() => openMemoryLayout(files, undefined, CONTEXT))).toBe(GOLDEN.commit)
  })

  test('a Docker image stays one in a directory, which accepts any type', async () => {
    const from = laidDown('container/dir-v2s2.tar.gz')
    await using source = await openImage(parseImageReference(`dir:${from}`), CONTEXT)
    const path = places.path()
    await using to = await openDestination(parseImageReference(`dir:${path}`), CONTEXT)
    expect(await transferImage(source, to, CONTEXT)).toBe(source.manifestDigest)
    expect(readdirSync(path).sort()).toEqual(readdirSync(from).sort())
  })

  test('uncompressed layers of an image are compressed by the copy', async () => {
    const path = join(laidDown('container/docker-archive.tar.gz'), '..', 'archive.tar')
    writeFileSync(path, gunzipSync(goldenBytes('container/docker-archive.tar.gz')))
    await using source = await openImage(parseImageReference(`docker-archive:${path}`), CONTEXT)
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await transferImage(source, to, CONTEXT)
    const { config } = documentsOf(files)
    expect(config.rootfs.diff_ids).toEqual(GOLDEN.chunked.config.rootfs.diff_ids)
    expect(await mergeOf(() => openMemoryLayout(files, undefined, CONTEXT))).toBe(GOLDEN.commit)
  })

  test('an image with a wrong blob is not copied', async () => {
    const image = goldenImage('container/oci-chunked.tar.gz')
    const source = await sourceOf(image)()
    const liar: ImageSource = {
      ...source,
      async *blob(layer) {
        for await (const chunk of source.blob(layer)) yield chunk.map((byte) => byte ^ 1)
      },
    }
    const files = new Map<string, Uint8Array>()
    await using to = openMemoryDestination(files, undefined, nodePlatform)
    await expect(transferImage(liar, to, CONTEXT)).rejects.toThrow('corrupted blob, expecting sha256:')
    expect(files.has('index.json')).toBe(false)
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(transferImage(source, to, { ...CONTEXT, signal: aborted })).rejects.toThrow('enough')
  })
})

describeReference('skopeo', 'a copied image, compared with that of skopeo', () => {
  test('a copied image has the same blobs as the copy of skopeo', async () => {
    const from = laidDown('container/oci-chunked.tar.gz')
    const theirs = places.path()
    run('skopeo', ['--insecure-policy', 'copy', `oci:${from}`, `oci:${theirs}:x`])
    const ours = places.path()
    await using source = await openImage(parseImageReference(`oci:${from}`), CONTEXT)
    await using to = await openDestination(parseImageReference(`oci:${ours}:x`), CONTEXT)
    await transferImage(source, to, CONTEXT)
    expect(run('diff', ['-r', join(theirs, 'blobs'), join(ours, 'blobs')])).toBe('')
  })
})
