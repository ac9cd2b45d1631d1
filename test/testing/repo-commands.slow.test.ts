/** Random commands on repositories of every store have the results of a model. */
import fc from 'fast-check'
import { describe, test } from 'vitest'
import type { RepoMode } from '../../src/repo/index.ts'
import { repoProperty } from '../../src/testing/index.ts'
import { MODEL_SUBJECTS } from './stores.ts'

/** Runs for one mode of one store; `MODEL_RUNS` runs more. */
const numRuns = Number(process.env['MODEL_RUNS'] ?? 12)

for (const subject of MODEL_SUBJECTS) {
  describe(`random commands on a repository: ${subject.name}`, () => {
    test.each<RepoMode>(subject.modes ?? ['archive'])('%s', { timeout: 0 }, async (mode) => {
      await fc.assert(repoProperty(subject, { mode }), { numRuns })
    })
  })
}
