/** A copy of an image whose process is killed: the destination stays valid, and the copy can be done again. */
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { copyImage, pullImage, queryImage, verifyContainerImage } from '../../../src/container/index.ts'
import { fsck, prune } from '../../../src/repo/index.ts'
import { requireSound } from '../../../src/repo/internal.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { bundleScript } from '../../support/bundle.ts'
import { Child } from '../../support/child-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { HOST, imageOf, someLayers } from '../import/small-images.ts'

const IMAGE = 'oci:image'
const root = temporaryFolder()

const SCRIPT = `
  import { copyImage } from './src/container/index.ts'
  import { openRepo } from './src/repo/local.ts'
  const [from, into] = process.argv.slice(2)
  const [source, destination] = [await openRepo(from), await openRepo(into)]
  process.stdout.write('begins\\n')
  await copyImage(source, '${IMAGE}', destination)
  process.stdout.write('done\\n')
`

describe.each([
  ['a directory', 'archive', ''],
  ['an SQLite file', 'bare-user-only', '.sqlite'],
] as const)('a copy into %s that is killed', (_, mode, suffix) => {
  test('leaves a valid repository, and can be done again', { timeout: 300_000 }, async () => {
    const image = imageOf(await someLayers())
    const from = join(root, `from${suffix}`)
    const source = await createRepo(from, { mode: 'bare-user-only' })
    const options = { host: HOST, now: () => 1, open: async () => image }
    const { mergeCommit } = await pullImage(source, `ostree-unverified-image:${IMAGE}`, options)
    const script = bundleScript('copy', SCRIPT)
    const into = (name: string) => join(root, `${name}-${mode}`, `repo${suffix}`)
    const prepare = async (path: string) => {
      mkdirSync(dirname(path))
      await (await createRepo(path, { mode })).close()
    }

    await prepare(into('whole'))
    const whole = new Child([script, from, into('whole')])
    await whole.said('begins')
    const start = performance.now()
    await whole.said('done')
    const duration = performance.now() - start
    expect((await whole.ended).code).toBe(0)

    let killed = 0
    for (let round = 0; round < 6; round++) {
      const path = into(`killed-${round}`)
      await prepare(path)
      const child = new Child([script, from, path])
      await child.said('begins')
      await new Promise((resolve) => setTimeout(resolve, (duration * round) / 5))
      const { signal, output } = await child.kill()
      if (signal === 'SIGKILL') killed++

      await using repo = await openRepo(path)
      requireSound(await fsck(repo))
      const state = await queryImage(repo, IMAGE)
      if (output.includes('done')) expect(state?.mergeCommit).toBe(mergeCommit)
      if (state !== undefined) expect((await verifyContainerImage(repo, IMAGE)).ok).toBe(true)

      await copyImage(source, IMAGE, repo)
      requireSound(await fsck(repo))
      expect((await queryImage(repo, IMAGE))?.mergeCommit).toBe(mergeCommit)
      expect((await verifyContainerImage(repo, IMAGE)).ok).toBe(true)
      expect((await prune(repo, { refsOnly: true })).unreachable).toHaveLength(0)
      if (suffix === '') {
        const leftovers = readdirSync(join(path, 'tmp')).filter((name) => name !== 'cache')
        expect(leftovers).toEqual([])
      }
      await repo.close()
      if (suffix !== '') expect(readdirSync(dirname(path))).toEqual([`repo${suffix}`])
    }
    expect(killed).toBeGreaterThan(2)
    await source.close()
  })
})
