import { describe, expect, test } from 'vitest'
import { EMPTY_BYTES, encodeUtf8, readAll } from '../../src/bytes.ts'
import { openLayer } from '../../src/container/transport/layer-stream.ts'
import { openMemoryLayout } from '../../src/container/transport/memory.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { packTar } from '../../src/tar/index.ts'
import { buildImage } from '../../src/testing/image-builder.ts'

describe.each([nodePlatform, portablePlatform])('an image in memory ($name)', (platform) => {
  const context = { platform, host: { architecture: 'amd64', os: 'linux' } }

  test('a built image is read back unchanged', async () => {
    const tar = await readAll(packTar([{ path: 'a', body: encodeUtf8('hello') }]))
    const files = buildImage(platform, [{ tar }], { tag: 'one', config: { Labels: { a: 'b' } } })
    const source = await openMemoryLayout(files, 'one', context)
    const { config, rootfs } = await source.config()
    expect(config?.Labels).toEqual({ a: 'b' })
    const [layer] = source.manifest.layers
    if (layer === undefined) throw new Error('no layer')
    expect(await readAll(openLayer(source, layer, { platform, diffId: rootfs.diff_ids[0] }))).toEqual(tar)
  })

  test('a missing blob is reported as not found, and a changed one as a digest mismatch', async () => {
    const files = buildImage(platform, [{ tar: encodeUtf8('no tar') }])
    const source = await openMemoryLayout(files, undefined, context)
    const { config, layers } = source.manifest
    files.delete(`blobs/sha256/${layers[0]?.digest.slice(7)}`)
    await expect(readAll(source.blob(layers[0] as (typeof layers)[0]))).rejects.toMatchObject({ code: 'not-found' })
    files.set(`blobs/sha256/${config.digest.slice(7)}`, EMPTY_BYTES)
    await expect(source.config()).rejects.toMatchObject({ name: 'DigestMismatchError' })
  })
})
