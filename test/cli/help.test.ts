import { expect, test } from 'vitest'
import { formatHelp } from '../../src/cli/command.ts'
import { isGroup } from '../../src/cli/command-entry.ts'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { goldenJson } from '../support/golden.ts'

type Versions = Readonly<Record<string, { readonly stdout: string }>>

const known = goldenJson<Record<string, Versions>>('core/cli-help.json')

for (const entry of COMMANDS) {
  // Hidden commands are not commands of ostree.
  if (isGroup(entry) || entry.hidden === true) continue
  test(`\`${entry.name} --help\` prints the help of ostree`, async () => {
    const versions = known[`ostree ${entry.name}`]
    const expected = versions?.['2026'] ?? versions?.['both']
    expect(formatHelp(await entry.load())).toBe(expected?.stdout)
  })
}
