import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidNameError, OstreeError } from '../../src/errors.ts'
import { KeyFile } from '../../src/keyfile/index.ts'
import { describeReference, run } from '../support/reference.ts'

type Op =
  | ['groups']
  | ['keys' | 'removeGroup', string]
  | ['getRaw' | 'getString' | 'getBoolean' | 'getInteger' | 'getUint64' | 'getList' | 'remove', string, string]
  | ['set' | 'setRaw', string, string, string]
  | ['setList', string, string, string[]]

interface Case {
  text: string
  keep: 'everything' | 'values'
  ops: Op[]
}

/** The result of a case: an error of loading, or an answer to each operation and the resulting text. */
type Outcome = { error: string } | { answers: unknown[]; text: string }

function glib(cases: Case[]): Outcome[] {
  const script = fileURLToPath(new URL('glib.py', import.meta.url))
  return JSON.parse(run('python3', [script], { input: new TextEncoder().encode(JSON.stringify(cases)) })) as Outcome[]
}

/** An edit that GLib makes although it cannot read it back, and that is refused here. */
const REFUSED = Symbol('refused')

/** @returns `undefined` if an edit is refused that GLib makes */
function ours({ text, keep, ops }: Case): Outcome | undefined {
  let file: KeyFile
  try {
    file = KeyFile.parse(text, 'case', { keep })
  } catch (error) {
    if (error instanceof OstreeError) return { error: error.message }
    throw error
  }
  const answers = ops.map((op) => answer(file, op))
  return answers.includes(REFUSED) ? undefined : { answers, text: file.toString() }
}

function answer(file: KeyFile, op: Op): unknown {
  try {
    switch (op[0]) {
      case 'groups':
        return file.groups()
      case 'keys':
        return file.keys(op[1])
      case 'removeGroup':
        return file.removeGroup(op[1])
      case 'getUint64':
        return String(file.getUint64(op[1], op[2]))
      case 'set':
      case 'setRaw':
        file[op[0]](op[1], op[2], op[3])
        return null
      case 'setList':
        file.setList(op[1], op[2], op[3])
        return null
      default:
        return file[op[0]](op[1], op[2])
    }
  } catch (error) {
    const unreadable = op[0].startsWith('set') && /^#|^\s|\s$/.test(op[2] ?? '')
    if (error instanceof InvalidNameError && (unreadable || /^Invalid value/.test(error.message))) return REFUSED
    // For an invalid name, GLib logs a critical warning and does nothing.
    if (error instanceof OstreeError) return error.code === 'invalid' ? null : { error: error.message }
    throw error
  }
}

const space = fc.constantFrom('', '', '', ' ', '\t', '  ')
const group = fc.oneof(fc.constantFrom('core', 'b', 'remote "o"', 'ä'), fc.constantFrom('a]', '', 'x\ty', ' '))
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('k', 'mode', 'two words', 'Name[de]', 'Name[x]', 'Encoding', 'ü') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', ' k', 'k ', 'a[b', 'a[]', 'a]b', 'a[é-_.@]', 'a[ ]', 'a[b]c', '#k', '[k'),
  },
)
const piece = fc.constantFrom(
  ...[
    'a',
    'é',
    '\u{1f600}',
    ' ',
    '\t',
    '\\',
    ';',
    '=',
    '[',
    ']',
    '#',
    '1',
    '-',
    '+',
    '0',
    'true',
    'false',
    'n',
    's',
    '\r',
    '\f',
    '\v',
  ],
)
const value = fc.oneof(
  fc.array(piece, { maxLength: 7 }).map((parts) => parts.join('')),
  fc.constantFrom(
    'true',
    'false',
    '1',
    '0',
    'true ',
    'TRUE',
    't',
    '',
    ' ',
    'yes',
    '0x10',
    '99999999999',
    '-2147483648',
  ),
  fc.constantFrom(
    '2147483648',
    '18446744073709551615',
    '18446744073709551616',
    '-1',
    '5 x',
    '5x',
    '\\s5',
    'a;b;;c',
    'a\\;b',
    ';',
    '\\',
  ),
)
const line = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(space, key, space, space, value).map(([a, k, b, c, v]) => `${a}${k}${b}=${c}${v}`) },
  { weight: 3, arbitrary: fc.tuple(space, group, space).map(([a, g, b]) => `${a}[${g}]${b}`) },
  { weight: 2, arbitrary: fc.tuple(space, fc.constantFrom('# note', '#', '', '#[x]', '#a=b')).map((p) => p.join('')) },
)
const saneLine = fc.oneof(
  fc.tuple(fc.constantFrom('k', 'mode', 'Name[de]', 'two words'), value).map(([k, v]) => `${k}=${v}`),
  fc.constantFrom('[core]', '[b]', '[ä]', '# note', '', '\t#x'),
)
const breaks = fc.constantFrom('\n', '\n', '\n', '\r\n')
const joined = (lines: fc.Arbitrary<string>) =>
  fc
    .array(fc.tuple(lines, breaks), { maxLength: 14 })
    .chain((parts) =>
      fc.tuple(fc.constant(parts.flat().join('')), fc.constantFrom('', '', 'k=last', '# end', 'k=cr\r', '\r')),
    )
    .map(([text, last]) => text + last)
const fileText = fc.oneof(
  joined(line),
  joined(line).map((text) => `[core]\n${text}`),
  joined(saneLine).map((text) => `# top\n\n[core]\n${text}`),
)
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.constant<Op>(['groups']),
  fc.tuple(fc.constantFrom('keys' as const, 'removeGroup' as const), group),
  fc.tuple(
    fc.constantFrom('getRaw', 'getString', 'getBoolean', 'getInteger', 'getUint64', 'getList', 'remove'),
    group,
    key,
  ) as fc.Arbitrary<Op>,
  fc.tuple(
    fc.constant('set' as const),
    group,
    key,
    fc.oneof(
      value,
      value.map((v) => `${v}\n${v}`),
    ),
  ),
  fc.tuple(fc.constant('setRaw' as const), group, key, value),
  fc.tuple(fc.constant('setList' as const), group, key, fc.array(value, { maxLength: 4 })),
)
const anyCase: fc.Arbitrary<Case> = fc.record({
  text: fileText,
  keep: fc.constantFrom('everything', 'values'),
  ops: fc.array(op, { maxLength: 12 }),
})

describeReference(['python3', 'ostree'], 'KeyFile and GKeyFile', () => {
  test('3000 random files and edits have the same results, texts and errors in both', () => {
    // One process runs all cases, because to start Python takes longer than a thousand of them.
    const cases = fc.sample(anyCase, { numRuns: 3000 })
    const theirs = glib(cases)
    expect(theirs.filter((outcome) => 'text' in outcome).length).toBeGreaterThan(1000)
    let compared = 0
    for (const [i, one] of cases.entries()) {
      const outcome = ours(one)
      if (outcome === undefined) continue
      expect(visible({ one, ...outcome })).toBe(visible({ one, ...theirs[i] }))
      compared++
    }
    expect(compared).toBeGreaterThan(2500)
  }, 60_000)
})

/** Formats a value so that a diff shows the control characters that half of the cases have. */
function visible(value: unknown): string {
  return JSON.stringify(value, undefined, 1)
}
