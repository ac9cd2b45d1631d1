/** Parses points in time: `2020-01-02T03:04:05.12+01:00`. Source: RFC 3339, section 5.6; Go, `time.RFC3339Nano`. */

export interface Timestamp {
  /** Seconds since the epoch, UTC, rounded down. */
  readonly seconds: number
  /** The time as Go prints it: `Z` for a zero offset, at most nine digits of a fraction, without zeros at its end. */
  readonly canonical: string
}

const GRAMMAR = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

/** Parses a time. @returns `undefined` when the text is not one, also for a day that does not exist */
export function parseRfc3339(text: string): Timestamp | undefined {
  const match = GRAMMAR.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [fraction = '', sign = '+', offsetHour = '00', offsetMinute = '00'] = match.slice(7)
  if (hour > 23 || minute > 59 || second > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined
  const local = new Date(0)
  local.setUTCFullYear(year, month - 1, day) // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return undefined
  local.setUTCHours(hour, minute, second)
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1)
  const digits = fraction.slice(0, 9).replace(/0+$/, '')
  const zone = offset === 0 ? 'Z' : `${sign}${offsetHour}:${offsetMinute}`
  return {
    seconds: local.getTime() / 1000 - offset * 60,
    canonical: `${text.slice(0, 19)}${digits === '' ? '' : `.${digits}`}${zone}`,
  }
}
