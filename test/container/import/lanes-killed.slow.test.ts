/** An import with threads whose process is killed: the repository stays valid, and the import can be done again. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pullImage } from '../../../src/container/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { bundleScript, threadProgram } from '../../support/bundle.ts'
import { Child } from '../../support/child-process.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { HOST, imageOf, someLayers } from './small-images.ts'

const REFERENCE = 'ostree-unverified-image:oci:image'
const root = temporaryFolder()

/** The child kills itself some milliseconds after the event that DIES_AFTER names. */
const SCRIPT = `
  import { LocalLayerThreads } from './src/container/import/lanes/local-layer-threads.ts'
  import { pullImage } from './src/container/index.ts'
  import { openRepo } from './src/repo/local.ts'
  import { HOST, imageOf, someLayers } from './test/container/import/small-images.ts'
  const [path, program, event, milliseconds] = process.argv.slice(2)
  const threads = new LocalLayerThreads({ count: 2, program: new URL(program), after: 1 }, true)
  const source = imageOf(await someLayers())
  let seen = 0
  const onProgress = () => {
    if (seen++ === Number(event)) setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(milliseconds))
  }
  await pullImage(await openRepo(path), '${REFERENCE}', { host: HOST, now: () => 1, open: async () => source, threads, onProgress })
`

describeReference('ostree', 'an import with threads that is killed', () => {
  test.each(['bare-user-only', 'archive'] as const)(
    'the repository is valid, and the import can be done again: %s',
    { timeout: 300_000 },
    async (mode) => {
      const image = imageOf(await someLayers())
      const options = { host: HOST, now: () => 1, open: async () => image }
      const whole = await createRepo(join(root, `whole-${mode}`), { mode })
      const { mergeCommit } = await pullImage(whole, REFERENCE, options)
      await whole.close()
      const script = bundleScript('pull', SCRIPT)
      const program = threadProgram('local-layer-worker').href
      let killed = 0
      for (const [event, milliseconds] of [
        [0, 0],
        [0, 30],
        [1, 5],
        [4, 0],
        [9, 3],
        [12, 20],
      ] as const) {
        const path = join(root, `killed-${mode}-${event}-${milliseconds}`)
        await (await createRepo(path, { mode })).close()
        const { signal } = await new Child([script, path, program, `${event}`, `${milliseconds}`]).ended
        if (signal === 'SIGKILL') killed++
        expect(run('ostree', [`--repo=${path}`, 'fsck', '--quiet'])).toContain('no errors found')
        const repo = await openRepo(path)
        expect((await pullImage(repo, REFERENCE, options)).mergeCommit).toBe(mergeCommit)
        await repo.close()
        expect(run('ostree', [`--repo=${path}`, 'fsck', '--quiet'])).toContain('no errors found')
        expect(readdirSync(join(path, 'tmp')).filter((name) => name.startsWith('staging-'))).toEqual([])
      }
      expect(killed).toBeGreaterThan(2)
    },
  )
})
