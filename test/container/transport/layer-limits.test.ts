/** Tests of limits that are checked before layers are decompressed, and of layers that an archive names many times. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { openImage, parseImageReference, pullImage } from '../../../src/container/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { packFiles } from '../../../src/testing/index.ts'
import { file, tarBytes } from '../../support/tar-bytes.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { memoryRepo } from '../tar-kit.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const folder = temporaryFolder()
const layer = tarBytes([file('usr/zeros', '\0'.repeat(1_000_000))])
const compressed = gzipSync(layer)
const diffId = `sha256:${nodePlatform.sha256(layer)}`

/** Writes an archive that names its only layer `count` times. @returns its path */
async function archiveOf(name: string, count: number): Promise<string> {
  const rootfs = { type: 'layers', diff_ids: Array(count).fill(diffId) }
  const document = encodeUtf8(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }))
  const saved = [{ Config: 'config.json', RepoTags: ['a:1'], Layers: Array(count).fill('layer.tar') }]
  const path = join(folder, name)
  const files = new Map([
    ['layer.tar', new Uint8Array(compressed)],
    ['config.json', document],
    ['manifest.json', encodeUtf8(JSON.stringify(saved))],
  ])
  writeFileSync(path, await packFiles(files))
  return path
}

/** Opens an archive. @returns how many streams were decompressed meanwhile, and the number of layers or the error */
async function opened(path: string, limits: { maxLayers?: number; maxLayerBytes?: number } = {}) {
  let streams = 0
  const platform: Platform = {
    ...nodePlatform,
    decompress: (...args) => {
      streams++
      return nodePlatform.decompress(...args)
    },
  }
  const context = { platform, files: nodeFiles, host: HOST, ...limits }
  const result = await openImage(parseImageReference(`docker-archive:${path}`), context).then(
    (image) => image.manifest.layers.length,
    (error: unknown) => error,
  )
  return { streams, result }
}

test('an archive with too many layers is refused before one is decompressed', async () => {
  const path = await archiveOf('many.tar', 50_000)
  const error = { name: 'LimitError', message: expect.stringContaining('number of layers') }
  expect(await opened(path)).toMatchObject({ streams: 0, result: error })
  expect(await opened(await archiveOf('few.tar', 3), { maxLayers: 2 })).toMatchObject({ streams: 0, result: error })
})

test('a layer that an archive names many times is decompressed once', async () => {
  expect(await opened(await archiveOf('repeated.tar', 900))).toEqual({ streams: 1, result: 900 })
})

test('a layer is decompressed only up to the limit of its size', async () => {
  const { result } = await opened(await archiveOf('large.tar', 2), { maxLayerBytes: 100_000 })
  expect(result).toMatchObject({
    name: 'LimitError',
    message: expect.stringMatching(/size exceeds the limit of 100000/),
  })
})

test('an import passes its limits to the transport', async () => {
  const path = await archiveOf('import.tar', 5)
  for (const limits of [{ maxLayers: 4 }, { maxLayerBytes: 1000 }]) {
    const pulling = pullImage(await memoryRepo(), `ostree-unverified-image:docker-archive:${path}`, {
      files: nodeFiles,
      host: HOST,
      limits,
    })
    await expect(pulling).rejects.toMatchObject({ name: 'LimitError' })
  }
})
