import { expect, test } from 'vitest'
import { formatHelp } from '../../src/cli/command.ts'
import { type CommandEntry, isGroup } from '../../src/cli/command-entry.ts'
import { COMMANDS } from '../../src/cli/command-list.ts'
import { goldenJson } from '../support/golden.ts'

type Versions = Readonly<Record<string, { readonly stdout: string }>>

const known = goldenJson<Record<string, Versions>>('core/cli-help.json')

test('most commands are commands of ostree', () => {
  expect(COMMANDS.filter(({ name }) => known[`ostree ${name}`] !== undefined).length).toBeGreaterThan(20)
})

for (const entry of COMMANDS) {
  // Other commands are not commands of ostree.
  if (isGroup(entry) || known[`ostree ${entry.name}`] === undefined) continue
  test(`\`${entry.name} --help\` prints the help of ostree`, async () => {
    const versions = known[`ostree ${entry.name}`]
    const expected = versions?.['2026'] ?? versions?.['both']
    const command = await entry.load()
    expect(formatHelp(command, true)).toBe(expected?.stdout)
    // The options that ostree does not have are lines more, and nothing else.
    const added = Object.entries(command.options).filter(([, { added }]) => added)
    const lines = formatHelp(command).split('\n')
    const names = added.map(([name]) => new RegExp(`^  --${name}(?:=BOOL)? +[A-Z]`))
    expect(lines.filter((line) => names.some((name) => name.test(line)))).toHaveLength(added.length)
    expect(lines.filter((line) => !names.some((name) => name.test(line))).join('\n')).toBe(expected?.stdout)
  })
}

/** All commands with the words that name them. */
function* commandsOf(entries = COMMANDS, path: string[] = []): Iterable<[string, CommandEntry]> {
  for (const entry of entries) {
    if (isGroup(entry)) yield* commandsOf(entry.members, [...path, entry.name])
    else yield [[...path, entry.name].join(' '), entry]
  }
}

test.each([...commandsOf()])('`%s --help` lists every option that is not an internal one', async (_, entry) => {
  const command = await entry.load()
  const help = formatHelp(command)
  for (const [name, { hidden, help: text }] of Object.entries(command.options)) {
    if (hidden) continue
    expect(help).toMatch(new RegExp(`--${name}(?:=| )`))
    expect(text, name).toBeTruthy()
  }
  expect('json' in command.options).toBe(help.includes('--json'))
})
