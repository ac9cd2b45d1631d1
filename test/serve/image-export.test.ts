/** The scratch space of images that are served: what is not served is given back at once, and the rest in the end. */
import { expect, test } from 'vitest'
import { encapsulateTo, openMemoryDestination, openMemoryLayout, pullImage } from '../../src/container/index.ts'
import { IoError } from '../../src/errors.ts'
import type { HttpResponse } from '../../src/platform/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { createMemoryStorage, Repo, type Storage } from '../../src/repo/index.ts'
import { serveImages } from '../../src/serve/index.ts'
import { HOST } from '../container/encapsulate/kit.ts'
import { commitTree, memoryRepo } from '../support/commits.ts'

/** Does not become small when it is compressed. */
const LARGE = Array.from({ length: 30_000 }, (_, i) =>
  nodePlatform.sha256(Uint8Array.of(i, i >> 8, i >> 16)).slice(0, 8),
).join('')

/** A memory storage with scratch space that counts what is in use. */
function countedStorage(): {
  storage: Storage
  inUse: () => number
  made: () => number
  fill: (full: boolean) => void
} {
  let isFull = false
  const plain = createMemoryStorage({ platform: nodePlatform, mode: 'archive' })
  let [open, made] = [0, 0]
  const createScratch: Storage['createScratch'] = () => {
    open++
    made++
    let bytes = new Uint8Array(0)
    return {
      get size() {
        return bytes.length
      },
      write(more) {
        if (isFull) throw new IoError('No space left on device', 'ENOSPC')
        const joined = new Uint8Array(bytes.length + more.length)
        joined.set(bytes)
        joined.set(more, bytes.length)
        bytes = joined
      },
      read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
      close: () => void open--,
    }
  }
  const storage = new Proxy(plain, {
    get(target, key) {
      if (key === 'createScratch') return createScratch
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const fill = (full: boolean): void => {
    isFull = full
  }
  return { storage, inUse: () => open, made: () => made, fill }
}

async function repoWithImage(storage: Storage, compression?: { kind: 'gzip'; level: number }): Promise<Repo> {
  const files = new Map<string, Uint8Array>()
  await using to = openMemoryDestination(files, undefined, nodePlatform)
  const source = await memoryRepo()
  const commit = await commitTree(source, { 'usr/large': LARGE })
  await encapsulateTo(source, commit, {}, { host: HOST, ...(compression && { compression }) }, to)
  const repo = await Repo.open(storage, nodePlatform)
  const open = () => openMemoryLayout(files, undefined, { platform: nodePlatform, host: HOST })
  await pullImage(repo, 'ostree-unverified-image:oci:os:1', { host: HOST, open })
  return repo
}

async function read({ status, body }: HttpResponse): Promise<number> {
  if (body !== undefined && !(body instanceof Uint8Array)) for await (const _ of body);
  return status
}
const get = (target: string) => ({ method: 'GET', target, headers: new Headers() })

test('only the blobs of an image that is served stay, until the signal is aborted', async () => {
  const { storage, inUse, made } = countedStorage()
  const controller = new AbortController()
  const handler = serveImages(await repoWithImage(storage), { signal: controller.signal })
  const manifest = await handler(get('/v2/oci/os/manifests/1'))
  expect(await read(manifest)).toBe(200)
  expect(made()).toBeGreaterThan(0)
  expect(inUse()).toBeGreaterThan(0)
  controller.abort()
  await expect.poll(inUse).toBe(0)
})

test('an image whose original bytes cannot be made leaves nothing behind', async () => {
  const { storage, inUse, made } = countedStorage()
  const repo = await repoWithImage(storage, { kind: 'gzip', level: 3 })
  const handler = serveImages(repo)
  expect(await read(await handler(get('/v2/oci/os/manifests/1')))).toBe(404)
  expect(made()).toBeGreaterThan(0)
  expect(inUse()).toBe(0)
})

test('a full disk gives its space back, and the next request finds room', async () => {
  const { storage, inUse, made, fill } = countedStorage()
  const repo = await repoWithImage(storage)
  const errors: unknown[] = []
  const handler = serveImages(repo, { onError: (error) => errors.push(error) })
  fill(true)
  expect(await read(await handler(get('/v2/oci/os/manifests/1')))).toBe(500)
  expect(errors).toEqual([expect.objectContaining({ name: 'IoError' })])
  expect(made()).toBe(1)
  expect(inUse()).toBe(0)
  fill(false)
  expect(await read(await handler(get('/v2/oci/os/manifests/1')))).toBe(200)
})
