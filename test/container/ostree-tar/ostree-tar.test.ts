import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Checksum, decodeUtf8, toHex } from '../../../src/bytes.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import {
  importCommitLayer,
  importObjectSet,
  writeObjectSetCommit,
} from '../../../src/container/ostree-tar/ostree-tar.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type Transaction, traverseCommit } from '../../../src/repo/index.ts'
import { TarParser } from '../../../src/tar/index.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'

interface BaseImport {
  readonly layers: readonly { readonly digest: Digest; readonly commit: Checksum; readonly objects?: Checksum[] }[]
}

/** Returns the files of an archive by name. */
function unpacked(bytes: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  let name = ''
  const parser = new TarParser({
    entry: ({ path }) => {
      name = decodeUtf8(path) ?? ''
    },
    data: (part) => files.set(name, part.slice()),
    end: () => undefined,
  })
  parser.push(bytes)
  parser.finish()
  return files
}

function layerTar(image: string, digest: string): Uint8Array {
  const blobs = unpacked(gunzipSync(goldenBytes(`container/${image}`)))
  const [, blob] = [...blobs].find(([name]) => name.endsWith(digest.replace(':', '/'))) ?? []
  return gunzipSync(blob as Uint8Array)
}

async function* inChunks(bytes: Uint8Array, size = 1 << 20): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size)
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xee)
  }
}

const emptyRepo = () => Repo.open(createMemoryStorage({ platform: nodePlatform, mode: 'bare-user' }), nodePlatform)

/** Runs `work` in a transaction of a new repository. */
async function take<T>(work: (repo: Repo, tx: Transaction) => Promise<T>): Promise<{ repo: Repo; result: T }> {
  const repo = await emptyRepo()
  return { repo, result: await repo.transaction((tx) => work(repo, tx)) }
}

describe('an encapsulated commit', () => {
  test.each([1 << 20, 333])(
    'an encapsulated commit is imported from its layers, read %i bytes at a time',
    async (chunk) => {
      const { layers } = goldenJson<{ base_import: BaseImport }>('container/derived-layers.json').base_import
      const [commitLayer, ...chunkLayers] = layers
      const { repo, result } = await take(async (repo, tx) => {
        const sets: { objects: Checksum[]; commit: Checksum }[] = []
        for (const { digest } of chunkLayers) {
          const objects = await importObjectSet(repo, tx, inChunks(layerTar('oci-chunked.tar.gz', digest), chunk))
          sets.push({ objects: [...objects], commit: await writeObjectSetCommit(tx, objects) })
        }
        const last = layerTar('oci-chunked.tar.gz', commitLayer?.digest ?? '')
        return { sets, ...(await importCommitLayer(repo, tx, inChunks(last, chunk))) }
      })
      expect(result.commit).toBe(commitLayer?.commit)
      expect(result.sets).toEqual(chunkLayers.map(({ objects, commit }) => ({ objects, commit })))
      expect(await repo.commitState(result.commit)).toBe('partial')
      // The commit is complete: it has all its objects.
      for await (const name of traverseCommit(repo, result.commit)) expect(await repo.objects.has(name)).toBe(true)
    },
  )

  test.each(['exampleos-export.tar.gz', 'exampleos-signed-export.tar.gz'])(
    'a commit is imported from the stream %s',
    async (name) => {
      const stream = gunzipSync(goldenBytes(`container/${name}`))
      const { repo, result } = await take(
        async (repo, tx) => (await importCommitLayer(repo, tx, inChunks(stream))).commit,
      )
      const signed = goldenJson<{ commit: Checksum; commitmeta_hex: string }>('container/signed-commit.json')
      expect(result).toBe(signed.commit)
      const attached = (await repo.objects.readAttached('commitmeta', result)) as Uint8Array
      if (name.includes('signed')) expect(toHex(attached)).toBe(signed.commitmeta_hex)
      expect(await repo.readDetachedMetadata(result)).toHaveLength(name.includes('signed') ? 2 : 1)
      for await (const object of traverseCommit(repo, result)) expect(await repo.objects.has(object)).toBe(true)
    },
  )
  test('a commit is imported from the only layer of its image', async () => {
    const stream = layerTar(
      'oci-single.tar.gz',
      'sha256:c926e13c79cdbe59b6bf48ed8eb868c7f8f8875be8be414f7a9a966c88c500c5',
    )
    const { repo, result } = await take(
      async (repo, tx) => (await importCommitLayer(repo, tx, inChunks(stream))).commit,
    )
    expect(result).toBe('616069c200463abca9c1d3adc65b948f1f1d3ddd42bc2c8ea3308535a0e44c24')
    for await (const object of traverseCommit(repo, result)) expect(await repo.objects.has(object)).toBe(true)
  })
})
