/** Two imports at the same time that publish the same blobs as layers of different kinds. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  copyImage,
  gcImageLayers,
  IMAGE_LAYER_PREFIX,
  pullImage,
  queryImage,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { ConflictError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo, type Storage } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { type GoldenImage, goldenImage, sourceOf, withoutLabels } from '../golden-images.ts'

const CHUNKED = goldenImage('container/oci-chunked.tar.gz')
const PLAIN = withoutLabels(CHUNKED)
const [OSTREE_NAME, PLAIN_NAME] = ['oci:/ostree:1', 'oci:/plain:1']
/** The method of a transaction in front of which the first import waits for the second one. */
type Step = 'checkpoint' | 'commit'

const root = temporaryFolder()
let made = 0

const pull = (repo: Repo, image: GoldenImage, name: string) =>
  pullImage(repo, `ostree-unverified-image:${name}`, {
    host: { architecture: 'amd64', os: 'linux' },
    open: sourceOf(image),
    disableGc: true,
  })

/** Returns an object with some methods replaced. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      const value: unknown = Reflect.get(key in methods ? methods : target, key)
      return typeof value === 'function' && !(key in methods) ? value.bind(target) : value
    },
  })
}

/** Returns a repository that runs `between` in front of the first call of a step. */
function pausing(storage: Storage, step: Step, between: () => Promise<void>): Promise<Repo> {
  let pending: (() => Promise<void>) | undefined = between
  const paused = overriding(storage, {
    begin: async (options) => {
      const tx = await storage.begin(options)
      const pause = async () => {
        const work = pending
        pending = undefined
        await work?.()
      }
      return overriding(tx, {
        [step]: async () => {
          await pause()
          return await tx[step]()
        },
      })
    },
  })
  return Repo.open(paused, nodePlatform)
}

/** Returns a promise that resolves when the storage waits for a lock: for refs, or where there is none, for a second. */
function waits(storage: Storage): { storage: Storage; waiting: Promise<void> } {
  const { lockRefs } = storage
  if (lockRefs === undefined) return { storage, waiting: sleep(1000) }
  let asked = () => {}
  const waiting = new Promise<void>((resolve) => {
    asked = resolve
  })
  const noting = overriding(storage, {
    lockRefs: (options) => {
      asked()
      return lockRefs.call(storage, options)
    },
  })
  return { storage: noting, waiting }
}

describe.each([
  ['a directory', ''],
  ['an SQLite file', '.sqlite'],
])('into %s', (_, suffix) => {
  const twoHandles = async () => {
    const path = join(root, `${made++}${suffix}`)
    const one = await createRepo(path, { mode: 'bare-user', platform: nodePlatform })
    return [one, await openRepo(path)] as const
  }

  /** Lets `work` reach its end through another handle while an import stands at a step. Both images must be whole. */
  async function meetAt(step: 'checkpoint' | 'commit', work: (repo: Repo) => Promise<unknown>): Promise<void> {
    const [one, other] = await twoHandles()
    const { storage, waiting } = waits(other.storage)
    const second = await Repo.open(storage, nodePlatform)
    let done: Promise<unknown> | undefined
    const first = await pausing(one.storage, step, async () => {
      done = work(second)
      await Promise.race([done, waiting])
    })
    const { manifest } = await pull(first, CHUNKED, OSTREE_NAME)
    await done
    await requireBoth(one, manifest.layers.length)
    for (const repo of [one, other]) await repo.close()
  }

  test.each(['checkpoint', 'commit'] as const)('both images are whole, when both reach the %s', (step) =>
    meetAt(step, (repo) => pull(repo, PLAIN, PLAIN_NAME)),
  )

  test('both images are whole, when a copy reaches its end together with an import', async () => {
    await using alone = await Repo.open(
      createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }),
      nodePlatform,
    )
    await pull(alone, PLAIN, PLAIN_NAME)
    await meetAt('commit', (repo) => copyImage(alone, PLAIN_NAME, repo))
  })
})

test('a repository in memory refuses the second import', async () => {
  const storage = createMemoryStorage({ mode: 'bare-user', platform: nodePlatform })
  await using other = await Repo.open(storage, nodePlatform)
  const first = await pausing(storage, 'commit', async () => {
    await expect(pull(other, PLAIN, PLAIN_NAME)).rejects.toThrow(ConflictError)
  })
  const { manifest } = await pull(first, CHUNKED, OSTREE_NAME)
  await pull(other, PLAIN, PLAIN_NAME)
  await requireBoth(other, manifest.layers.length)
})

/** Checks that both images can be read, and that one of them has refs of its own for its layers. */
async function requireBoth(repo: Repo, layers: number): Promise<void> {
  for (const name of [OSTREE_NAME, PLAIN_NAME]) {
    expect(await queryImage(repo, name)).toBeDefined()
    expect((await verifyContainerImage(repo, name)).ok).toBe(true)
  }
  expect(await repo.refs.list(`heads/${IMAGE_LAYER_PREFIX}`)).toHaveLength(layers)
  expect(await gcImageLayers(repo)).toBe(0)
}
