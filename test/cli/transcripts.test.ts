import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goldenJson } from '../golden.ts'
import { Program, type RunResult } from './program.ts'

type Step =
  | { readonly shell: string; readonly stdout: string }
  | (RunResult & { readonly argv: readonly string[]; readonly v2026?: RunResult })

const OURS = new Set(['init', 'commit', 'checkout', 'refs', 'rev-parse', 'log', 'show', 'ls', 'cat', 'config', 'diff'])
/** From here on steps stand on commands that move objects between repositories. */
const END = 154
const steps = goldenJson<Step[]>('core/cli-transcripts.json').slice(0, END)

function commandOf({ argv }: { argv: readonly string[] }): string | undefined {
  return argv.slice(1).find((arg) => !arg.startsWith('-'))
}

describe('a session, word for word as ostree answers it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostree-ts-cli-'))
  let program: Program
  beforeAll(async () => {
    program = await Program.build()
  })
  afterAll(() => {
    program.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const [index, step] of steps.entries()) {
    if ('shell' in step) {
      test(`${index}: prepared by a shell`, () => {
        const { stdout } = spawnSync('sh', ['-c', step.shell], { cwd: folder, encoding: 'utf8' })
        // What lists a checkout shows times of the day it was made.
        if (!step.shell.includes('%T@') && !step.shell.startsWith('tar')) expect(stdout).toBe(step.stdout)
      })
      continue
    }
    const command = commandOf(step)
    if (command === 'reset' && step.rc === 0) {
      const [ref = '', rev = ''] = step.argv.slice(3)
      test(`${index}: a ref is moved`, () => {
        const moved = program.run(['refs', '--repo=a', '--force', `--create=${ref}`, rev], folder)
        expect(moved).toEqual({ rc: 0, stdout: '', stderr: '' })
      })
      continue
    }
    if (command === undefined || !OURS.has(command)) continue
    test(`${index}: ${step.argv.join(' ')}`, () => {
      const { rc, stdout, stderr } = program.run(step.argv.slice(1), folder)
      const expected = step.v2026 ?? step
      const clean = (text: string): string => text.replaceAll(folder, '$PWD')
      expect({ rc, stderr: clean(stderr) }).toEqual({ rc: expected.rc, stderr: expected.stderr })
      const isOfThisDay = command === 'commit' && rc === 0 && !step.argv.some((arg) => arg.startsWith('--timestamp'))
      if (isOfThisDay || step.argv.includes('--single')) expect(stdout).toMatch(/^[0-9a-f]{64}\n$|^$/)
      else expect(clean(stdout)).toBe(expected.stdout)
    })
  }
})
