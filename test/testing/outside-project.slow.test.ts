/** The project in examples/testing-kit, which installs the packed package, passes with vitest and with node:test. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/temporary.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Dependencies of the project and of the package; those of the checkout are linked, so that nothing is downloaded. */
const LINKED = ['@noble/hashes', 'fast-check', 'fflate', 'pako', 'tar-stream', 'vitest']

let project: string

beforeAll(() => {
  project = temporaryFolder()
  cpSync(join(ROOT, 'examples/testing-kit'), project, { recursive: true })
  const pack = ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', project]
  const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' })) as [
    { filename: string },
  ]
  const modules = join(project, 'node_modules')
  mkdirSync(modules)
  execFileSync('tar', ['-xzf', join(project, filename), '-C', modules])
  renameSync(join(modules, 'package'), join(modules, 'ostree-ts'))
  for (const name of LINKED) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
})

/** Runs a program of the project, without the variables of the test runner that runs this file. */
function run(...args: string[]): string {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_TEST|VITE_)/.test(name))
  const env = { ...Object.fromEntries(inherited), NO_COLOR: '1' }
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', env })
  expect(status, `${stdout}\n${stderr}`).toBe(0)
  return stdout
}

test('the project passes with vitest', () => {
  const output = run('node_modules/vitest/vitest.mjs', 'run')
  const [, passed] = /Tests\s+(\d+) passed/.exec(output) ?? []
  expect(Number(passed), output).toBeGreaterThan(50)
  expect(output).toMatch(/Test Files\s+2 passed/)
})

test('the project passes with node:test', () => {
  const output = run('--test', '--test-reporter=tap', 'node-runner.mjs')
  expect(output).toMatch(/^# pass 3$/m)
  expect(output).toMatch(/^# fail 0$/m)
})
