/** Sizes as text for people. Source: GLib, `g_format_size` with SI units. */

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB']

/**
 * Formats a number of bytes: `1 byte`, `999 bytes`, and with a no-break space `1.5 kB`. The unit is chosen before the
 * number is rounded to one decimal, so 999 950 bytes are `1000.0 kB`. Halfway between two decimals the even one is taken,
 * as by `printf`: 2250 bytes are `2.2 kB`, 2750 bytes `2.8 kB`.
 */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
  const power = UNITS.findLastIndex((_, index) => bytes >= 1000 ** (index + 1))
  const size = bytes / 1000 ** (power + 1)
  // `toFixed` rounds the exact value, and differs from printf only halfway: it rounds up. A number with one decimal is
  // exactly halfway to the next only if it ends in .25 or .75, and .8 is even.
  const rounded = size % 1 === 0.25 ? `${Math.floor(size)}.2` : size.toFixed(1)
  return `${rounded}\u00a0${UNITS[power]}`
}
