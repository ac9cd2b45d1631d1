/** Repositories in IndexedDB, in a page of Chromium: the suite of storages, locks, and pages that are closed early. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createMemoryStorage, nodePlatform, pullImage, Repo } from '../../../../src/node.ts'
import { runInChromium } from '../../../support/chromium.ts'
import type { PageResult } from '../../../support/page-tools.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

describeReference(['chromium', 'skopeo'], 'IndexedDB in Chromium', () => {
  test('repositories pass the suite of storages', async () => {
    const result = await runInChromium(`
      import { portablePlatform as platform } from './src/index.ts'
      import { openIndexedDbStorage } from './src/repo/index.ts'
      import { storageSuite } from './src/testing/suites/storage.ts'
      import { createPageTools } from './test/support/page-tools.ts'
      export function run() {
        const { tools, runAll } = createPageTools()
        let count = 0
        storageSuite(tools, 'IndexedDB', {
          platform,
          modes: ['archive', 'bare-user'],
          runs: 5,
          create: (mode) => openIndexedDbStorage('suite-' + count++, { platform, mode }),
          reopen: ({ location }) => openIndexedDbStorage(location.slice('indexeddb:'.length), { platform }),
        })
        return runAll()
      }`)
    const { passed, failed } = result as PageResult
    expect(failed).toEqual([])
    expect(passed).toBeGreaterThan(100)
  })

  test('what a closed page left behind is not seen, and is deleted by the next exclusive lock; its locks are gone', async () => {
    const result = await runInChromium(`
      import { portablePlatform as platform } from './src/index.ts'
      import { openIndexedDbStorage } from './src/repo/index.ts'
      const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
      const large = (fill) => new Uint8Array(3_000_000).fill(fill)
      const count = async (store) => {
        const opened = indexedDB.open('pages')
        await new Promise((resolve) => { opened.onsuccess = resolve })
        const counted = opened.result.transaction([store]).objectStore(store).count()
        await new Promise((resolve) => { counted.onsuccess = resolve })
        opened.result.close()
        return counted.result
      }
      export async function run() {
        const storage = await openIndexedDbStorage('pages', { platform })
        if (location.hash === '') {
          const kept = await storage.begin()
          const checksum = await kept.writeFile({ header, size: 3_000_000, body: large(1) })
          kept.setRef('heads/main', { commit: checksum })
          await kept.commit()
          const lost = await storage.begin()
          await lost.writeFile({ header, size: 3_000_000, body: large(2) })
          await lost.writeFile({ header, size: 1, body: new Uint8Array(1) })
          lost.setRef('heads/lost', { commit: checksum })
          await lost.readFile(await lost.writeFile({ header, size: 3_000_000, body: large(3) }))
          while (await count('pieces') < 9) await new Promise((resolve) => setTimeout(resolve, 10))
          location.hash = checksum
          location.reload()
          return new Promise(() => {})
        }
        const before = [await count('objects'), await count('pieces')]
        const files = []
        for await (const { checksum } of storage.objects.list('file')) files.push(checksum)
        const refs = await storage.refs.list('heads')
        const lock = await storage.lock('exclusive', { timeout: 10 })
        const after = [await count('objects'), await count('pieces')]
        await lock[Symbol.asyncDispose]()
        let size = 0
        for await (const chunk of (await storage.objects.readFile(files[0])).body) size += chunk.length
        return { before, after, refs, size, files: files.map((name) => '#' + name === location.hash) }
      }`)
    expect(result).toEqual({
      before: [expect.any(Number), 9],
      after: [1, 3],
      refs: ['heads/main'],
      size: 3_000_000,
      files: [true],
    })
  })

  test('an image is pulled from a file that the page has, with the same commit as on Node', async () => {
    const path = join(temporaryFolder(), 'image.tar')
    const layout = `oci:${fileURLToPath(new URL('../../../../examples/exampleos', import.meta.url))}:1.0`
    run('skopeo', ['copy', '-q', layout, `oci-archive:${path}`])
    const result = await runInChromium(
      `
      import { portablePlatform as platform, pullImage, Repo, openStoredImage } from './src/index.ts'
      import { blobFiles } from './src/platform/index.ts'
      import { openIndexedDbStorage } from './src/repo/index.ts'
      const host = { os: 'linux', architecture: 'amd64' }
      export async function run() {
        const files = blobFiles(await (await fetch('/image.tar')).blob())
        const repo = await Repo.open(await openIndexedDbStorage('image', { platform }), platform)
        const { mergeCommit } = await pullImage(repo, 'ostree-unverified-image:oci-archive:image.tar', { host, files })
        await repo[Symbol.asyncDispose]()
        const again = await Repo.open(await openIndexedDbStorage('image', { platform }), platform)
        const image = await openStoredImage(again, 'oci-archive:image.tar')
        return { mergeCommit, text: new TextDecoder().decode(await image.readFile('/etc/os-release')) }
      }`,
      new Map([['/image.tar', readFileSync(path)]]),
    )
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const { mergeCommit } = await pullImage(repo, `ostree-unverified-image:oci-archive:${path}`)
    expect(result).toEqual({ mergeCommit, text: expect.stringContaining('Example') })
  })

  test('texts of a table are read whose memory can be given back', async () => {
    const result = await runInChromium(`
      import { TextPages } from './src/repo/core/tables/text-pages.ts'
      export async function run() {
        const pages = new TextPages()
        const names = Array.from({ length: 4000 }, (_, i) => 'a name of forty bytes, with the number ' + i)
        const positions = names.map((name) => pages.append(pages.encode(name)))
        return positions.filter((position, i) => pages.at(position) === names[i]).length
      }`)
    expect(result).toBe(4000)
  })
})
