/** Two imports into one repository at a time: in two storages of one process, and in two processes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  gcImageLayers,
  type ImageSource,
  listImages,
  openMemoryLayout,
  parseImageReference,
  pullImage,
  queryImage,
  refForLayer,
  verifyContainerImage,
} from '../../../src/container/index.ts'
import { RepoLockedError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import type { Repo } from '../../../src/repo/index.ts'
import { editConfig } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { buildImage, packLayer } from '../../../src/testing/index.ts'
import { BuiltCommand } from '../../support/built-command.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const HOST = { architecture: 'amd64', os: 'linux' }
const SLOW = 'docker://example.org/slow:1'
const QUICK = 'docker://example.org/quick:1'

const root = temporaryFolder()
let made = 0

async function layoutOf(...names: string[]): Promise<Map<string, Uint8Array>> {
  const layers = names.map(async (name) => ({
    tar: await packLayer([{ path: `usr/${name}`, body: new TextEncoder().encode(name) }]),
  }))
  return buildImage(nodePlatform, await Promise.all(layers), { tag: 'latest' })
}

/** Pulls an image of two layers. @param between runs when the first layer is stored, before the second one is read */
async function slowPull(repo: Repo, between: (first: string) => Promise<void>) {
  const layout = await layoutOf('a', 'b')
  const open = async (): Promise<ImageSource> => {
    const source = await openMemoryLayout(layout, undefined, { platform: nodePlatform, host: HOST })
    const [first, second] = source.manifest.layers
    const blob: ImageSource['blob'] = async function* (layer) {
      if (layer.digest === second?.digest && first !== undefined) await between(`heads/${refForLayer(first)}`)
      yield* source.blob(layer)
    }
    return new Proxy(source, {
      get(target, key) {
        if (key === 'blob') return blob
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  return await pullImage(repo, `ostree-unverified-image:${SLOW}`, { host: HOST, open, readAhead: { layers: 0 } })
}

async function requireWhole(repo: Repo, name: string): Promise<void> {
  const image = parseImageReference(name)
  const state = await queryImage(repo, image)
  for (const layer of state?.manifest.layers ?? []) {
    expect(await repo.refs.read(`heads/${refForLayer(layer)}`)).toBeDefined()
  }
  expect((await verifyContainerImage(repo, image)).ok).toBe(true)
}

const newRepo = async () => {
  const path = join(root, String(made++))
  return { path, repo: await createRepo(path, { mode: 'bare-user', platform: nodePlatform }) }
}

describe('an import that begins and ends during another one', () => {
  test('in the same process leaves the layers of the other one, and warns that it collects nothing', async () => {
    const { path, repo } = await newRepo()
    const warnings: string[] = []
    await slowPull(repo, async (first) => {
      await using other = await openRepo(path)
      const layout = await layoutOf('c')
      const open = () => openMemoryLayout(layout, undefined, { platform: nodePlatform, host: HOST })
      const onWarning = (message: string) => warnings.push(message)
      await pullImage(other, `ostree-unverified-image:${QUICK}`, { host: HOST, open, onWarning })
      expect(await repo.refs.read(first)).toBeDefined()
      await expect(gcImageLayers(other, { timeout: 0 })).rejects.toBeInstanceOf(RepoLockedError)
    })
    expect(warnings).toEqual([
      'Layers that no image needs were not removed: Locking repo exclusive failed: Resource temporarily unavailable',
    ])
    expect(await listImages(repo)).toEqual([QUICK, SLOW])
    for (const name of [SLOW, QUICK]) await requireWhole(repo, name)
    expect(await gcImageLayers(repo)).toBe(0)
    await repo.close()
  })

  describe('in another process', () => {
    let program: BuiltCommand
    beforeAll(async () => {
      program = await BuiltCommand.build({ container: true })
      for (const [name, bytes] of await layoutOf('c')) {
        const path = join(root, 'quick', name)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, bytes)
      }
    })
    const quick = `oci:${join(root, 'quick')}:latest`

    test.each([
      ['with', true],
      ['without', false],
    ])('leaves both images whole, %s locks', async (_, locking) => {
      const { path, repo } = await newRepo()
      await editConfig(repo, (config) => {
        config.set('core', 'locking', String(locking))
        config.set('core', 'lock-timeout-secs', '1')
      })
      await repo.close()
      await using opened = await openRepo(path)
      let present: unknown
      await slowPull(opened, async (first) => {
        const pulled = program.run(
          ['container', 'image', 'pull', path, `ostree-unverified-image:${quick}`, '--quiet'],
          root,
        )
        expect(pulled).toMatchObject({ rc: 0 })
        present = await opened.refs.read(first)
        if (!locking) return
        const pruned = program.run(['container', 'image', 'prune-layers', `--repo=${path}`], root)
        expect([pruned.rc, pruned.stderr]).toEqual([
          1,
          expect.stringContaining('Locking repo exclusive failed: Resource temporarily unavailable'),
        ])
      })
      // Without locks the other process has deleted the ref of the first layer, which the import then sets again.
      expect(present !== undefined).toBe(locking)
      for (const name of [SLOW, quick]) await requireWhole(opened, name)
    })
  })
})
