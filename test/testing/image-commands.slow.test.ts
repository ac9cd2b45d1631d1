/** Random commands on caches of images in every store have the results of a model. */
import fc from 'fast-check'
import { describe, test } from 'vitest'
import type { RepoMode } from '../../src/repo/index.ts'
import { imageCacheProperty } from '../../src/testing/index.ts'
import { MODEL_SUBJECTS } from './stores.ts'

/** Runs for one mode of one store; `MODEL_RUNS` runs more. */
const numRuns = Number(process.env['MODEL_RUNS'] ?? 6)

for (const subject of MODEL_SUBJECTS) {
  describe(`random commands on a cache of images: ${subject.name}`, () => {
    const modes = (subject.modes ?? ['archive']).filter((mode) => mode !== 'bare' || subject.owner === undefined)
    test.each<RepoMode>(modes)('%s', { timeout: 0 }, async (mode) => {
      await fc.assert(imageCacheProperty(subject, { mode }), { numRuns })
    })
  })
}
