/** Compares images of whole commits with those that the command of ostree-ext wrote: each byte of every document and layer. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { exportCommit } from '../../../src/container/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
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

interface Command {
  readonly title: string
  readonly rc: number
  readonly stdout: string
  readonly stdout_size?: number
  readonly stdout_sha256?: string
  readonly image?: NonNullable<Case['image']>
}
const COMMANDS = goldenJson<readonly Command[]>('container-real/commands.json')

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
      const { index, manifest, config } = documentsIn(layout)
      const layers = (JSON.parse(manifest).layers as { digest: string }[]).map(({ digest }) => gunzipSync(blob(digest)))
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

  test.each(TREES.filter((name) => name !== INCOMPLETE))('of %s is the same stream as a tar', async (name) => {
    const golden = COMMANDS.find(({ title }) => title === `tar export ${name}`)
    await using repo = await openRepo(join(folder, 'r'))
    const hash = createHash('sha256')
    let size = 0
    for await (const chunk of exportCommit(repo, name)) {
      hash.update(chunk)
      size += chunk.length
    }
    expect([size, hash.digest('hex')]).toEqual([golden?.stdout_size, golden?.stdout_sha256])
  })

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

describe('a stored image that ostree-ext exported again', () => {
  const folder = temporaryFolder()
  const run = (...words: string[]) => runInProcess(words, folder)
  const store = join(folder, 'store')

  beforeAll(async () => {
    const source = join(folder, 'r')
    await (await createRepo(source, { mode: 'bare-user' })).close()
    writeFileSync(join(folder, 'system.tar'), gunzipSync(goldenBytes('container-real/system.tar.gz')))
    const { argv = [] } = GOLDEN.commits['system'] ?? {}
    const [, , ...words] = argv.map((word) => word.replace('tar=', `tar=${folder}/`))
    await run('commit', `--repo=${source}`, ...words)
    await run('container', 'encapsulate', `--repo=${source}`, 'system', `oci:${folder}/e:t`)
    plainImage(join(folder, 'd'), [
      new Uint8Array(gunzipSync(goldenBytes('container-real/base.tar.gz'))),
      goldenBytes('container/layers/simple.tar'),
    ])
    await (await createRepo(store, { mode: 'bare-user' })).close()
    for (const name of ['d', 'e']) {
      const reference = `ostree-unverified-image:oci:${folder}/${name}:t`
      expect((await run('container', 'image', 'pull', '--quiet', store, reference)).status).toBe(0)
    }
  })

  test.each([
    ['e', 'reexport'],
    ['d', 'reexport of a plain image'],
  ])('is exported to the same bytes: %s, %s', async (name, title) => {
    const golden = COMMANDS.find((command) => command.title === title)
    const layout = join(folder, `re-${name}`)
    mkdirSync(layout)
    const from = `oci:${folder}/${name}:t`
    const result = await run('container', 'image', 'reexport', `--repo=${store}`, from, `oci:${layout}:t`)
    expect(result).toEqual({ status: 0, stdout: golden?.stdout, stderr: '' })
    const { index, manifest, config } = documentsIn(layout)
    expect(config).toBe(golden?.image?.config)
    expect(manifest).toBe(golden?.image?.manifest)
    expect(index).toEqual(golden?.image?.index)
  })
})

describe('--exact-compression', () => {
  const folder = temporaryFolder()
  const run = (...words: string[]) => runInProcess(words, folder)
  const encapsulated = async (...words: string[]) => {
    const result = await run('container', 'encapsulate', `--repo=${folder}/r`, ...words, 'main', `oci:${folder}/e:t`)
    return [result.status, result.stdout === `${expected}\n` ? 'exact' : result.stdout.slice(0, 7), result.stderr]
  }
  let expected: string

  beforeAll(async () => {
    await (await createRepo(join(folder, 'r'), { mode: 'bare-user' })).close()
    writeFileSync(join(folder, 'tree-1.tar'), gunzipSync(goldenBytes('container-real/tree-1.tar.gz')))
    const { argv = [] } = GOLDEN.commits['tree-1'] ?? {}
    const [, , ...words] = argv.map((word) => word.replace('tar=', `tar=${folder}/`))
    await run('commit', `--repo=${folder}/r`, ...words, '-b', 'main')
    const first = await run('container', 'encapsulate', `--repo=${folder}/r`, 'main', `oci:${folder}/e:t`)
    expected = first.stdout.trim()
  })

  test('is on by default, and can be turned off for other digests', async () => {
    expect(expected).toMatch(/^sha256:/)
    expect(await encapsulated('--exact-compression=yes')).toEqual([0, 'exact', ''])
    expect(await encapsulated('--exact-compression=no')).toEqual([0, 'sha256:', ''])
  })

  test('has no effect on plain layers', async () => {
    const plain = [...(await encapsulated('--compression=none'))]
    expect(plain).toEqual([0, 'sha256:', ''])
    const [one, other] = await Promise.all(
      ['yes', 'no'].map(async (word, i) => {
        const to = `oci:${folder}/none-${i}:t`
        const options = ['--compression=none', `--exact-compression=${word}`]
        return (await run('container', 'encapsulate', `--repo=${folder}/r`, ...options, 'main', to)).stdout
      }),
    )
    expect(one).toBe(other)
  })

  test.each(['encapsulate', 'commit'])('of another value is an error of %s', async (command) => {
    const words = command === 'commit' ? ['commit', '-b', 'x', folder] : ['container', 'encapsulate', 'main', 'oci:/x']
    const at = command === 'commit' ? 1 : 2
    const result = await run(
      ...words.slice(0, at),
      `--repo=${folder}/r`,
      '--exact-compression=maybe',
      ...words.slice(at),
    )
    expect([result.status, result.stderr]).toEqual([1, expect.stringContaining("Invalid boolean argument 'maybe'")])
  })
})

/** Writes an OCI layout of plain layers, with the documents that the vectors were made with. */
function plainImage(path: string, layers: readonly Uint8Array[]): void {
  const put = (bytes: Uint8Array, mediaType: string) => {
    const digest = digestOf(bytes)
    mkdirSync(join(path, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(path, 'blobs', digest.replace(':', '/')), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const json = (value: object) => new TextEncoder().encode(JSON.stringify(value))
  const created = '2026-01-02T03:04:05Z'
  const config = {
    created,
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    history: layers.map((_, i) => ({ created, created_by: `layer ${i}` })),
  }
  const prefix = 'application/vnd.oci.image'
  const manifest = {
    schemaVersion: 2,
    mediaType: `${prefix}.manifest.v1+json`,
    config: put(json(config), `${prefix}.config.v1+json`),
    layers: layers.map((layer) => put(layer, `${prefix}.layer.v1.tar`)),
  }
  const annotations = { 'org.opencontainers.image.ref.name': 't' }
  const manifests = [{ ...put(json(manifest), manifest.mediaType), annotations }]
  writeFileSync(join(path, 'index.json'), json({ schemaVersion: 2, manifests }))
  writeFileSync(join(path, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
}

/** Reads the documents of the only image in an OCI layout, as texts. */
function documentsIn(layout: string) {
  const blob = (digest: string) => readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8')
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const manifest = blob(index.manifests[0].digest)
  return { index, manifest, config: blob(JSON.parse(manifest).config.digest) }
}
