import { spawnSync } from 'node:child_process'
import { beforeAll, describe, expect, test } from 'vitest'
import { isGroup } from '../../src/cli/command-entry.ts'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { BuiltCommand, type RunResult, spawn } from '../support/built-command.ts'
import { goldenJson } from '../support/golden.ts'
import { hasReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

type CommandStep = RunResult & { readonly argv: readonly string[]; readonly v2026?: RunResult }
type Step = { readonly shell: string; readonly stdout: string } | CommandStep

const steps = goldenJson<Step[]>('core/cli-transcripts.json')

/** That a command is not in the registry is the only reason why a step is left out. */
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
/** What is missing is done by ostree, that later steps find what they stand on; where there is none, the session ends. */
const end = hasReference('ostree') ? -1 : missing.findIndex((command) => command !== undefined)

/** The commands there are is no question of wording; what is told of the way with `-v`, and times of the day, neither. */
function comparable(text: string): string {
  const overview = /^Usage:\n {2}ostree(?: [a-z-]+)? \[OPTION(?:…|\.\.\.)\] COMMAND\n/
  return (
    (overview.test(text) ? text.slice(text.search(/^error: |$(?!\n)/m)) : text)
      .replace(/^OT: .*\n/gm, '')
      // Of a pull that failed ostree keeps what has come, to go on from there; here nothing stays.
      .replace(/^mnt\/\.ostree\/repo\/(?:tmp\/staging|state\/.).*\n/gm, '')
      .replace(/^(Last-Modified .*: ).*$/gm, '$1')
      .replace(/('ostree.summary.last-modified': <uint64 )\d+/g, '$1')
      // What a part comes to depends on what compresses it.
      .replace(/( compressed[:=])\d+/g, '$1N')
      .replace(/(staging-[0-9a-f-]{32,36})-\w{6}/g, '$1')
      .replace(/staging-[0-9a-f-]{32,36}/g, 'staging')
  )
}

const CHECKSUM_LINE = /^[0-9a-f]{64}\n$/

describe('a session, word for word as ostree answers it', () => {
  const folder = temporaryFolder('disk')
  let program: BuiltCommand
  beforeAll(async () => {
    program = await BuiltCommand.build()
  })

  for (const [index, step] of steps.slice(0, end < 0 ? steps.length : end).entries()) {
    if ('shell' in step) {
      test(`${index}: prepared by a shell`, () => {
        const { stdout } = spawnSync('sh', ['-c', step.shell], { cwd: folder, encoding: 'utf8' })
        // What lists a checkout shows times of the day it was made.
        if (!step.shell.includes('%T@') && !step.shell.startsWith('tar')) {
          expect(comparable(stdout)).toBe(comparable(step.stdout))
        }
      })
      continue
    }
    const args = step.argv.slice(1).map((arg) => arg.replaceAll('$PWD', folder))
    if (missing[index] !== undefined) {
      test(`${index}: done by ostree, for there is no ${missing[index]}`, () => {
        spawn('ostree', args, folder)
      })
      continue
    }
    test(`${index}: ${step.argv.join(' ')}`, () => {
      const { rc, stdout, stderr } = program.run(args, folder)
      const expected = step.v2026 ?? step
      const clean = (text: string): string => comparable(text.replaceAll(folder, '$PWD'))
      expect({ rc, stderr: clean(stderr) }).toEqual({ rc: expected.rc, stderr: comparable(expected.stderr) })
      const isOfThisDay = CHECKSUM_LINE.test(expected.stdout) && !args.some((arg) => arg.startsWith('--timestamp'))
      if (args.includes('--version')) expect(stdout.split('\n')[0]).toBe(expected.stdout.split('\n')[0])
      else if (isOfThisDay && /commit|--single|-S/.test(args.join(' '))) expect(stdout).toMatch(CHECKSUM_LINE)
      else if (args.includes('static-delta')) {
        // In the order of a directory, which is none.
        expect(clean(stdout).split('\n').sort()).toEqual(comparable(expected.stdout).split('\n').sort())
      } else expect(clean(stdout)).toBe(comparable(expected.stdout))
    })
  }
})
