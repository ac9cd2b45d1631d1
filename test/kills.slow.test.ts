/** A sample of `npm run kills`: processes of the built command that are killed while they work on repositories. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url))

test('what a killed process leaves is sound, and the same command then does all its work', { timeout: 600_000 }, () => {
  const seed = process.env['SEED'] ?? '20260115'
  const args = ['scripts/kills.mjs', '--kills=24', `--seed=${seed === 'random' ? Date.now() % 1_000_000 : seed}`]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: CHECKOUT, encoding: 'utf8' })
  expect(stdout + stderr).toMatch(/^24 runs, \d+ killed, 0 failed/m)
  expect(Number(/(\d+) killed, 0 failed/.exec(stdout)?.[1])).toBeGreaterThan(10)
  expect(status).toBe(0)
})
