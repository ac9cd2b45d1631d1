/** Converts timestamps of commits to dates. Source: GLib, gdatetime.c, g_date_time_new_from_unix_utc. */

/** GLib supports dates from 0001-01-01 00:00:00 to 9999-12-31 23:59:59 UTC. In seconds since the epoch. */
const FIRST_TIMESTAMP = -62135596800n
const LAST_TIMESTAMP = 253402300799n

/**
 * Converts a timestamp to a date.
 * @param timestamp seconds since the epoch as stored, an unsigned 64-bit number; times before 1970 are two's complement
 * @returns `undefined` for a date that GLib does not support
 */
export function dateOf(timestamp: bigint): Date | undefined {
  const signed = BigInt.asIntN(64, timestamp)
  if (signed < FIRST_TIMESTAMP || signed > LAST_TIMESTAMP) return undefined
  return new Date(Number(signed) * 1000)
}
