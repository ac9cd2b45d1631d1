/** Compares images of whole commits with those that the command of ostree-ext wrote: each byte of every document and layer. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRepo } from '../../../src/repo/local.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf } from '../golden-images.ts'

interface Case {
  readonly commit: string
  readonly title: string
  readonly argv: readonly string[]
  readonly rc: number
  readonly stdout: string
  readonly contentmeta?: object
  readonly image?: {
    readonly digest: string
    readonly manifest: string
    readonly config: string
    readonly layers: readonly { readonly diff_id: string; readonly size: number }[]
    readonly index: object
  }
}
const GOLDEN = goldenJson<{
  readonly commits: Readonly<Record<string, { readonly argv: readonly string[]; readonly commit: string }>>
  readonly 'config.json': object
  readonly cases: readonly Case[]
}>('container-real/encapsulate.json')

/** ostree-ext leaves the tree below /sysroot out of the image, so that the image lacks objects of its commit. */
const INCOMPLETE = 'system-sysroot'
/** The inputs, which the arguments of the commits name. */
const TREES = ['system', 'system-vartmp', 'system-sysroot', 'tree-1', 'tree-2']

describe('an image that ostree-ext wrote', () => {
  const folder = temporaryFolder()
  const run = (...words: string[]) => runInProcess(words, folder)

  beforeAll(async () => {
    await (await createRepo(join(folder, 'r'), { mode: 'bare-user' })).close()
    writeFileSync(join(folder, 'config.json'), JSON.stringify(GOLDEN['config.json']))
    for (const name of TREES) {
      const tar = join(folder, `${name}.tar`)
      writeFileSync(tar, gunzipSync(goldenBytes(`container-real/${name}.tar.gz`)))
      const { argv, commit } = GOLDEN.commits[name] ?? { argv: [], commit: '' }
      const absolute = argv.map((word) =>
        word.replace('--repo=r', `--repo=${folder}/r`).replace('tar=', `tar=${folder}/`),
      )
      expect(await run(...absolute.slice(1, 2), ...absolute.slice(0, 1), ...absolute.slice(2))).toEqual({
        status: 0,
        stdout: `${commit}\n`,
        stderr: '',
      })
    }
  })

  async function encapsulated({ commit, argv, contentmeta }: Case, name: string) {
    const paths = argv.map((word) => (word.endsWith('.json') ? join(folder, word) : word))
    const meta = paths[argv.indexOf('--contentmeta') + 1]
    if (contentmeta !== undefined) writeFileSync(meta ?? '', JSON.stringify(contentmeta))
    mkdirSync(join(folder, name), { recursive: true })
    const layout = join(folder, name, 'image')
    const result = await run('container', 'encapsulate', `--repo=${folder}/r`, ...paths, commit, `oci:${layout}:t`)
    const blob = (digest: string) => new Uint8Array(readFileSync(join(layout, 'blobs', digest.replace(':', '/'))))
    return { layout, blob, result }
  }

  const whole = GOLDEN.cases.filter(({ rc, commit }) => rc === 0 && commit !== INCOMPLETE)

  test('covers every option, and commits with names of all lengths', () => {
    expect(whole.length).toBe(30)
  })

  test.each(whole.map((golden) => [golden.commit, golden.title, golden] as const))(
    'of %s (%s) is written again, to the last byte of its compressed layers',
    async (commit, title, golden) => {
      const { image, stdout } = golden
      const { layout, blob, result } = await encapsulated(golden, `${commit} ${title}`)
      expect(result).toEqual({ status: 0, stdout, stderr: '' })
      const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
      const manifest = new TextDecoder().decode(blob(index.manifests[0].digest))
      const layers = (JSON.parse(manifest).layers as { digest: string }[]).map(({ digest }) => gunzipSync(blob(digest)))
      const config = new TextDecoder().decode(blob(JSON.parse(manifest).config.digest))
      const diffIds = layers.map((tar) => ({ diff_id: digestOf(tar), size: tar.length }))
      expect(diffIds).toEqual(image?.layers.map(({ diff_id, size }) => ({ diff_id, size })))
      expect(config).toBe(image?.config)
      expect(manifest).toBe(image?.manifest)
      expect(index).toEqual(image?.index)
    },
  )

  test.each(GOLDEN.cases.filter(({ rc }) => rc !== 0).map((golden) => [golden.commit, golden] as const))(
    'does not exist for %s without the key that it has to copy',
    async (commit, golden) => {
      const { result } = await encapsulated(golden, `${commit} failed`)
      expect(result.status).toBe(1)
      expect(result.stderr).toContain('Could not find commit metadata key: version')
    },
  )

  test('of a commit with files below /sysroot lacks their objects, and ours has them', async () => {
    const golden = GOLDEN.cases.find(({ commit, title }) => commit === INCOMPLETE && title === 'plain') as Case
    const { layout, result } = await encapsulated(golden, INCOMPLETE)
    expect(result.stdout).not.toBe(golden.stdout)
    const other = join(folder, 'other')
    await (await createRepo(other, { mode: 'bare-user' })).close()
    const image = `ostree-unverified-image:oci:${layout}:t`
    expect((await run('container', 'unencapsulate', `--repo=${other}`, '--quiet', image)).status).toBe(0)
    const checked = await run('fsck', `--repo=${other}`, '--quiet')
    expect([checked.status, checked.stdout]).toEqual([0, expect.stringContaining('no errors found')])
  })
})
