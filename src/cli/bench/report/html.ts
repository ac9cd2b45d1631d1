/**
 * The report as one HTML file that needs nothing else. The charts are bars with a line from the least to the greatest
 * measurement, which plain SVG says in a few lines; a plotting library would be forty times as large as the report.
 */
import { formatSize } from '../../../format-size.ts'
import { STAGES } from '../../stages/stage-clock.ts'
import type { Result, Row } from '../runs/session.ts'
import type { Spread } from '../runs/statistics.ts'
import { formatSeconds, type Report } from './report.ts'

/** A colour for each stage, and for each kind of row. All differ in lightness too. */
const COLOURS: Readonly<Record<string, string>> = {
  fetch: '#8da0cb',
  inflate: '#1f78b4',
  digest: '#33a02c',
  parse: '#b2df8a',
  hash: '#ff7f00',
  write: '#e31a1c',
  merge: '#cab2d6',
  sync: '#6a3d9a',
  store: '#1f78b4',
  floor: '#33a02c',
  peer: '#a0a0a0',
}

/** Sizes of a chart in pixels. */
const [WIDTH, LABEL, ROW] = [760, 170, 26]
/** Pixels at the right end for the value. */
const VALUE = 150

const STYLE = `
:root { color-scheme: light dark; --line: #8888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1rem; margin-bottom: .2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; } text { fill: currentColor; font: 12px system-ui, sans-serif; }
.key span { display: inline-block; margin-right: 1rem; } .key i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; } dd { margin: 0; }
.scroll { overflow-x: auto; }
`

/** Returns the report as an HTML document. */
export function htmlReport(report: Report): string {
  const { machine, rounds, seed, scale, lanes, results } = report
  const facts: readonly (readonly [string, string])[] = [
    ['processor', `${machine.processor}, ${machine.processors} usable`],
    ['memory', formatSize(machine.memory)],
    ['system', machine.system],
    ['file system', machine.fileSystem],
    ['load before', machine.load.toFixed(2)],
    ['rounds', `${rounds}, after one that does not count`],
    ['seed and scale', `${seed}, ${scale}`],
    ['lanes', lanes === null ? 'as an import chooses' : String(lanes)],
    ...Object.entries(machine.versions),
  ]
  const list = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ostree-ts bench</title><style>${STYLE}</style></head><body>
<h1>Layer ingestion</h1>
<p>Bars are medians; the thin lines go from the least to the greatest measurement.</p>
<dl>${list}</dl>
${results.map(section).join('\n')}
</body></html>
`
}

function section(result: Result): string {
  const { name, summary, layers, files, content, compressed, rows } = result
  const measured = rows.filter(({ error }) => error === undefined)
  const seconds = (row: Row): Spread | undefined => row.seconds
  return `<section><h2>${escaped(name)}</h2>
<p>${escaped(summary)}: ${files} files, ${escaped(formatSize(content))}, ${layers} layers of ${escaped(formatSize(compressed))}.</p>
${bars('Elapsed time', measured, seconds, (value) => `${value.toFixed(2)} s`)}
${bars(
  'Processor time',
  measured,
  ({ processor }) => processor,
  (value) => `${value.toFixed(2)} s`,
)}
${bars('Peak of memory', measured, ({ peak }) => peak, formatSize)}
${stageBars(measured)}
${table(result)}</section>`
}

/** Draws a bar for each row that has the measurement. */
function bars(
  title: string,
  rows: readonly Row[],
  of: (row: Row) => Spread | undefined,
  format: (value: number) => string,
): string {
  const shown = rows.flatMap((row) => {
    const spread = of(row)
    return spread === undefined ? [] : [{ row, spread }]
  })
  if (shown.length === 0) return ''
  const most = shown.reduce((largest, { spread }) => Math.max(largest, spread.max), Number.MIN_VALUE)
  const scaled = (value: number): number => (value / most) * (WIDTH - LABEL - VALUE)
  const drawn = shown.map(({ row, spread }, i) => {
    const [top, middle] = [i * ROW, i * ROW + ROW / 2]
    const range = `M${LABEL + scaled(spread.min)} ${middle}H${LABEL + scaled(spread.max)}`
    return `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${escaped(row.name)}</text>
<rect x="${LABEL}" y="${top + 4}" width="${scaled(spread.median)}" height="${ROW - 8}" rx="2" fill="${COLOURS[row.kind]}"/>
<path d="${range}" stroke="currentColor"/>
<text x="${LABEL + scaled(spread.max) + 8}" y="${middle + 4}">${escaped(format(spread.median))}</text>`
  })
  return chart(title, shown.length, drawn.join('\n'))
}

/** Draws the stages of each store as one bar. */
function stageBars(rows: readonly Row[]): string {
  const shown = rows.flatMap(({ name, stages }) => {
    if (stages === undefined) return []
    const parts = STAGES.map((stage) => ({ stage, seconds: stages[stage].median }))
    return [{ name, parts, total: parts.reduce((sum, { seconds }) => sum + seconds, 0) }]
  })
  if (shown.length === 0) return ''
  const most = shown.reduce((largest, { total }) => Math.max(largest, total), Number.MIN_VALUE)
  const scaled = (value: number): number => (value / most) * (WIDTH - LABEL - VALUE)
  const drawn = shown.map(({ name, parts, total }, i) => {
    const [top, middle] = [i * ROW, i * ROW + ROW / 2]
    let x = LABEL
    const rects = parts.map(({ stage, seconds }) => {
      const width = scaled(seconds)
      const rect = `<rect x="${x}" y="${top + 4}" width="${width}" height="${ROW - 8}" fill="${COLOURS[stage]}"><title>${stage}: ${seconds.toFixed(3)} s</title></rect>`
      x += width
      return rect
    })
    return `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>${rects.join('')}
<text x="${x + 8}" y="${middle + 4}">${total.toFixed(2)} s</text>`
  })
  const key = STAGES.map((stage) => `<span><i style="background:${COLOURS[stage]}"></i>${stage}</span>`).join('')
  const drawing = chart('Stages of an import in one thread', shown.length, drawn.join('\n'))
  return `${drawing}<p class="key">${key}</p>`
}

function chart(title: string, rows: number, content: string): string {
  return `<h3>${title}</h3><svg viewBox="0 0 ${WIDTH} ${rows * ROW}" role="img" aria-label="${title}">${content}</svg>`
}

function table({ rows, files }: Result): string {
  const heads = ['', 'seconds', 'of floor', 'processor', 'files/s', 'MB/s', 'peak', 'system calls']
  const body = rows.map((row) => {
    if (row.error !== undefined) return [row.name, `failed: ${row.error}`, ...heads.slice(2).map(() => '')]
    const { name, seconds, processor, peak, againstFloor, filesPerSecond, bytesPerSecond, systemCalls } = row
    return [
      name,
      seconds === undefined ? '' : formatSeconds(seconds),
      againstFloor?.toFixed(2) ?? '',
      processor === undefined ? '' : formatSeconds(processor),
      filesPerSecond?.toFixed(0) ?? '',
      bytesPerSecond === undefined ? '' : (bytesPerSecond / 1e6).toFixed(1),
      peak === undefined ? '' : formatSize(peak.max),
      systemCalls === undefined
        ? ''
        : `${systemCalls.total}, ${(systemCalls.total / Math.max(1, files)).toFixed(1)} a file`,
    ]
  })
  const line = (cells: readonly string[], tag: 'th' | 'td'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`
  return `<div class="scroll"><table>${line(heads, 'th')}${body.map((cells) => line(cells, 'td')).join('')}</table></div>`
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replaceAll(/[&<>"]/g, (character) => names[character] ?? character)
}
