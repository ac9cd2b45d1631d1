/**
 * Points in time as people type them, by the rules of GNU `date -d`: items in any order, each of a kind of its own.
 *
 *     @1704164645   2024-01-02 03:04:05 +0100   2 Jan 2024 3pm   yesterday   7 days ago   next month   monday
 *
 * What is missing comes from now: a date without a time is its midnight, a time without a date is today, and what is
 * only relative starts now. Days, months and years move on the calendar, hours and less on the clock. Without a zone
 * all is local time. Source: gnulib's parse_datetime; of its zones the military letters are left out.
 */

import { UsageError } from '../../errors.ts'
import { MONTHS, ORDINALS, UNITS, WEEKDAYS, ZONES } from './date-words.ts'

interface Pending {
  date: [year: number, month: number, day: number] | undefined
  /** The date came without one; `Jan 2 03:04:05 2024` tells it later. */
  isYearOpen: boolean
  /** Seconds from midnight as hours, minutes, seconds; a fraction is of no use and left out. */
  time: [hour: number, minute: number, second: number] | undefined
  /** Minutes east of UTC. */
  zone: number | undefined
  weekday: { index: number; ordinal: number } | undefined
  readonly shift: { year: number; month: number; day: number; second: number }
  isRelative: boolean
  /** A second date, time, zone or weekday. */
  isTwice: boolean
}

/** Reads one item, which its expression matched. @returns false when it is none after all */
type Item = readonly [grammar: RegExp, read: (pending: Pending, match: RegExpExecArray, now: Date) => boolean]

const WORD = '([a-z]+)\\.?'
const ZONE = '(?:\\s*([+-])(\\d{1,2})(?::?(\\d{2}))?(?!\\d))?'

const ITEMS: readonly Item[] = [
  [/^(\d{4,})-(\d{1,2})-(\d{1,2})(?!\d)t?/, (p, [, y, m, d]) => setDate(p, Number(y), Number(m), Number(d))],
  [/^(\d{1,2})-(\d{1,2})-(\d{1,2})(?!\d)/, (p, [, y, m, d]) => setDate(p, century(y), Number(m), Number(d))],
  [/^(\d{4,})\/(\d{1,2})\/(\d{1,2})(?!\d)/, (p, [, y, m, d]) => setDate(p, Number(y), Number(m), Number(d))],
  [
    /^(\d{1,2})\/(\d{1,2})(?:\/(\d+))?(?!\d)/,
    (p, [, m, d, y], now) => setDate(p, y === undefined ? now.getFullYear() : century(y), Number(m), Number(d)),
  ],
  [
    new RegExp(`^(\\d{1,2})(?:\\s+|-)?${WORD}(?:-|\\s+)(\\d{4}|\\d{2}(?=-|$))(?![\\d:])`),
    (p, [, d, m, y]) => setDate(p, century(y), monthOf(m), Number(d)),
  ],
  [
    new RegExp(`^${WORD}(?:\\s+|-)(\\d{1,2})(?:\\s*,\\s*|-)(\\d+)(?![\\d:])`),
    (p, [, m, d, y]) => setDate(p, century(y), monthOf(m), Number(d)),
  ],
  [new RegExp(`^(\\d{1,2})\\s*${WORD}`), (p, [, d, m], now) => setDayOf(p, now.getFullYear(), monthOf(m), Number(d))],
  [
    new RegExp(`^${WORD}\\s+(\\d{1,2})(?![\\d:])(?:\\s+(\\d{4})(?![\\d:]))?`),
    (p, [, m, d, y], now) =>
      y === undefined
        ? setDayOf(p, now.getFullYear(), monthOf(m), Number(d))
        : setDate(p, Number(y), monthOf(m), Number(d)),
  ],
  [
    new RegExp(`^t?(\\d{1,2}):(\\d{2})(?::(\\d{2})(?:[.,]\\d+)?)?(?:\\s*([ap])\\.?m\\.?(?![a-z])|${ZONE})`),
    (p, [, h, m, s, half, sign, zoneHours, zoneMinutes]) => {
      if (sign !== undefined && !setZone(p, offset(sign, zoneHours, zoneMinutes))) return false
      return setTime(p, hourOf(Number(h), half), Number(m), Number(s ?? 0))
    },
  ],
  [/^(\d{1,2})\s*([ap])\.?m\.?(?![a-z])/, (p, [, h, half]) => setTime(p, hourOf(Number(h), half), 0, 0)],
  [new RegExp(`^([+-]?\\s*\\d+)\\s*${WORD}(\\s+ago\\b)?`), (p, [, n, unit, ago]) => shift(p, signed(n), unit, ago)],
  [new RegExp(`^${WORD}\\s+${WORD}(\\s+ago\\b)?`), shiftByWord],
  [new RegExp(`^${WORD}(?:\\s+ago\\b|${ZONE})`), readWord],
  [/^(\d{4})(\d{2})(\d{2})(?!\d)t?/, (p, [, y, m, d]) => setDate(p, Number(y), Number(m), Number(d))],
  [/^(\d{4})(?!\d)/, (p, [, y]) => p.isYearOpen && p.time !== undefined && setYear(p, Number(y))],
  [/^(\d{2})(\d{2})(?!\d)/, (p, [, h, m]) => p.time === undefined && setTime(p, Number(h), Number(m), 0)],
  [/^(\d{1,2})(?!\d)/, (p, [, h]) => p.time === undefined && setTime(p, Number(h), 0, 0)],
]

const LONGEST_TEXT = 1024
const DAY = 86400

/**
 * @param now milliseconds since the epoch
 * @returns seconds since the epoch
 * @throws {UsageError} `Could not parse 'TEXT'`
 */
export function parseDate(text: string, now: number): bigint {
  const seconds = text.length > LONGEST_TEXT ? undefined : read(text, new Date(now))
  if (seconds === undefined) throw new UsageError(`Could not parse '${text}'`)
  return seconds
}

function read(text: string, now: Date): bigint | undefined {
  let rest = text
    .toLowerCase()
    .replace(/\([^()]*\)/g, ' ')
    .trim()
  const epoch = /^@\s*([+-]?\d+)(?:[.,](\d+))?$/.exec(rest)
  if (epoch !== null) return inRange(floorEpoch(epoch[1] as string, epoch[2]))
  const pending: Pending = {
    date: undefined,
    isYearOpen: false,
    time: undefined,
    zone: undefined,
    weekday: undefined,
    shift: { year: 0, month: 0, day: 0, second: 0 },
    isRelative: false,
    isTwice: false,
  }
  while (rest !== '') {
    const length = readItem(pending, rest, now)
    if (length === 0 || pending.isTwice) return undefined
    rest = rest.slice(length).replace(/^[\s,]+/, '')
  }
  return resolve(pending, now)
}

/** @returns how long the item is; 0 when there is none */
function readItem(pending: Pending, text: string, now: Date): number {
  for (const [grammar, use] of ITEMS) {
    const match = grammar.exec(text)
    if (match !== null && use(pending, match, now)) return match[0].length
  }
  return 0
}

function floorEpoch(whole: string, fraction: string | undefined): bigint {
  const seconds = BigInt(whole.replace('+', ''))
  return whole.startsWith('-') && fraction !== undefined && /[1-9]/.test(fraction) ? seconds - 1n : seconds
}

function inRange(seconds: bigint): bigint | undefined {
  return BigInt.asIntN(64, seconds) === seconds ? seconds : undefined
}

function resolve(pending: Pending, now: Date): bigint | undefined {
  const { date, time, zone, weekday, shift, isRelative } = pending
  const [year, month, day] = date ?? [now.getFullYear(), now.getMonth() + 1, now.getDate()]
  const onlyRelative = isRelative && date === undefined && weekday === undefined
  const current: [number, number, number] = onlyRelative
    ? [now.getHours(), now.getMinutes(), now.getSeconds()]
    : [0, 0, 0]
  const [hour, minute, second] = time ?? current
  let days = day
  if (weekday !== undefined && date === undefined) {
    const { index, ordinal } = weekday
    const today = now.getDay()
    days += ((index - today + 7) % 7) + 7 * (ordinal - (ordinal > 0 && today !== index ? 1 : 0))
  }
  const at = new Date(0)
  const [y, m, d] = [year + shift.year, month - 1 + shift.month, days + shift.day]
  // What is only relative keeps the daylight saving of now, as in C.
  const east = zone ?? (onlyRelative && time === undefined ? -now.getTimezoneOffset() : undefined)
  if (east === undefined) {
    at.setFullYear(y, m, d)
    at.setHours(hour, minute, second, 0)
  } else {
    at.setUTCFullYear(y, m, d)
    at.setUTCHours(hour, minute - east, second, 0)
  }
  const milliseconds = at.getTime()
  return Number.isNaN(milliseconds) ? undefined : BigInt(Math.floor(milliseconds / 1000) + shift.second)
}

function century(text: string | undefined): number {
  const year = Number(text)
  return (text ?? '').length > 2 ? year : year < 69 ? 2000 + year : 1900 + year
}

/** @returns 0, which is no month, for other words */
function monthOf(word: string | undefined): number {
  return MONTHS[(word ?? '').slice(0, 3)]?.includes(word ?? '')
    ? 1 + Object.keys(MONTHS).indexOf((word ?? '').slice(0, 3))
    : 0
}

function setDate(pending: Pending, year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const last = new Date(Date.UTC(2000, month, 0))
  last.setUTCFullYear(year, month, 0)
  if (day > last.getUTCDate()) return false
  pending.isTwice ||= pending.date !== undefined
  pending.date = [year, month, day]
  return true
}

/** A date of this year, unless another one follows. */
function setDayOf(pending: Pending, year: number, month: number, day: number): boolean {
  pending.isYearOpen = setDate(pending, year, month, day)
  return pending.isYearOpen
}

function setYear(pending: Pending, year: number): boolean {
  const { date } = pending
  if (date === undefined) return false
  pending.date = undefined
  pending.isYearOpen = false
  return setDate(pending, year, date[1], date[2])
}

function setTime(pending: Pending, hour: number, minute: number, second: number): boolean {
  if (!(hour >= 0 && hour < 24) || minute > 59 || second > 59) return false
  pending.isTwice ||= pending.time !== undefined
  pending.time = [hour, minute, second]
  return true
}

function setZone(pending: Pending, minutes: number): boolean {
  if (Math.abs(minutes) > 24 * 60) return false
  pending.isTwice ||= pending.zone !== undefined
  pending.zone = minutes
  return true
}

function offset(sign: string, hours: string | undefined, minutes: string | undefined): number {
  const value = Number(hours) * 60 + Number(minutes ?? 0)
  return sign === '-' ? -value : value
}

/** @returns -1 for an hour that clock does not have */
function hourOf(hour: number, half: string | undefined): number {
  if (half === undefined) return hour
  if (hour < 1 || hour > 12) return -1
  return (hour % 12) + (half === 'p' ? 12 : 0)
}

function signed(text: string | undefined): number {
  return Number((text ?? '').replaceAll(/\s/g, ''))
}

function shift(pending: Pending, amount: number, word: string | undefined, ago: string | undefined): boolean {
  const unit = UNITS[(word ?? '').replace(/s$/, '')]
  if (unit === undefined || !Number.isSafeInteger(amount)) return false
  const by = amount * unit[1] * (ago === undefined ? 1 : -1)
  pending.shift[unit[0]] += by
  pending.isRelative = true
  return true
}

/** `next month`, `last week`, `third monday`. */
function shiftByWord(pending: Pending, [, first = '', second = '', ago]: RegExpExecArray): boolean {
  const ordinal = ORDINALS[first]
  if (ordinal === undefined) return false
  if (ago === undefined && setWeekday(pending, second, ordinal)) return true
  return shift(pending, ordinal, second, ago)
}

function setWeekday(pending: Pending, word: string, ordinal: number): boolean {
  const index = WEEKDAYS.findIndex((names) => names.includes(word))
  if (index < 0) return false
  pending.isTwice ||= pending.weekday !== undefined
  pending.weekday = { index, ordinal }
  return true
}

const DAYS: Readonly<Record<string, number>> = { now: 0, today: 0, tomorrow: DAY, yesterday: -DAY }

/** A word by itself: a day, a unit, a weekday or a zone, which may be followed by an offset. */
function readWord(pending: Pending, match: RegExpExecArray): boolean {
  const [text, word = '', sign, hours, minutes] = match
  const ago = /\sago$/.test(text) ? 'ago' : undefined
  const zone = ZONES[word]
  if (zone !== undefined && ago === undefined) {
    return setZone(pending, zone + (sign === undefined ? 0 : offset(sign, hours, minutes)))
  }
  if (sign !== undefined) return false
  const days = DAYS[word]
  if (days !== undefined && ago === undefined) {
    pending.shift.day += days / DAY
    pending.isRelative = true
    return true
  }
  if (ago === undefined && setWeekday(pending, word, 0)) return true
  return shift(pending, 1, word, ago)
}
