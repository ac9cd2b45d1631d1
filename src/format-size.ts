/** Sizes as text for people. Source: GLib, `g_format_size` with SI units. */

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB']

/**
 * Formats a number of bytes: `1 byte`, `999 bytes`, and with a no-break space `1.5 kB`. The unit is chosen before the
 * number is rounded to one decimal, so 999 950 bytes are `1000.0 kB`.
 */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
  const power = UNITS.findLastIndex((_, index) => bytes >= 1000 ** (index + 1))
  return `${(bytes / 1000 ** (power + 1)).toFixed(1)}\u00a0${UNITS[power]}`
}
