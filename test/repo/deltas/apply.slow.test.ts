/** Static deltas of the reference program, applied to every kind of store. */
import { beforeAll, describe, expect } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { applyDelta, type FsckEvent, fsck, pullLocal, type Repo, readSuperblock } from '../../../src/repo/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { BACKENDS, testRepos, testWith } from '../../support/backends.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { fileOf, goldenDeltas, partsOf, unpackDeltaRepo } from './golden.ts'

const { from, to, deltas } = goldenDeltas
const repos = testRepos()
let source: Repo

beforeAll(async () => {
  source = await openRepo(unpackDeltaRepo(temporaryFolder()))
  return () => source.close()
})

describe.each(BACKENDS)('applyDelta to $name', (backend) => {
  for (const [index, delta] of deltas.entries()) {
    const mode = index % 2 === 0 ? 'archive' : 'bare-user'
    testWith(backend, mode, `${mode}: ${delta.description}`, async () => {
      const repo = await repos.create(backend, mode)
      const superblock = readSuperblock(fileOf(delta, 'superblock'), nodePlatform)
      if (superblock.from !== undefined) {
        await expect(applyDelta(repo, superblock)).rejects.toThrow(
          `Commit ${from}, which is the delta source, is not in repository`,
        )
        await pullLocal(source, repo, { refs: [from] })
      }
      const openPart = partsOf(delta, index % 3 === 0 ? 'stream' : 'opened')
      if (delta.description.startsWith('fallback')) {
        await expect(applyDelta(repo, superblock, { openPart })).rejects.toThrow(
          'Cannot execute delta offline: contains nonempty http fallback entries',
        )
        return
      }
      await applyDelta(repo, superblock, { openPart })
      const faults: FsckEvent[] = []
      await fsck(repo, { onEvent: (event) => void (event.kind !== 'stage' && faults.push(event)) })
      expect(faults).toEqual([])
      expect(await repo.objects.readMeta('commit', to)).toEqual(await source.objects.readMeta('commit', to))
      // Nothing is missing, and what is stored already is not read again.
      await applyDelta(repo, superblock)
    })
  }
})
