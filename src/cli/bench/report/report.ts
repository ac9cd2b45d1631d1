/** The measurements of `bench`, as text and as a JSON value. */
import { formatSize } from '../../../format-size.ts'
import { STAGES } from '../../stages/stage-clock.ts'
import { formatTable } from '../../text/table.ts'
import type { Machine } from '../runs/machine.ts'
import type { Result, Row } from '../runs/session.ts'
import type { Spread } from '../runs/statistics.ts'

/** Everything that was measured. */
export interface Report {
  readonly machine: Machine
  readonly rounds: number
  readonly seed: number
  readonly scale: number
  /** Layers that may be imported at the same time; `null` for as many as an import uses by itself. */
  readonly lanes: number | null
  readonly results: readonly Result[]
}

/** Returns the report as text. */
export function formatReport({ machine, rounds, results }: Report): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  const head = [
    `${machine.processor}, ${machine.processors} processors, ${formatSize(machine.memory)}, ${machine.system}`,
    `${machine.fileSystem}, load ${machine.load.toFixed(2)}, ${rounds} rounds: median (least to greatest)`,
    versions.join('; '),
  ]
  return `${head.join('\n')}\n${results.map(formatResult).join('')}`
}

function formatResult({ name, summary, layers, files, content, compressed, rows }: Result): string {
  const sizes = `${files} files, ${formatSize(content)}, ${layers} layers of ${formatSize(compressed)}`
  const table = formatTable([
    ['', 'seconds', 'of floor', 'processor', 'files/s', 'MB/s', 'peak', 'system calls'],
    ...rows.filter(({ error }) => error === undefined).map((row) => cells(row, files)),
  ])
  const failed = rows.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: failed: ${error}\n`]))
  const staged = rows.flatMap((row) => (row.stages === undefined ? [] : [{ name: row.name, stages: row.stages }]))
  const stages = formatTable([
    ['stages, seconds', ...STAGES],
    ...staged.map(({ name, stages }) => [name, ...STAGES.map((stage) => stages[stage].median.toFixed(3))]),
  ])
  return `\n${name}: ${summary}\n${sizes}\n\n${table}${failed.join('')}${staged.length > 0 ? `\n${stages}` : ''}`
}

function cells(row: Row, files: number): string[] {
  const { seconds, processor, peak, filesPerSecond, bytesPerSecond, againstFloor, systemCalls } = row
  return [
    row.name,
    seconds === undefined ? '' : formatSeconds(seconds),
    againstFloor === undefined ? '' : againstFloor.toFixed(2),
    processor === undefined ? '' : processor.median.toFixed(2),
    filesPerSecond === undefined ? '' : filesPerSecond.toFixed(0),
    bytesPerSecond === undefined ? '' : (bytesPerSecond / 1e6).toFixed(1),
    peak === undefined ? '' : formatSize(peak.max),
    systemCalls === undefined
      ? ''
      : `${systemCalls.total} (${(systemCalls.total / Math.max(1, files)).toFixed(1)} a file)`,
  ]
}

/** Formats seconds: `1.23 (1.20 to 1.31)`. */
export function formatSeconds({ median, min, max }: Spread): string {
  const digits = max < 1 ? 3 : 2
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`
}
