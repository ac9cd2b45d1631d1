/** A sample of changed inputs for every decoder and reader, and all kept inputs. `npm run fuzz` tries more. */
import { expect, test } from 'vitest'
import { readCorpus } from './corpus.ts'
import { runTarget } from './run-target.ts'
import { TARGETS } from './targets.ts'

const INPUTS = 200

test.each(TARGETS.map((target) => [target.name, target] as const))(
  '%s: kept and changed inputs give a result, or an error of the library',
  async (name, target) => {
    const inputs = Math.ceil(INPUTS * Math.min(1, target.share ?? 1))
    const { faults } = await runTarget(target, { inputs, seed: 1, corpus: readCorpus(name) })
    expect(faults).toEqual([])
  },
)
