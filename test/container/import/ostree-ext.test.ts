/** Compares imports with those of the command of ostree-ext: each ref, with its root directory, and the commit of each image. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { openMemoryLayout, pullImage } from '../../../src/container/index.ts'
import { OstreeError } from '../../../src/errors.ts'
import type { Repo, RepoMode } from '../../../src/repo/index.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf, IMPORTED_OTHERWISE } from '../golden-images.ts'
import {
  addToLayout,
  commitWords,
  type Layout,
  plainImage,
  pythonJson,
  type StoredRef,
  storedRefs,
  TAR_LAYER,
  withIndex,
} from '../ostree-ext-kit.ts'
import { memoryRepo } from '../tar-kit.ts'

interface Case {
  readonly layer: string
  readonly over: 'base.tar' | 'encapsulated system'
  readonly mode: RepoMode
  readonly rc: number
  readonly stdout: string
  readonly stderr: string
  readonly refs: Readonly<Record<string, StoredRef>> | null
}

const CASES = goldenJson<readonly Case[]>('container-real/import.json')
/** The file system of that run refused an extended attribute of a symbolic link, which ours stores. */
const REFUSED_BY_FILE_SYSTEM = 'layers2/empty-unreadable-links.tar over the base.tar, bare'
const IMAGE = 'oci:/dev/shm/x/g/img:t'

/** An image with one layer more. */
function derivedImage(base: ReadonlyMap<string, Uint8Array>, layer: Uint8Array): Layout {
  const layout = new Map(base)
  const json = (path: string) => JSON.parse(new TextDecoder().decode(layout.get(path)))
  const { digest, mediaType } = json('index.json').manifests[0]
  const manifest = json(`blobs/${digest.replace(':', '/')}`)
  const config = json(`blobs/${manifest.config.digest.replace(':', '/')}`)
  manifest.layers.push(addToLayout(layout, layer, TAR_LAYER))
  config.rootfs.diff_ids.push(digestOf(layer))
  config.history.push({ created: '2026-01-03T03:04:05Z', created_by: 'derived' })
  manifest.config = addToLayout(layout, encodeUtf8(pythonJson(config)), 'application/vnd.oci.image.config.v1+json')
  return withIndex(layout, addToLayout(layout, encodeUtf8(pythonJson(manifest)), mediaType))
}

describe('an import of ostree-ext', () => {
  const folder = temporaryFolder()
  const base = gunzipSync(goldenBytes('container-real/base.tar.gz'))
  const encapsulated: Layout = new Map()

  beforeAll(async () => {
    await (await createRepo(join(folder, 'r'), { mode: 'bare-user' })).close()
    await runInProcess(commitWords('system', folder).words, folder)
    mkdirSync(join(folder, 'e'))
    await runInProcess(['container', 'encapsulate', `--repo=${folder}/r`, 'system', `oci:${folder}/e:t`], folder)
    for (const path of readdirSync(join(folder, 'e'), { recursive: true, withFileTypes: true })) {
      if (!path.isFile()) continue
      const at = join(path.parentPath, path.name)
      encapsulated.set(at.slice(folder.length + 3), new Uint8Array(readFileSync(at)))
    }
  })

  async function imported({ layer, over, mode }: Case): Promise<Repo> {
    const bytes = goldenBytes(layer)
    const layout = over === 'base.tar' ? plainImage([base, bytes]) : derivedImage(encapsulated, bytes)
    const repo = await memoryRepo(mode)
    await pullImage(repo, `ostree-unverified-image:${IMAGE}`, {
      host: { architecture: 'amd64', os: 'linux' },
      open: (_, context) => openMemoryLayout(layout, undefined, context),
    })
    return repo
  }

  const title = ({ layer, over, mode }: Case) => `${layer.slice('container/'.length)} over the ${over}, ${mode}`

  /** ostree-ext of bootc does not move `var`, so that hard links in it are no difference. */
  const isAlike = ({ layer }: Case) =>
    layer.includes('hardlink-var-factory') || !IMPORTED_OTHERWISE.some((name) => layer.endsWith(`/${name}.tar`))
  const whole = CASES.filter((each) => each.rc === 0 && isAlike(each))
  const refused = CASES.filter((each) => each.rc !== 0 && isAlike(each) && title(each) !== REFUSED_BY_FILE_SYSTEM)

  test('is compared for each layer, over two images', () => {
    expect([whole.length, refused.length]).toEqual([80, 15])
  })

  test.each(whole.map((each) => [title(each), each] as const))(
    'gives the refs that ours gives: %s',
    async (_, each) => {
      expect(await storedRefs(await imported(each))).toEqual(each.refs)
    },
  )

  test.each(refused.map((each) => [title(each), each] as const))('fails as ours does: %s', async (_, each) => {
    const error = await imported(each).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OstreeError)
    // The checksum of this layer is another than in that run.
    const [, reason] = /Checking out layer [0-9a-f]{64}\n +1: (.*)$/.exec(each.stderr) ?? []
    if (reason === undefined) return
    expect((error as OstreeError).message.replace(/[0-9a-f]{64}/, 'SUM')).toBe(
      `Importing: Checking out layer SUM: ${reason}`,
    )
  })
})
