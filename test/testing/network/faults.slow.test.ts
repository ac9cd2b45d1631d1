/** Networks that fail by plan: each fault is what it says, and pulls survive all of them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { openMemoryLayout, pullImage } from '../../../src/container/index.ts'
import { OstreeError } from '../../../src/errors.ts'
import type { Fetch, Network } from '../../../src/platform/index.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { addRemote, createMemoryStorage, fsck, pull, Repo, updateSummary } from '../../../src/repo/index.ts'
import { serveRepo } from '../../../src/serve/index.ts'
import {
  anyNetworkPlan,
  buildImage,
  compressLayer,
  directory,
  FakeClock,
  faultyNetwork,
  faultySource,
  fetchFrom,
  file,
  MemoryRegistry,
  type NetworkFault,
  type NetworkPlan,
  packLayer,
  printPlan,
  serveFiles,
  storeCommit,
} from '../../../src/testing/index.ts'

const host = { architecture: 'amd64', os: 'linux' }
const memory = () => Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)

/** Requests a file of 100 bytes from a network with one fault. @returns status, bytes or the error's code, and time */
async function outcome(fault: Omit<NetworkFault, 'at'>): Promise<unknown> {
  const clock = new FakeClock(0)
  const answer = fetchFrom(serveFiles(platform, new Map([['f', new Uint8Array(100).fill(8)]])))
  const network = faultyNetwork({ fetch: answer, clock }, [{ at: 1, url: '/f', ...fault }])
  await network.fetch('http://host/f', { method: 'GET', headers: {} })
  await network.fetch('http://host/other', { method: 'GET', headers: {} })
  const signal = AbortSignal.timeout(fault.fault === 'stall' ? 20 : 10_000)
  try {
    const { status, body } = await network.fetch('http://host/f', { method: 'GET', headers: {}, signal })
    const bytes = await readAll(body ?? new Uint8Array(0))
    return [status, bytes.length, bytes.findIndex((byte) => byte !== 8), clock.now()]
  } catch (error) {
    return (error as { code?: unknown; name?: unknown }).code ?? error
  }
}

describe('a fault of a network', () => {
  test.each([
    [{ fault: 'refuse' }, 'ECONNREFUSED'],
    [{ fault: 'status', status: 429 }, [429, 16, 0, 0]],
    [{ fault: 'late', delay: 5000 }, [200, 100, -1, 5000]],
    [{ fault: 'reset', after: 7 }, 'ECONNRESET'],
    [{ fault: 'cut', after: 7 }, [200, 7, -1, 0]],
    [{ fault: 'drip', after: 90, delay: 3 }, [200, 100, -1, 30]],
    [{ fault: 'flip', after: 7 }, [200, 100, 7, 0]],
    [{ fault: 'flip', after: 700 }, [200, 100, 99, 0]],
    [{ fault: 'grow', after: 7 }, [200, 107, 100, 0]],
  ] as const)('%j has its effect on one request', async (fault, expected) => {
    expect(await outcome(fault)).toEqual(expected)
  })

  test('a body that stalls ends when the request is aborted', async () => {
    expect(await outcome({ fault: 'stall', after: 7 })).toBe(23)
  })

  test('plans print one line for each fault', () => {
    const plan: NetworkPlan = [
      { at: 3, fault: 'reset', after: 100 },
      { at: 0, times: 2, url: '/blobs/', fault: 'status' },
    ]
    expect(printPlan(plan)).toBe('\nrequest 3: reset after 100 bytes\nrequests 0 to 1 of /blobs/: status 503')
    expect(fc.stringify(fc.sample(anyNetworkPlan(), { numRuns: 20, seed: 1 }))).toMatch(/request \d+: [a-z]+/)
  })
})

/** Pulls with a plan, and then without one: the first succeeds or has a typed error, the second succeeds. */
async function survives(plan: NetworkPlan, fetch: Fetch, pullWith: (repo: Repo, network: Network) => Promise<string>) {
  const whole = await pullWith(await memory(), { fetch, clock: new FakeClock() })
  await using repo = await memory()
  const outcome = await pullWith(repo, faultyNetwork({ fetch, clock: new FakeClock() }, plan)).catch((error) => {
    if (!(error instanceof OstreeError)) throw error
    return 'failed'
  })
  expect(['failed', whole]).toContain(outcome)
  expect((await fsck(repo)).damaged).toBe(0)
  expect(await pullWith(repo, { fetch, clock: new FakeClock() })).toBe(whole)
}

describe('a pull over a network that fails by any plan', () => {
  test('of an image succeeds or fails with a typed error, and a repeat succeeds', async () => {
    const registry = new MemoryRegistry(platform)
    const tar = await packLayer([
      { path: 'usr/a', body: encodeUtf8('x'.repeat(3000)) },
      { path: 'usr/b', body: new Uint8Array() },
    ])
    const layers = [
      await compressLayer(platform, tar, 'gzip'),
      await compressLayer(platform, await packLayer([{ path: 'usr/c', body: encodeUtf8('c') }]), 'none'),
    ]
    registry.putLayout('a/b', buildImage(platform, layers, { tag: '1' }))
    // By digest: a manifest that is requested by its tag may change on the way, as nothing tells its digest.
    const digest = registry.digest(registry.manifests.get('a/b:1')?.bytes ?? new Uint8Array())
    await fc.assert(
      fc.asyncProperty(anyNetworkPlan({ requests: 8 }), (plan) =>
        survives(plan, registry.network.fetch, async (repo, network) => {
          const options = { host, registry: { network } }
          return (await pullImage(repo, `ostree-unverified-registry:localhost/a/b@${digest}`, options)).mergeCommit
        }),
      ),
      { numRuns: 60 },
    )
  })

  test('of a commit succeeds or fails with a typed error, and a repeat succeeds', async () => {
    await using source = await memory()
    await source.transaction(async (tx) => {
      const commit = await storeCommit(tx, directory({ a: file('x'.repeat(3000)), b: directory({ c: file() }) }))
      tx.setRef('heads/main', { commit })
    })
    await updateSummary(source, { timestamp: 1n })
    await fc.assert(
      fc.asyncProperty(anyNetworkPlan({ requests: 12 }), (plan) =>
        survives(plan, fetchFrom(serveRepo(source)), async (repo, network) => {
          await addRemote(repo, { name: 'origin', url: 'http://host/', options: [['gpg-verify', false]] }, 'keep')
          await pull(repo, 'origin', { refs: ['main'], network })
          return (await repo.resolve('origin:main')) as string
        }),
      ),
      { numRuns: 60 },
    )
  })
})

test('blobs of a source fail by plan', async () => {
  const layer = await compressLayer(platform, await packLayer([]), 'none')
  const layout = buildImage(platform, [layer], { tag: 'x' })
  await using source = await openMemoryLayout(layout, undefined, { platform, host })
  const faulty = faultySource(source, [{ at: 1, fault: 'reset', after: 5 }], new FakeClock())
  const [first] = faulty.manifest.layers
  expect(await readAll(faulty.blob(first as never))).toEqual(layer.tar)
  await expect(readAll(faulty.blob(first as never))).rejects.toMatchObject({ code: 'ECONNRESET' })
  expect(await readAll(faulty.blob(first as never))).toEqual(layer.tar)
  expect((await faulty.config()).architecture).toBe('amd64')
})
