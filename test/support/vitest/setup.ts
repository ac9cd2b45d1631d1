/**
 * What vitest does before the tests of each file.
 *
 * Properties are tried with the same values on every machine, so that a failure is caused by the change under test. The
 * variable SEED chooses other values: `SEED=7 npm test`, or `SEED=random npm test`; fast-check prints the seed of a
 * property that fails.
 */
import fc from 'fast-check'
import { afterAll } from 'vitest'
import { removeTemporaryFolders } from '../temporary.ts'

const seed = process.env['SEED'] ?? '20260115'
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })

afterAll(removeTemporaryFolders)
