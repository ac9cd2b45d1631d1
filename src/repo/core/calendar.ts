/** Timestamps of commits as dates. Source: GLib, gdatetime.c, g_date_time_new_from_unix_utc. */

/** GLib's calendar goes from the year 1 to 9999-12-31 23:59:59. */
const FIRST_TIMESTAMP = -62135596800n
const LAST_TIMESTAMP = 253402300799n

/**
 * @param timestamp seconds since the epoch as they are stored, without a sign
 * @returns `undefined` for what is not in the calendar
 */
export function dateOf(timestamp: bigint): Date | undefined {
  const signed = BigInt.asIntN(64, timestamp)
  if (signed < FIRST_TIMESTAMP || signed > LAST_TIMESTAMP) return undefined
  return new Date(Number(signed) * 1000)
}
