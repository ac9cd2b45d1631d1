/** Levels of compression that there are not: refused before anything is read or written, alike on every platform. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readAll, streamOf } from '../../src/bytes.ts'
import { encapsulate, type LayerCompression } from '../../src/container/index.ts'
import { UsageError } from '../../src/errors.ts'
import { nodeFiles, nodePlatform as threadedPlatform } from '../../src/node.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { portablePlatform } from '../../src/platform/portable.ts'
import { createMemoryStorage, Repo } from '../../src/repo/index.ts'
import { directory, storeCommit } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/temporary.ts'

const text = new TextEncoder().encode('text')
const WRONG = [-1, 10, 2.5, Number.NaN, Number.POSITIVE_INFINITY, '6' as unknown as number]

describe.each([
  ['node', nodePlatform],
  ['node, with threads,', threadedPlatform],
  ['portable', portablePlatform],
])('wrong levels on the %s platform', (_, platform) => {
  test.each(WRONG)('%s is refused by gzip and deflate', (level) => {
    const from = streamOf(text)
    for (const exact of [false, true]) {
      expect(() => platform.compress('gzip', from, { level, exact })).toThrow(UsageError)
      expect(() => platform.compress('deflate-raw', from, { level, exact })).toThrow(
        `Invalid level of deflate-raw: ${level}: must be a whole number from 0 to 9`,
      )
    }
    expect(() => platform.deflateRaw(text, level)).toThrow(UsageError)
  })

  test.each([-1, 23, 2.5, Number.NaN])('%s is refused by zstd', (level) => {
    expect(() => platform.compress('zstd', streamOf(text), { level })).toThrow(UsageError)
  })

  test('every level from 0 to 9 is accepted', async () => {
    for (let level = 0; level <= 9; level++) {
      expect(platform.inflateRaw(platform.deflateRaw(text, level), text.length)).toEqual(text)
      const packed = await readAll(platform.compress('gzip', streamOf(text), { level }))
      expect(await readAll(platform.decompress('gzip', streamOf(packed)))).toEqual(text)
    }
  })

  test('a kind of compression that there is not is refused', () => {
    expect(() => platform.compress('toString' as 'gzip', streamOf(text))).toThrow('Unknown compression: toString')
  })
})

test.each<[LayerCompression]>([
  [{ kind: 'gzip', level: 11 }],
  [{ kind: 'zstd', level: 23 }],
  [{ kind: 'brotli' as 'gzip' }],
])('an image with layers of %j is refused before its directory is made', async (compression) => {
  const platform = nodePlatform
  const repo = await Repo.open(createMemoryStorage({ platform, mode: 'bare-user' }), platform)
  const commit = await repo.transaction((tx) => storeCommit(tx, directory({})))
  const path = join(temporaryFolder(), 'image')
  const host = { architecture: 'amd64', os: 'linux' }
  const work = encapsulate(repo, commit, {}, { host, files: nodeFiles, compression }, `oci:${path}`)
  await expect(work).rejects.toBeInstanceOf(UsageError)
  expect(existsSync(path)).toBe(false)
})
