/** What `writeDelta` leaves in the repository, also if it is interrupted. */
import { expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { streamOf } from '../../../src/bytes.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { deltaPath } from '../../../src/repo/deltas/names-and-index.ts'
import { applyDelta, pullLocal, type Repo, readSuperblock, writeDelta } from '../../../src/repo/index.ts'
import { requireRepoFiles } from '../../../src/repo/internal.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const tree = (letter: string) => ({ a: letter.repeat(3000), b: `${letter}b`.repeat(2000), c: 'same' })

/** Applies the delta in the repository to a new one. @returns false if there is none. @throws if it is not whole */
async function applies(repo: Repo, from: Checksum, to: Checksum): Promise<boolean> {
  const files = requireRepoFiles(repo, 'A test')
  const directory = deltaPath({ from, to })
  const superblock = await files.read(`${directory}/superblock`)
  if (superblock === undefined) return false
  const target = await memoryRepo('bare-user')
  await pullLocal(repo, target, { refs: [from] })
  await applyDelta(target, readSuperblock(superblock, nodePlatform), {
    openPart: ({ index }) =>
      (async function* () {
        yield* streamOf((await files.read(`${directory}/${index}`)) ?? new Uint8Array())
      })(),
  })
  return true
}

test('at every moment there is a whole delta or none, and a repetition succeeds', async () => {
  const repo = await createRepo(`${temporaryFolder()}/repo`, { mode: 'archive', platform: nodePlatform })
  const from = await commitTree(repo, tree('x'))
  const to = await commitTree(repo, tree('y'))
  const files = requireRepoFiles(repo, 'A test')
  const { write } = files
  const many = { from, to, timestamp: 1n, maxPartSize: 1 }
  const few = { from, to, timestamp: 2n }
  let interrupted = 0
  for (const [before, after] of [
    [undefined, many],
    [many, few],
    [few, many],
    [many, many],
  ] as const) {
    for (let stop = 0; ; stop++) {
      if (before !== undefined) await writeDelta(repo, before)
      let left = stop
      files.write = (...args) => {
        if (left-- === 0) throw new Error('killed')
        return write.apply(files, args)
      }
      const done = await writeDelta(repo, after).then(
        () => true,
        (error: Error) => error.message !== 'killed' && Promise.reject(error),
      )
      files.write = write
      // Throws if there is a superblock with parts of another delta.
      const whole = await applies(repo, from, to)
      if (done) expect(whole).toBe(true)
      else interrupted++
      await writeDelta(repo, after)
      expect(await applies(repo, from, to)).toBe(true)
      if (done) break
    }
  }
  expect(interrupted).toBe(8)
  await writeDelta(repo, few)
  expect(await files.list(deltaPath(few))).toEqual(['0', 'superblock'])
  await repo.close()
})
