/** The scenarios of `bench`: what they make, and that each can be imported and measured. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Input } from '../../../src/cli/bench/inputs/input.ts'
import { planScenario } from '../../../src/cli/bench/inputs/make-input.ts'
import { doChildWork } from '../../../src/cli/bench/runs/child-work.ts'
import { SCENARIOS } from '../../../src/cli/bench/scenarios/scenarios.ts'
import { STAGES } from '../../../src/cli/stages/stage-clock.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder()
const context = { signal: new AbortController().signal, onBytes: () => undefined }
let count = 0

function make(name: string, scale: number, seed = 1): Promise<Input> {
  const scenario = SCENARIOS.find((known) => known.name === name)
  if (scenario === undefined) throw new Error(`There is no scenario ${name}`)
  return planScenario(scenario, scale, seed).make(join(folder, `input-${count++}`), context)
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** The checksums of all tars together. */
function checksum({ layers }: Input): string {
  return createHash('sha256')
    .update(layers.map(({ tar }) => sha256(tar)).join())
    .digest('hex')
}

/** Scale of the smoke test, and the numbers of layers and files that it has then. */
const SMOKE: readonly (readonly [name: string, scale: number, layers: number, files: number])[] = [
  ['fat-files', 0.001, 1, 24],
  ['thin-layers', 0.01, 31, 93],
  ['small-files', 0.002, 1, 104],
  ['links', 0.002, 1, 40],
  ['image', 0.001, 6, 41],
  ['node-modules', 0.001, 1, 72],
  ['distro-root', 0.001, 1, 90],
  ['ml-model', 0.001, 4, 4],
  ['empty-files', 0.0002, 1, 200],
  ['deep-trees', 0.01, 1, 200],
  ['duplicates', 0.002, 1, 120],
]

test('every scenario has a smoke test', () => {
  expect(SMOKE.map(([name]) => name)).toEqual(SCENARIOS.map(({ name }) => name))
})

describe.each(SMOKE)('the scenario %s', (name, scale, layers, files) => {
  test('is the same for the same seed, can be imported, and its stages are measured', async () => {
    const input = await make(name, scale)
    expect({ layers: input.layers.length, files: input.files }).toEqual({ layers, files })
    expect(checksum(await make(name, scale))).toBe(checksum(input))

    const target = join(folder, `${name}-store`)
    const { image } = input
    await doChildWork({ work: 'import', image, store: 'sqlite', target, lanes: null })
    expect(existsSync(`${target}.sqlite`)).toBe(true)
    const times = await doChildWork({ work: 'stages', image, store: 'archive', target })
    expect(Object.keys(times ?? {})).toEqual([...STAGES])
    rmSync(`${target}.sqlite`)
    rmSync(target, { recursive: true })
  })
})

test('another seed makes other contents', async () => {
  expect(checksum(await make('small-files', 0.001, 1))).not.toBe(checksum(await make('small-files', 0.001, 2)))
})

test('the contents are the same on every machine', async () => {
  expect(checksum(await make('image', 0.0005, 7))).toBe(
    'c5f5822ed0ca6fae11b90f7c0a6ff7ca95feba3fccf147dd2e61ebe7db8e5c9d',
  )
})

test('sizes are what the summary says', async () => {
  const input = await make('small-files', 0.05)
  expect(input.files).toBe(2600)
  expect(input.content * 20).toBeGreaterThan(55e6)
  expect(input.content * 20).toBeLessThan(61e6)
})

test('the floor writes the tars of all layers', async () => {
  const { layers } = await make('thin-layers', 0.01)
  const target = join(folder, 'floor')
  await doChildWork({ work: 'floor', blobs: layers.map(({ blob }) => blob), target })
  const tars = Buffer.concat(layers.map(({ tar }) => readFileSync(tar)))
  expect(readFileSync(target).equals(tars)).toBe(true)
})
