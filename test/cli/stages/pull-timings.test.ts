/** `container image pull --timings`: the stages add up, and the image is the same. */
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { STAGES, type StageTimes } from '../../../src/cli/stages/stage-clock.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const IMAGE = `oci:${resolve('examples/exampleos')}:1.0`

describe.each(['store.sqlite', 'archive', 'bare-user-only'])('a pull into %s', (name) => {
  const root = temporaryFolder()

  async function pull(store: string, ...options: string[]) {
    const path = join(root, `${store}-${name}`)
    if (!name.endsWith('.sqlite')) await runInProcess(['init', `--repo=${path}`, `--mode=${name}`], root)
    const result = await runInProcess(['container', 'image', 'pull', '-q', path, IMAGE, ...options], root)
    expect(result).toMatchObject({ status: 0, stderr: '' })
    return result.stdout
  }

  test('prints the seconds of each stage and their sum, and stores what another pull stores', async () => {
    const before = performance.now()
    const timed = await pull('timed', '--timings')
    const elapsed = (performance.now() - before) / 1000
    const plain = await pull('plain')
    expect(timed.startsWith(plain)).toBe(true)
    const rows = timed.slice(plain.length).trimEnd().split('\n')
    const seconds = Object.fromEntries(rows.map((row) => [row.split(' ')[0], Number(/(\d+\.\d+) s/.exec(row)?.[1])]))
    expect(Object.keys(seconds)).toEqual([...STAGES, 'total'])
    const sum = STAGES.reduce((total, stage) => total + (seconds[stage] ?? Number.NaN), 0)
    expect(Math.abs(sum - (seconds['total'] ?? Number.NaN))).toBeLessThan(0.01)
    expect(seconds['total']).toBeLessThanOrEqual(elapsed)
    for (const stage of ['inflate', 'parse', 'write', 'merge']) expect(seconds[stage], stage).toBeGreaterThan(0)
  })

  test('has them in the result with `--json`', async () => {
    const lines = (await pull('json', '--timings', '--json')).trimEnd().split('\n')
    const { kind, timings } = JSON.parse(lines.at(-1) ?? '') as { kind: string; timings: StageTimes }
    expect(kind).toBe('result')
    expect(Object.keys(timings)).toEqual([...STAGES])
    expect(Object.values(timings).every((value) => value >= 0)).toBe(true)
  })
})
