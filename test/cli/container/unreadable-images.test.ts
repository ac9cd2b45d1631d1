/** Commands in a repository where one of the stored images cannot be read. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { buildImage, packLayer } from '../../../src/testing/index.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
const path = join(root, 'repo')
const layout = join(root, 'image')
const name = `oci:${layout}:latest`
const LOST = 'a'.repeat(64) as Checksum
const NOT_READ = `Reading image oci:x: `
const NOT_ESCAPED = 'Reading ref ostree/container/image/oci_3A__XY_: '

async function writeImage(...files: string[]): Promise<void> {
  const layers = files.map(async (file) => ({ tar: await packLayer([{ path: file, body: new Uint8Array(1) }]) }))
  for (const [file, bytes] of buildImage(nodePlatform, await Promise.all(layers), { tag: 'latest' })) {
    mkdirSync(dirname(join(layout, file)), { recursive: true })
    writeFileSync(join(layout, file), bytes)
  }
}

describe('a repository with two images that cannot be read', () => {
  const image = (...words: string[]) => runInProcess(['container', 'image', ...words], root)

  beforeAll(async () => {
    await using repo = await createRepo(path, { mode: 'archive', platform: nodePlatform })
    await writeImage('usr/a', 'usr/b')
    expect(await image('pull', path, `ostree-unverified-image:${name}`, '--quiet')).toMatchObject({ status: 0 })
    await repo.setRef('ostree/container/image/oci_3A_x', LOST)
    await repo.setRef('ostree/container/image/oci_3A__XY_', LOST)
  })

  test('image list lists the others, and warns', async () => {
    const plain = await image('list', `--repo=${path}`)
    expect(plain).toMatchObject({ status: 0, stdout: `${name}\noci:x\n` })
    expect(plain.stderr).toMatch(new RegExp(`^warning: ${NOT_ESCAPED}.*\n$`))
    const json = await image('list', `--repo=${path}`, '--json')
    expect(JSON.parse(json.stdout)).toEqual([expect.objectContaining({ reference: name })])
    expect(json.stderr.split('\n')).toEqual([
      expect.stringContaining(NOT_ESCAPED),
      expect.stringContaining('Querying image oci:x: '),
      '',
    ])
  })

  test('image verify verifies the others, and fails', async () => {
    const { status, stdout, stderr } = await image('verify', `--repo=${path}`)
    expect([status, stdout]).toEqual([1, expect.stringContaining(`OK image ${name} (verified=2)`)])
    expect(stderr).toContain('Querying image oci:x: ')
    expect(stderr).toMatch(/error: Found corruption in images: 2\n$/)
    expect(await image('verify', `--repo=${path}`, name)).toMatchObject({ status: 0, stderr: '' })
  })

  test('image plan and pull warn, and prune-layers fails', async () => {
    await writeImage('usr/a', 'usr/c')
    const plan = await image('plan', path, `ostree-unverified-image:${name}`)
    expect(plan.status).toBe(0)
    expect(plan.stderr).toContain(`warning: Layers that no image needs will not be removed: Pruning image layers: `)
    const pull = await image('pull', path, `ostree-unverified-image:${name}`, '--quiet')
    expect(pull.status).toBe(0)
    for (const fault of [NOT_READ, NOT_ESCAPED]) expect(pull.stderr).toContain(`warning: ${fault}`)
    expect(pull.stderr).toContain('warning: Layers that no image needs were not removed: Pruning image layers: ')
    const prune = await image('prune-layers', `--repo=${path}`)
    expect([prune.status, prune.stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`^error: Pruning image layers: (${NOT_READ}|${NOT_ESCAPED})`)),
    ])
  })

  test('image remove removes an image that cannot be read', async () => {
    const dry = await image('remove', `--repo=${path}`, '--dry-run', '--skip-gc', 'oci:x')
    expect(dry).toMatchObject({ status: 0, stdout: 'Would remove image oci:x\n' })
    expect(await image('remove', `--repo=${path}`, '--skip-gc', 'oci:x')).toMatchObject({ status: 0 })
    await using repo = await openRepo(path)
    await repo.setRef('ostree/container/image/oci_3A__XY_', undefined)
    await repo.setRef('ostree/container/image/oci_3A_x', LOST)
    const planned = await image('remove', `--repo=${path}`, '--dry-run', 'oci:x')
    expect([planned.status, planned.stdout]).toEqual([0, expect.stringContaining('Would remove layer sha256:')])
    expect(await image('remove', `--repo=${path}`, 'oci:x')).toMatchObject({
      status: 0,
      stdout: 'Removed images: 1 layers: 1\n',
    })
  })
})
