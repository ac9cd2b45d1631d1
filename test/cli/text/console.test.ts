import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Console, type ConsoleOptions } from '../../../src/cli/text/console.ts'
import { Output } from '../../../src/cli/text/output.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

/** Returns what a console writes, with ESC as `^`. */
function written(options: ConsoleOptions, work: (console: Console) => void): string {
  const path = join(folder, 'written')
  const fd = openSync(path, 'w')
  const out = new Output(fd)
  work(new Console(out, options))
  out.flush()
  closeSync(fd)
  return readFileSync(path, 'utf8').replaceAll('\u001b', '^')
}

/** Makes a clock that advances by `step` milliseconds at each call. */
function clock(step: number): () => number {
  let time = 0
  return () => {
    time += step
    return time
  }
}

/** The lines are those that `ostree fsck` and `ostree pull-local` write to a terminal. */
describe('progress on a console', () => {
  const fsck = (console: Console) => {
    console.start()
    console.percent('fsck objects (1/403)', 0)
    console.percent('fsck objects (200/403)', 49)
    console.percent('fsck objects (403/403)', 100)
    console.end()
    console.end()
  }

  test('a terminal has a bar', () => {
    expect(written({ terminal: true, columns: 80, now: clock(200) }, fsck)).toBe(
      '^7^8fsck objects (1/403) [             ]   0%^8fsck objects (200/403) [======       ]  49%^8fsck objects (403/403) [=============] 100%\n',
    )
  })

  test('a narrow terminal has a shorter bar and less text', () => {
    expect(written({ terminal: true, columns: 30, now: clock(0) }, fsck)).toBe(
      '^7^8fsck objects (1/403) [  ]   0%^8fsck objects (403/40 [==] 100%\n',
    )
  })

  test('progress is written five times a second to a terminal and once a second elsewhere, and always at the end', () => {
    const many = (console: Console) => {
      for (let percent = 0; percent <= 100; percent++) console.percent('x', percent)
    }
    const lines = (terminal: boolean) => written({ terminal, columns: 80, now: clock(50) }, many).split('%').length - 1
    expect(lines(true)).toBe(26)
    expect(lines(false)).toBe(6)
  })

  test('progress is written line by line to a file', () => {
    expect(written({ terminal: false, now: clock(0) }, fsck)).toBe(
      'fsck objects (1/403) 0%\nfsck objects (403/403) 100%\n',
    )
  })

  test('a shorter text overwrites a longer one, and bytes count as columns, as in ostree', () => {
    const pull = (console: Console) => {
      console.start()
      console.text('Scanning metadata: 100')
      console.text('Scanning metadata: 101')
      console.text('1.5\u00a0kB', true)
      console.end()
    }
    expect(written({ terminal: true, columns: 24, now: clock(0) }, pull)).toBe(
      `^7^8Scanning metadata: 100  ^81.5\u00a0kB${' '.repeat(17)}\n`,
    )
    expect(written({ terminal: false, now: clock(0) }, pull)).toBe('Scanning metadata: 100\n1.5\u00a0kB\n')
  })

  test('a text that is wider than the terminal is cut, except for the last one', () => {
    const text = written({ terminal: true, columns: 10, now: clock(1000) }, (console) => {
      console.text('0123456789abc')
      console.text('0123456789abc', true)
    })
    expect(text).toBe('^8012345678…^80123456789abc')
  })
})
