/**
 * Parses points in time: `2020-01-02T03:04:05.12+01:00`. Source: RFC 3339, section 5.6. The programs that read an image
 * differ in what they accept:
 *
 *                                      Go, `time.Time`     chrono, `parse_from_rfc3339`
 *     read by it                       image configs       annotations of manifests, stored configs
 *     between date and time            T                   T, t, space
 *     UTC                              Z                   Z, z
 *     second 60                        an error            the last nanoseconds of second 59
 *     minus sign (U+2212) of an offset an error            as -
 */

export interface Timestamp {
  /** Seconds since the epoch, UTC, rounded down. */
  readonly seconds: number
  /** The time as Go prints it: `Z` for a zero offset, at most nine digits of a fraction, without zeros at its end. */
  readonly canonical: string
}

const GO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/
const CHRONO = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+\-\u2212])(\d\d):(\d\d))$/

/** Parses a time as Go does. @returns `undefined` when the text is not one, also for a day that does not exist */
export function parseRfc3339(text: string): Timestamp | undefined {
  const match = GO.exec(text)
  if (match === null) return undefined
  const [fraction = '', sign = '+', offsetHour = '00', offsetMinute = '00'] = match.slice(7)
  const seconds = secondsOf(match.slice(1, 7), 59, [sign, offsetHour, offsetMinute])
  if (seconds === undefined) return undefined
  const digits = fraction.slice(0, 9).replace(/0+$/, '')
  const zone = Number(offsetHour) + Number(offsetMinute) === 0 ? 'Z' : `${sign}${offsetHour}:${offsetMinute}`
  return { seconds, canonical: `${text.slice(0, 19)}${digits === '' ? '' : `.${digits}`}${zone}` }
}

/**
 * Parses a time as chrono does, which ostree-ext uses.
 * @returns seconds since the epoch, UTC, rounded down; `undefined` as `parseRfc3339`
 */
export function parseLenientRfc3339(text: string): number | undefined {
  const match = CHRONO.exec(text)
  return match === null ? undefined : secondsOf(match.slice(1, 7), 60, match.slice(7))
}

/**
 * Returns seconds since the epoch.
 * @param fields year, month, day, hour, minute, second
 * @param lastSecond the largest number of a second that is accepted; 60 counts as 59
 * @param offset sign, hours and minutes; all missing for UTC
 */
function secondsOf(
  fields: readonly string[],
  lastSecond: number,
  [sign, offsetHour = '0', offsetMinute = '0']: readonly (string | undefined)[],
): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields.map(Number)
  if (hour > 23 || minute > 59 || second > lastSecond) return undefined
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined
  const local = new Date(0)
  local.setUTCFullYear(year, month - 1, day) // Date.UTC would take the years 0 to 99 for 1900 to 1999.
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return undefined
  local.setUTCHours(hour, minute, Math.min(second, 59))
  const minutes = Number(offsetHour) * 60 + Number(offsetMinute)
  return local.getTime() / 1000 - (sign === '+' ? minutes : -minutes) * 60
}
