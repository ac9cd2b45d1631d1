import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ObjectCounter } from '../../../src/cli/text/object-counter.ts'
import { Output } from '../../../src/cli/text/output.ts'
import { ProgressBar } from '../../../src/cli/text/progress-bar.ts'
import { cut, StatusLine, type StatusLineOptions } from '../../../src/cli/text/status-line.ts'
import { hasCursor, usesColor } from '../../../src/cli/text/terminal.ts'
import type { Progress } from '../../../src/progress.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

/** Returns what is written for a terminal, as the texts between erased lines. */
function written(columns: number, work: (out: Output, options: StatusLineOptions) => void, terminal = true): string[] {
  const path = join(folder, 'written')
  const fd = openSync(path, 'w')
  let time = 0
  const now = (): number => {
    time += 90
    return time
  }
  work(new Output(fd), { terminal, columns: () => columns, now })
  closeSync(fd)
  return readFileSync(path, 'utf8').split('\r\u001b[K')
}

describe('StatusLine', () => {
  test('the first update is shown after 200 ms, others at most every 100 ms, and the line is erased once', () => {
    const texts = written(80, (out, options) => {
      const line = new StatusLine(out, options)
      for (let i = 0; i < 8; i++) line.update(() => `${i}`)
      line.end()
      line.end()
    })
    expect(texts).toEqual(['', '2', '4', '6', ''])
  })

  test('a line that was never shown is not erased, and nothing is shown without a terminal', () => {
    expect(written(80, (out, options) => new StatusLine(out, options).end())).toEqual([''])
    const work = (out: Output, options: StatusLineOptions): void => {
      const line = new StatusLine(out, options)
      for (let i = 0; i < 8; i++) line.update(() => 'text')
      line.end()
    }
    expect(written(80, work, false)).toEqual([''])
  })
})

describe('the progress of a pull', () => {
  const digest = `sha256:${'1'.repeat(64)}`
  const events: Progress[] = [
    { kind: 'layer-start', digest, index: 0, total: 3, size: 45_600_000, part: 'derived-layer' },
    { kind: 'bytes', digest, index: 0, received: 12_300_000, size: 45_600_000 },
    { kind: 'objects', written: 1000, reused: 200, bytes: 12_300_000 },
  ]

  test.each([200, 81, 80, 40, 10, 1])('every line fits a terminal of %d columns', (columns) => {
    const lines = written(columns, (out, options) => {
      const bar = new ProgressBar(out, options)
      for (let i = 0; i < 30; i++) for (const event of events) bar.listen(event)
      bar.end()
    })
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(Math.max(1, columns - 1))
    if (columns === 200) {
      expect(lines[20]).toMatch(
        /^\[#{6}-{18}\] layers 0\/3 {2}12\.3\sMB\/45\.6\sMB {2}\S+\s\wB\/s {2}1200 objects {2}Fetching layer 1{19} \(45\.6\sMB\)$/,
      )
    }
  })
})

test('long commands count objects, files, layers and bytes', () => {
  const shown = (...events: Progress[]): string[] =>
    written(80, (out, options) => {
      const counter = new ObjectCounter(out, 'Working', options)
      for (let i = 0; i < 6; i++) for (const event of events) counter.listen(event)
      counter.end()
    })
  expect(shown({ kind: 'entries', done: 5 })).toContain('Working: 5 files and directories')
  expect(shown({ kind: 'objects', written: 2, reused: 1, bytes: 1000 })).toContain(
    'Working: 3 objects, 2 new, 1.0\u00a0kB',
  )
  expect(shown({ kind: 'step', label: 'prune', done: 3, total: 9 })).toContain('Working: 3 of 9')
  const layers = shown({ kind: 'step', label: 'layers', done: 1, total: 2 }, { kind: 'written', bytes: 1000 })
  expect(layers).toContain('Working: 1 of 2 layers, 1.0\u00a0kB')
})

test('a text that is too long is cut', () => {
  expect(cut('12345', 5)).toBe('12345')
  expect(cut('123456', 5)).toBe('1234…')
  expect(cut('123456', 1)).toBe('…')
})

test.each([
  [true, {}, true, true],
  [true, { TERM: 'xterm', NO_COLOR: '' }, true, true],
  [true, { NO_COLOR: '1' }, true, false],
  [true, { TERM: 'dumb' }, false, false],
  [false, { TERM: 'xterm' }, false, false],
])('an output with isTerminal %s and %j has a cursor %s and colours %s', (isTerminal, env, cursor, colors) => {
  expect([hasCursor({ isTerminal }, env), usesColor({ isTerminal }, env)]).toEqual([cursor, colors])
})
