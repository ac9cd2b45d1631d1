/**
 * Parses dates as GNU `date -d` does: items in any order, with at most one date, one time, one zone and one weekday.
 *
 *     @1704164645   2024-01-02 03:04:05 +0100   2 Jan 2024 3pm   yesterday   7 days ago   next month   monday
 *
 * Missing items are filled in: a date without a time means midnight, a time without a date means today, and relative
 * items alone are relative to now. Days, months and years are added on the calendar, hours and smaller units in
 * seconds. Without a zone, times are local. Source: gnulib's parse_datetime. Military zone letters other than `z` are
 * not supported.
 */

import { UsageError } from '../../errors.ts'
import { MONTHS, ORDINALS, UNITS, WEEKDAYS, ZONES } from './date-words.ts'

/** The items read so far. */
interface ParsedItems {
  /** Month and day count from 1. */
  date: [year: number, month: number, day: number] | undefined
  /** The date had no year, so the current one was assumed. A year may still follow: `Jan 2 03:04:05 2024`. */
  isYearOpen: boolean
  /** Fractions of a second are dropped, because the result has whole seconds. */
  time: [hour: number, minute: number, second: number] | undefined
  /** Offset of the zone in minutes east of UTC. */
  zone: number | undefined
  /**
   * `index` 0 is Sunday. `ordinal` 0 is today or the next such day, 1 the first one after today, -1 one before today.
   */
  weekday: { index: number; ordinal: number } | undefined
  /** Sum of all relative items. */
  readonly shift: { year: number; month: number; day: number; second: number }
  isRelative: boolean
  /** More than one date, time, zone or weekday was found, which is an error. */
  hasDuplicate: boolean
}

/**
 * A kind of item. `read` takes the match and returns false when its values are invalid, so that other kinds are tried.
 */
type Item = readonly [grammar: RegExp, read: (items: ParsedItems, match: RegExpExecArray, now: Date) => boolean]

const WORD = '([a-z]+)\\.?'
const ZONE = '(?:\\s*([+-])(\\d{1,2})(?::?(\\d{2}))?(?!\\d))?'

/** All kinds of items; the first that matches and accepts is taken. */
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
    (p, [, h, m, s, meridiem, sign, zoneHours, zoneMinutes]) => {
      if (sign !== undefined && !setZone(p, offset(sign, zoneHours, zoneMinutes))) return false
      return setTime(p, hourOf(Number(h), meridiem), Number(m), Number(s ?? 0))
    },
  ],
  [/^(\d{1,2})\s*([ap])\.?m\.?(?![a-z])/, (p, [, h, meridiem]) => setTime(p, hourOf(Number(h), meridiem), 0, 0)],
  [new RegExp(`^([+-]?\\s*\\d+)\\s*${WORD}(\\s+ago\\b)?`), (p, [, n, unit, ago]) => shift(p, signed(n), unit, ago)],
  [new RegExp(`^${WORD}\\s+${WORD}(\\s+ago\\b)?`), shiftByWord],
  [new RegExp(`^${WORD}(?:\\s+ago\\b|${ZONE})`), readWord],
  [/^(\d{4})(\d{2})(\d{2})(?!\d)t?/, (p, [, y, m, d]) => setDate(p, Number(y), Number(m), Number(d))],
  [/^(\d{4})(?!\d)/, (p, [, y]) => p.isYearOpen && p.time !== undefined && setYear(p, Number(y))],
  [/^(\d{2})(\d{2})(?!\d)/, (p, [, h, m]) => p.time === undefined && setTime(p, Number(h), Number(m), 0)],
  [/^(\d{1,2})(?!\d)/, (p, [, h]) => p.time === undefined && setTime(p, Number(h), 0, 0)],
]

/** Maximum length of a date, in UTF-16 units. */
const MAX_LENGTH = 1024
/** Seconds of a day. */
const DAY = 86400

/**
 * Parses a point in time.
 * @param now milliseconds since the epoch
 * @returns seconds since the epoch
 * @throws {UsageError} `Could not parse 'TEXT'` when it is not a date, or outside 64-bit seconds
 */
export function parseDate(text: string, now: number): bigint {
  const seconds = text.length > MAX_LENGTH ? undefined : read(text, new Date(now))
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
  const items: ParsedItems = {
    date: undefined,
    isYearOpen: false,
    time: undefined,
    zone: undefined,
    weekday: undefined,
    shift: { year: 0, month: 0, day: 0, second: 0 },
    isRelative: false,
    hasDuplicate: false,
  }
  while (rest !== '') {
    const length = readItem(items, rest, now)
    if (length === 0 || items.hasDuplicate) return undefined
    rest = rest.slice(length).replace(/^[\s,]+/, '')
  }
  return resolve(items, now)
}

/** Reads the item at the start of `text`. @returns its length in characters; 0 when there is none */
function readItem(items: ParsedItems, text: string, now: Date): number {
  for (const [grammar, use] of ITEMS) {
    const match = grammar.exec(text)
    if (match !== null && use(items, match, now)) return match[0].length
  }
  return 0
}

/** Parses `@SECONDS.FRACTION`, rounding down. */
function floorEpoch(whole: string, fraction: string | undefined): bigint {
  const seconds = BigInt(whole.replace('+', ''))
  return whole.startsWith('-') && fraction !== undefined && /[1-9]/.test(fraction) ? seconds - 1n : seconds
}

function inRange(seconds: bigint): bigint | undefined {
  return BigInt.asIntN(64, seconds) === seconds ? seconds : undefined
}

function resolve(items: ParsedItems, now: Date): bigint | undefined {
  const { date, time, zone, weekday, shift, isRelative } = items
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
  // A purely relative time is computed with the current offset, ignoring changes of daylight saving, as in gnulib.
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

/** Parses a year. Up to two digits mean 1969 to 2068, as in POSIX. */
function century(text: string | undefined): number {
  const year = Number(text)
  return (text ?? '').length > 2 ? year : year < 69 ? 2000 + year : 1900 + year
}

/** Returns the number of a month, from 1; 0 for other words. */
function monthOf(word: string | undefined): number {
  return MONTHS[(word ?? '').slice(0, 3)]?.includes(word ?? '')
    ? 1 + Object.keys(MONTHS).indexOf((word ?? '').slice(0, 3))
    : 0
}

function setDate(items: ParsedItems, year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const last = new Date(Date.UTC(2000, month, 0))
  last.setUTCFullYear(year, month, 0)
  if (day > last.getUTCDate()) return false
  items.hasDuplicate ||= items.date !== undefined
  items.date = [year, month, day]
  return true
}

/** Sets a date without a year: that of `year`, unless another year follows later in the text. */
function setDayOf(items: ParsedItems, year: number, month: number, day: number): boolean {
  items.isYearOpen = setDate(items, year, month, day)
  return items.isYearOpen
}

function setYear(items: ParsedItems, year: number): boolean {
  const { date } = items
  if (date === undefined) return false
  items.date = undefined
  items.isYearOpen = false
  return setDate(items, year, date[1], date[2])
}

function setTime(items: ParsedItems, hour: number, minute: number, second: number): boolean {
  if (!(hour >= 0 && hour < 24) || minute > 59 || second > 59) return false
  items.hasDuplicate ||= items.time !== undefined
  items.time = [hour, minute, second]
  return true
}

function setZone(items: ParsedItems, minutes: number): boolean {
  if (Math.abs(minutes) > 24 * 60) return false
  items.hasDuplicate ||= items.zone !== undefined
  items.zone = minutes
  return true
}

function offset(sign: string, hours: string | undefined, minutes: string | undefined): number {
  const value = Number(hours) * 60 + Number(minutes ?? 0)
  return sign === '-' ? -value : value
}

/**
 * Converts an hour of the 12-hour clock.
 * @param meridiem `a` or `p`; `undefined` for the 24-hour clock
 * @returns -1 when the 12-hour clock does not have that hour
 */
function hourOf(hour: number, meridiem: string | undefined): number {
  if (meridiem === undefined) return hour
  if (hour < 1 || hour > 12) return -1
  return (hour % 12) + (meridiem === 'p' ? 12 : 0)
}

function signed(text: string | undefined): number {
  return Number((text ?? '').replaceAll(/\s/g, ''))
}

/** Adds a relative item, such as `7 days ago`. @returns false when `word` is not a unit */
function shift(items: ParsedItems, amount: number, word: string | undefined, ago: string | undefined): boolean {
  const unit = UNITS[(word ?? '').replace(/s$/, '')]
  if (unit === undefined || !Number.isSafeInteger(amount)) return false
  const by = amount * unit[1] * (ago === undefined ? 1 : -1)
  items.shift[unit[0]] += by
  items.isRelative = true
  return true
}

/** Reads an ordinal word and a unit or weekday: `next month`, `last week`, `third monday`. */
function shiftByWord(items: ParsedItems, [, first = '', second = '', ago]: RegExpExecArray): boolean {
  const ordinal = ORDINALS[first]
  if (ordinal === undefined) return false
  if (ago === undefined && setWeekday(items, second, ordinal)) return true
  return shift(items, ordinal, second, ago)
}

function setWeekday(items: ParsedItems, word: string, ordinal: number): boolean {
  const index = WEEKDAYS.findIndex((names) => names.includes(word))
  if (index < 0) return false
  items.hasDuplicate ||= items.weekday !== undefined
  items.weekday = { index, ordinal }
  return true
}

/** Words for a day, in seconds from now. */
const DAYS: Readonly<Record<string, number>> = { now: 0, today: 0, tomorrow: DAY, yesterday: -DAY }

/** Reads a single word: a day, a unit, a weekday, or a zone, which an offset may follow. */
function readWord(items: ParsedItems, match: RegExpExecArray): boolean {
  const [text, word = '', sign, hours, minutes] = match
  const ago = /\sago$/.test(text) ? 'ago' : undefined
  const zone = ZONES[word]
  if (zone !== undefined && ago === undefined) {
    return setZone(items, zone + (sign === undefined ? 0 : offset(sign, hours, minutes)))
  }
  if (sign !== undefined) return false
  const days = DAYS[word]
  if (days !== undefined && ago === undefined) {
    items.shift.day += days / DAY
    items.isRelative = true
    return true
  }
  if (ago === undefined && setWeekday(items, word, 0)) return true
  return shift(items, 1, word, ago)
}
