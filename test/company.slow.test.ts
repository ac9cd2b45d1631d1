/** A sample of `npm run company`: programs that work on one repository at the same time, ours and ostree. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const CHECKOUT = fileURLToPath(new URL('..', import.meta.url))

test('programs that share a repository lose no commit, and none of them fails', { timeout: 300_000 }, () => {
  const args = ['scripts/company.mjs', '--seconds=3', '--seed=7', '--store=archive,sqlite']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: CHECKOUT, encoding: 'utf8' })
  expect(stdout + stderr).toMatch(/^0 failed/m)
  expect(stdout).toMatch(/^archive: .*\d$/m)
  expect(stdout).toMatch(/^sqlite: .*\d$/m)
  expect(status).toBe(0)
})
