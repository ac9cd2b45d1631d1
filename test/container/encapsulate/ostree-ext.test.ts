/** Compares images of whole commits with those that the command of ostree-ext wrote: each byte of every document and layer. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { exportCommit } from '../../../src/container/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { digestOf } from '../golden-images.ts'
import {
  COMMANDS,
  commitWords,
  documentsIn,
  ENCAPSULATED,
  type EncapsulateCase,
  INCOMPLETE,
  TREES,
} from '../ostree-ext-kit.ts'

describe('an image that ostree-ext wrote', () => {
  const folder = temporaryFolder()
  const run = (...words: string[]) => runInProcess(words, folder)

  beforeAll(async () => {
    await (await createRepo(join(folder, 'r'), { mode: 'bare-user' })).close()
    writeFileSync(join(folder, 'config.json'), JSON.stringify(ENCAPSULATED['config.json']))
    for (const name of TREES) {
      const { words, commit } = commitWords(name, folder)
      expect(await run(...words)).toEqual({ status: 0, stdout: `${commit}\n`, stderr: '' })
    }
  })

  async function encapsulated({ commit, argv, contentmeta }: EncapsulateCase, name: string) {
    const paths = argv.map((word) => (word.endsWith('.json') ? join(folder, word) : word))
    const meta = paths[argv.indexOf('--contentmeta') + 1]
    if (contentmeta !== undefined) writeFileSync(meta ?? '', JSON.stringify(contentmeta))
    mkdirSync(join(folder, name), { recursive: true })
    const layout = join(folder, name, 'image')
    const result = await run('container', 'encapsulate', `--repo=${folder}/r`, ...paths, commit, `oci:${layout}:t`)
    const blob = (digest: string) => new Uint8Array(readFileSync(join(layout, 'blobs', digest.replace(':', '/'))))
    return { layout, blob, result }
  }

  const whole = ENCAPSULATED.cases.filter(({ rc, commit }) => rc === 0 && commit !== INCOMPLETE)

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

  test.each(ENCAPSULATED.cases.filter(({ rc }) => rc !== 0).map((golden) => [golden.commit, golden] as const))(
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
    const golden = ENCAPSULATED.cases.find(
      ({ commit, title }) => commit === INCOMPLETE && title === 'plain',
    ) as EncapsulateCase
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
    await run(...commitWords('tree-1', folder).words, '-b', 'main')
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
