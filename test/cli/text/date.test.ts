import { spawnSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { parseDate } from '../../../src/cli/text/date.ts'
import { describeReference } from '../../support/reference.ts'

const TEXTS = [
  '@5',
  '@-5',
  '@1.5',
  '@-1.5',
  '@',
  '@abc',
  '2024-01-02',
  '2024-01-02 03:04:05 +0000',
  '2024-01-02T03:04:05Z',
  '2024-01-02 03:04',
  '2024-02-30',
  '2024-13-01',
  '1 Jan 2024',
  'Jan 2 2024',
  'January 2, 2024',
  '2-Jan-2024',
  'Tue, 02 Jan 2024 03:04:05 +0100',
  'Tue Jan  2 03:04:05 UTC 2024',
  '7 days ago',
  'yesterday',
  'tomorrow',
  'now',
  'today',
  '',
  'next year',
  'last month',
  'next monday',
  'monday',
  'last friday',
  '-1 week',
  '+2 hours',
  '1 year 2 days ago',
  'garbage',
  '20240102',
  '20240102 0304',
  '12:00',
  '3pm',
  '12am',
  '3:15 pm',
  '2024-01-02 12:00 EST',
  '2024-01-02 12:00 EST + 1 hour',
  '2024/01/02',
  '01/02/2024',
  '1/2/24',
  '2024-01-02 03:04:05+0530',
  '2024-01-02 03:04:05 +05:30',
  '2024-01-02 03:04:05.123',
  'fortnight ago',
  '2024-01-31 1 month',
  '10:00 tomorrow',
  'noon',
  '2024-01-02 2024-01-03',
  '25:00',
  '10:60',
  '2024-01-02 UTC',
  '2024-01-02 +0000',
  'next week 10:00',
  'third monday',
  '99',
  '@99999999999999999999',
  '2024-01-02 10:00 UTC 3 days ago',
  '24-1-2',
  'this week',
  '5 sec ago',
  '12 jan',
  'jan 12',
  '2024-01-02 (a comment) 10:00',
]

const ZONE = process.env['TZ']
afterEach(() => {
  if (ZONE === undefined) delete process.env['TZ']
  else process.env['TZ'] = ZONE
})

function ours(text: string): number | undefined {
  try {
    return Number(parseDate(text, Date.now()))
  } catch {
    return undefined
  }
}

describeReference('GNU date', 'parseDate and GNU date', () => {
  for (const zone of ['UTC', 'Europe/Paris', 'America/St_Johns']) {
    test(`all dates are parsed alike in the time zone ${zone}`, () => {
      process.env['TZ'] = zone
      for (const text of TEXTS) {
        const { status, stdout } = spawnSync('date', ['-d', text, '+%s'], { env: { ...process.env, LC_ALL: 'C' } })
        const expected = status === 0 ? Number(stdout.toString()) : undefined
        const actual = ours(text)
        // The clock may advance between the two calls.
        const close = expected !== undefined && actual !== undefined && Math.abs(expected - actual) <= 2
        expect(close ? expected : actual, text).toBe(expected)
      }
    })
  }
})

test('an invalid date is refused with the message of ostree', () => {
  expect(() => parseDate('garbage', 0)).toThrow("Could not parse 'garbage'")
})

test('seconds of the epoch are rounded down', () => {
  expect([parseDate('@1.9', 0), parseDate('@-1.5', 0)]).toEqual([1n, -2n])
})

test('a text of 100 kB is refused', () => {
  expect(() => parseDate('('.repeat(100_000), 0)).toThrow('Could not parse')
  expect(() => parseDate('1 '.repeat(500), 0)).toThrow('Could not parse')
})
