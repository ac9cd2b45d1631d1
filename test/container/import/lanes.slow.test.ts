/** Layers that threads import side by side: results are those of an import without threads. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../../src/bytes.ts'
import type { LaneThread, LayerThreads } from '../../../src/container/import/lanes/interface.ts'
import { LaneProgram } from '../../../src/container/import/lanes/lane-program.ts'
import { LocalLayerThreads } from '../../../src/container/import/lanes/local-layer-threads.ts'
import { type ImageSource, type ImportOptions, pullImage } from '../../../src/container/index.ts'
import { OstreeError } from '../../../src/errors.ts'
import type { Platform } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import type { Progress } from '../../../src/progress.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { createRepo, stagingTransaction } from '../../../src/repo/local.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { failingThreadProgram, threadProgram } from '../../support/bundle.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf, HOST, imageOf, type Layer, pieces, someLayers } from './small-images.ts'

const REFERENCE = 'ostree-unverified-image:oci:image'
const folder = temporaryFolder()
let made = 0

/**
 * Threads that run in this thread, and whose messages take a random time, but keep their order.
 * @param embedded whether they import layers for stores that are not directories; otherwise one decodes them
 */
function pretendedThreads(
  count: number,
  random: () => number,
  { platform = nodePlatform, embedded = true }: { platform?: Platform; embedded?: boolean } = {},
): LayerThreads {
  const later = () => {
    let last = Promise.resolve()
    return (deliver: () => void) => {
      last = last.then(async () => {
        for (let i = Math.floor(random() * 6); i > 0; i--) await new Promise((resolve) => setImmediate(resolve))
        deliver()
      })
    }
  }
  const start = (): LaneThread => ({
    run(request, hear) {
      const [toHere, toThread] = [later(), later()]
      const program = new LaneProgram(structuredClone(request), {
        platform,
        stage: stagingTransaction,
        send: (message) => {
          const sent = message.kind === 'failed' ? message : structuredClone(message)
          // What was sent is moved: the sender must not use it again.
          if (message.kind === 'batch') message.batch.bytes.fill(0xee)
          if (message.kind === 'tar') message.bytes.fill(0xee)
          toHere(() => hear(sent))
        },
      })
      void program.run()
      return (message) => {
        const sent = structuredClone(message)
        if ('bytes' in message) message.bytes.fill(0xdd)
        toThread(() => program.hear(sent))
      }
    },
    end: async () => {},
  })
  return { count, platform: platform.name, after: 1, embedded, start }
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const STORES = ['memory', 'sqlite', 'archive', 'bare-user', 'bare-user-only'] as const
type Store = (typeof STORES)[number]

async function open(store: Store): Promise<{ repo: Repo; path: string | undefined }> {
  if (store === 'memory') {
    const storage = createMemoryStorage({ mode: 'bare-user', platform: nodePlatform })
    return { repo: await Repo.open(storage, nodePlatform), path: undefined }
  }
  const path = join(folder, `repo-${made++}`)
  if (store === 'sqlite') return { repo: await createRepo(`${path}.sqlite`, { mode: 'bare-user' }), path: undefined }
  return { repo: await createRepo(path, { mode: store }), path }
}

async function contentsOf(repo: Repo): Promise<unknown> {
  const objects: string[] = []
  for await (const { checksum, type } of repo.objects.list()) objects.push(`${checksum}.${type}`)
  const refs = (await repo.listRefs()).map((ref) => JSON.stringify(ref))
  return { objects: objects.sort(), refs: refs.sort() }
}

interface Outcome {
  readonly events: readonly Progress[]
  readonly contents: unknown
  readonly result: unknown
  readonly left: readonly string[]
}

/** Pulls an image into a new repository. @returns all that can be seen of it */
async function pull(store: Store, source: ImageSource, more: Partial<ImportOptions>): Promise<Outcome> {
  const { repo, path } = await open(store)
  const events: Progress[] = []
  const options = {
    host: HOST,
    now: () => 1,
    open: async () => source,
    onProgress: (event: Progress) => events.push(event),
  }
  let result: unknown
  try {
    result = await pullImage(repo, REFERENCE, { ...options, ...more })
  } catch (error) {
    result = error instanceof OstreeError ? { name: error.name, message: error.message, data: error.data } : error
  }
  const contents = await contentsOf(repo)
  await repo.close()
  const left = path === undefined ? [] : readdirSync(join(path, 'tmp')).filter((name) => name !== 'cache')
  return { events, contents, result, left }
}

const layers = await someLayers()

describe('layers imported side by side', () => {
  test.each(STORES)('any number of threads gives the same commits, refs, events and statistics: %s', async (store) => {
    const expected = await pull(store, imageOf(layers), {})
    expect(expected.result).toMatchObject({ changed: true, layersFetched: layers.length })
    for (const [count, seed] of [
      [1, 1],
      [2, 2],
      [2, 3],
      [4, 4],
      [4, 5],
      [8, 6],
    ] as const) {
      for (const embedded of [true, false]) {
        const threads = pretendedThreads(count, seeded(seed), { embedded })
        expect(await pull(store, imageOf(layers), { threads })).toEqual(expected)
      }
    }
  })

  test('the same on the platform for every runtime', async () => {
    const pulled = await Promise.all(
      [undefined, 1, 3].map(async (count) => {
        const storage = createMemoryStorage({ mode: 'bare-user', platform: portablePlatform })
        const repo = await Repo.open(storage, portablePlatform)
        const threads =
          count === undefined
            ? undefined
            : pretendedThreads(count, seeded(count), { platform: portablePlatform, embedded: count === 3 })
        const events: Progress[] = []
        const options = { host: HOST, now: () => 1, open: async () => imageOf(layers), threads }
        const result = await pullImage(repo, REFERENCE, { ...options, onProgress: (event) => events.push(event) })
        return { result, events, contents: await contentsOf(repo) }
      }),
    )
    for (const each of pulled) expect(each).toEqual(pulled[0])
  })

  test('threads of another platform, and threads for less than a few megabytes, are not started', async () => {
    const start = (): never => {
      throw new Error('started')
    }
    const unused = [
      { count: 2, platform: 'portable', after: 1, embedded: true, start },
      { count: 2, platform: 'node', embedded: true, start },
      { count: 0, platform: 'node', after: 1, embedded: true, start },
    ]
    for (const threads of unused) {
      expect((await pull('memory', imageOf(layers), { threads })).result).toMatchObject({ changed: true })
    }
  })

  test.each(STORES)('threads of Node give the same as one thread: %s', async (store) => {
    const expected = await pull(store, imageOf(layers), {})
    for (const embedded of [true, false]) {
      const program = threadProgram('local-layer-worker')
      const threads = new LocalLayerThreads({ count: 2, program, after: 1 }, embedded)
      expect(await pull(store, imageOf(layers), { threads })).toEqual(expected)
    }
  })

  test.each(['memory', 'sqlite', 'bare-user-only'] as const)(
    'a layer that fails stops the import where it would without threads: %s',
    async (store) => {
      const damage: [string, (layer: Layer) => Uint8Array][] = [
        ['a byte is changed', ({ blob }) => blob.map((byte, i) => (i === blob.length >> 1 ? byte ^ 1 : byte))],
        ['the end is missing', ({ blob }) => blob.subarray(0, blob.length - 10)],
        ['bytes follow', ({ blob }) => concatBytes([blob, Uint8Array.of(1, 2, 3)])],
      ]
      for (const [, damaged] of damage) {
        for (const at of [0, 2, 5]) {
          const given = (layer: Layer) => pieces(layer === layers[at] ? damaged(layer) : layer.blob)
          const { events: _, ...expected } = await pull(store, imageOf(layers, given), {})
          expect(expected.result).toMatchObject({
            name: expect.stringMatching(/^(DigestMismatch|TarFormat|Compression)Error$/),
          })
          for (const seed of [1, 2]) {
            const threads = pretendedThreads(3, seeded(seed), { embedded: seed === 1 })
            expect(await pull(store, imageOf(layers, given), { threads })).toMatchObject(expected)
          }
        }
      }
    },
  )

  test('an error of the source of a blob is the error of the import, the same object', async () => {
    const fault = new OstreeErrorOfTest()
    const given = async function* (layer: Layer) {
      yield* pieces(layer.blob.subarray(0, 60_000))
      if (layer === layers[2]) throw fault
      yield* pieces(layer.blob.subarray(60_000))
    }
    const causes = async (threads: LayerThreads | undefined) => {
      const { repo } = await open('bare-user-only')
      const options = { host: HOST, now: () => 1, open: async () => imageOf(layers, given), threads }
      const error = await pullImage(repo, REFERENCE, options).catch((error: unknown) => error)
      await repo.close()
      return error
    }
    const expected = (await causes(undefined)) as Error
    for (const seed of [1, 2, 3]) {
      const found = (await causes(pretendedThreads(2, seeded(seed)))) as Error
      expect(found.message).toBe(expected.message)
      expect(found).toBe(fault)
    }
  })

  test.each(['sqlite', 'bare-user-only', 'archive'] as const)(
    'an import that is aborted at any event leaves whole layers only, and no files: %s',
    async (store) => {
      const total = (await pull(store, imageOf(layers), {})).events.length
      const reason = new Error('enough')
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: total - 1 }),
          fc.integer({ min: 1, max: 4 }),
          fc.nat(),
          async (at, count, seed) => {
            const controller = new AbortController()
            let seen = 0
            const onProgress = () => {
              if (seen++ === at) controller.abort(reason)
            }
            const threads = pretendedThreads(count, seeded(seed), { embedded: seed % 2 === 0 })
            const { result, left } = await pull(store, imageOf(layers), {
              threads,
              signal: controller.signal,
              onProgress,
            })
            expect(left).toEqual([])
            if (result !== reason) expect(result).toMatchObject({ changed: true })
          },
        ),
        { numRuns: 6 },
      )
    },
  )

  test.each(['sqlite', 'bare-user-only'] as const)(
    'a thread that ends by itself is an error that names the layer: %s',
    async (store) => {
      for (const embedded of [true, false]) {
        const threads = new LocalLayerThreads({ count: 2, program: failingThreadProgram(), after: 1 }, embedded)
        const { result, left, contents } = await pull(store, imageOf(layers), { threads })
        expect(result).toMatchObject({ name: 'IoError', message: expect.stringContaining('layer thread: ended') })
        expect((result as Error).message).toContain(digestOf((layers[0] as Layer).blob))
        expect(left).toEqual([])
        expect(contents).toEqual({ objects: [], refs: [] })
      }
    },
  )

  test('an image with an OSTree base: chunks, commit and derived layers', async () => {
    const layout = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
    const text = `ostree-unverified-image:oci:${layout}:1.0-appliance`
    for (const store of ['memory', 'sqlite', 'bare-user', 'archive'] as const) {
      const outcomes = await Promise.all(
        [undefined, 1, 2, 4].map(async (count) => {
          const { repo } = await open(store)
          const events: Progress[] = []
          const threads = count === undefined ? undefined : pretendedThreads(count, seeded(count))
          const options = { host: HOST, files: nodeFiles, threads, now: () => 1 }
          const result = await pullImage(repo, text, { ...options, onProgress: (event) => events.push(event) })
          const contents = await contentsOf(repo)
          await repo.close()
          return { events, contents, result }
        }),
      )
      for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0])
    }
  })
})

class OstreeErrorOfTest extends OstreeError {
  override readonly name = 'OstreeErrorOfTest'
  readonly code = 'network'
  readonly data = {}

  constructor() {
    super('the source has failed')
  }

  override withMessage(): this {
    return this
  }
}
