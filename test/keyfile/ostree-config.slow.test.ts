import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { OstreeError } from '../../src/errors.ts'
import { KeyFile } from '../../src/keyfile/index.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const groups = fc.constantFrom('core', 'remote "origin"', 'archive', 'ünï')
const keys = fc.constantFrom('a', 'b-c', 'Two Words', 'name[de]', 'd.e')
// The values are arguments of a process, so they do not contain NUL.
const values = fc.string({ unit: fc.constantFrom(...'ab é;=[]#\\ \t\n\r"1'), maxLength: 12 })

type Edit =
  | { op: 'set'; group: string; key: string; value: string }
  | { op: 'get' | 'unset'; group: string; key: string }
const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), group: groups, key: keys, value: values }),
  fc.record({ op: fc.constantFrom('get' as const, 'unset' as const), group: groups, key: keys }),
)

const lines = fc.oneof(
  fc
    .tuple(keys, fc.string({ unit: fc.constantFrom(...'ab ;é='), maxLength: 8 }))
    .map(([key, value]) => `${key} = ${value}`),
  groups.map((group) => `[${group}]`),
  fc.constantFrom('# note', '', '[core]'),
)
const configs = fc
  .array(lines, { maxLength: 8 })
  .map((parts) => `# top\n[core]\nrepo_version=1\nmode=archive-z2\n${parts.join('\n')}\n`)

let repo = ''
beforeAll(() => {
  repo = temporaryFolder('disk')
  run('ostree', ['init', `--repo=${repo}`, '--mode=archive'])
})

/** Runs `ostree config` on a configuration. @returns what it printed, and the file after it */
function theirs(config: string, { op, group, key, ...rest }: Edit): { said: string; left: string } {
  writeFileSync(join(repo, 'config'), config)
  const value = 'value' in rest ? [rest.value] : []
  const { stdout, stderr } = spawnSync(
    'ostree',
    ['config', `--repo=${repo}`, `--group=${group}`, op, '--', key, ...value],
    {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    },
  )
  return { said: `${stdout}${stderr}`, left: readFileSync(join(repo, 'config'), 'utf8') }
}

function ours(config: string, edit: Edit): { said: string; left: string } {
  const file = KeyFile.parse(config, 'config', { keep: 'values' })
  try {
    switch (edit.op) {
      case 'get':
        return { said: `${file.getString(edit.group, edit.key)}\n`, left: config }
      case 'set':
        file.set(edit.group, edit.key, edit.value)
        return { said: '', left: file.toString() }
      case 'unset':
        return { said: '', left: file.remove(edit.group, edit.key) ? file.toString() : config }
    }
  } catch (error) {
    if (error instanceof OstreeError) return { said: `error: ${error.message}\n`, left: config }
    throw error
  }
}

describeReference('ostree', 'KeyFile and `ostree config`', () => {
  test('random edits of a configuration print the same and leave the same file', () => {
    fc.assert(
      fc.property(configs, edits, (config, edit) => {
        expect(ours(config, edit)).toEqual(theirs(config, edit))
      }),
      { numRuns: 150 },
    )
  }, 60_000)
})
