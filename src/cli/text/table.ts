/** Formats rows as columns without borders, two spaces apart, without trailing blanks. Widths are in UTF-16 units. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}

/** Returns the length of the longest text in UTF-16 units; `least` if all are shorter. */
export function widest(texts: readonly string[], least = 0): number {
  let width = least
  for (const text of texts) width = Math.max(width, text.length)
  return width
}
