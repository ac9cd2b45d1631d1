import { spawnSync } from 'node:child_process'
import { beforeAll, describe, expect, test } from 'vitest'
import { isGroup } from '../../src/cli/command-entry.ts'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { BuiltCommand, type RunResult, spawn } from '../support/built-command.ts'
import { goldenJson } from '../support/golden.ts'
import { describeReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

type CommandStep = RunResult & { readonly argv: readonly string[]; readonly v2026?: RunResult }
type Step = { readonly shell: string; readonly stdout: string } | CommandStep

const steps = goldenJson<Step[]>('core/cli-transcripts.json')

/** Returns the name of the command of a step if `ostree-ts` does not have it. */
function missingCommand({ argv, stderr }: CommandStep): string | undefined {
  if (/^error: Unknown (?:command|"[^"]*" subcommand) /m.test(stderr)) return undefined
  let members = COMMANDS
  const path: string[] = []
  for (const word of argv.slice(1)) {
    if (word.startsWith('-')) continue
    const entry = members.find(({ name }) => name === word)
    path.push(word)
    if (entry === undefined) return path.join(' ')
    if (!isGroup(entry)) return undefined
    members = entry.members
  }
  return undefined
}

const missing = steps.map((step) => ('shell' in step ? undefined : missingCommand(step)))
/** The first step that `ostree-ts` cannot do. It and all later steps need ostree, because they depend on it. */
const first = missing.findIndex((command) => command !== undefined)

/** Removes what may differ: the overview of commands, the messages of `-v`, and times of the day. */
function comparable(text: string): string {
  const overview = /^Usage:\n {2}ostree(?: [a-z-]+)? \[OPTION(?:…|\.\.\.)\] COMMAND\n/
  return (
    (overview.test(text) ? text.slice(text.search(/^error: |$(?!\n)/m)) : text)
      .replace(/^OT: .*\n/gm, '')
      // ostree keeps the staged objects of a failed pull, and ostree-ts removes them.
      .replace(/^mnt\/\.ostree\/repo\/(?:tmp\/staging|state\/.).*\n/gm, '')
      .replace(/^(Last-Modified .*: ).*$/gm, '$1')
      .replace(/('ostree.summary.last-modified': <uint64 )\d+/g, '$1')
      // The size of a compressed part depends on the compressor.
      .replace(/( compressed[:=])\d+/g, '$1N')
      .replace(/(staging-[0-9a-f-]{32,36})-\w{6}/g, '$1')
      .replace(/staging-[0-9a-f-]{32,36}/g, 'staging')
  )
}

/** Lines of the help about options that ostree does not have. */
const OWN_OPTIONS = /^ {2}--(?:json|exact-compression=BOOL) .*\n/gm

const CHECKSUM_LINE = /^[0-9a-f]{64}\n$/

const folder = temporaryFolder('disk')
let program: BuiltCommand
beforeAll(async () => {
  program = await BuiltCommand.build()
})

describe('a session of ostree, up to the first command that ostree-ts does not have', () => {
  for (let index = 0; index < first; index++) defineStep(index)
})

describeReference('ostree', 'a session of ostree, from the first command that ostree-ts does not have', () => {
  for (let index = first; index < steps.length; index++) defineStep(index)
})

/** Defines the test of a step. */
function defineStep(index: number): void {
  const step = steps[index] as Step
  if ('shell' in step) {
    test(`step ${index}: the shell prepares files`, () => {
      const { stdout } = spawnSync('sh', ['-c', step.shell], { cwd: folder, encoding: 'utf8' })
      // Lists of a checkout have times of the day.
      if (!step.shell.includes('%T@') && !step.shell.startsWith('tar')) {
        expect(comparable(stdout)).toBe(comparable(step.stdout))
      }
    })
    return
  }
  const args = step.argv.slice(1).map((arg) => arg.replaceAll('$PWD', folder))
  if (missing[index] !== undefined) {
    test(`step ${index}: ostree runs the command ${missing[index]}, which ostree-ts does not have`, () => {
      spawn('ostree', args, folder)
    })
    return
  }
  test(`step ${index}: the output is that of ostree for \`${step.argv.join(' ')}\``, () => {
    const { rc, stdout, stderr } = program.run(args, folder)
    const expected = step.v2026 ?? step
    const own = args.includes('--help') ? OWN_OPTIONS : /$^/g
    const clean = (text: string): string => comparable(text.replaceAll(folder, '$PWD').replaceAll(own, ''))
    expect({ rc, stderr: clean(stderr) }).toEqual({ rc: expected.rc, stderr: comparable(expected.stderr) })
    const isOfThisDay = CHECKSUM_LINE.test(expected.stdout) && !args.some((arg) => arg.startsWith('--timestamp'))
    if (args.includes('--version')) expect(stdout.split('\n')[0]).toBe(expected.stdout.split('\n')[0])
    else if (isOfThisDay && /commit|--single|-S/.test(args.join(' '))) expect(stdout).toMatch(CHECKSUM_LINE)
    else if (args.includes('static-delta')) {
      // The order is that of a directory, which is not defined.
      expect(clean(stdout).split('\n').sort()).toEqual(comparable(expected.stdout).split('\n').sort())
    } else expect(clean(stdout)).toBe(comparable(expected.stdout))
  })
}
