import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Console, type ConsoleOptions } from '../../../src/cli/text/console.ts'
import { Output } from '../../../src/cli/text/output.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

/** What is written, with ESC as `^`. */
function written(options: ConsoleOptions, work: (console: Console) => void): string {
  const path = join(folder, 'written')
  const fd = openSync(path, 'w')
  const out = new Output(fd)
  work(new Console(out, options))
  out.flush()
  closeSync(fd)
  return readFileSync(path, 'utf8').replaceAll('\u001b', '^')
}

/** A clock that goes on by so many milliseconds each time it is looked at. */
function clock(step: number): () => number {
  let time = 0
  return () => {
    time += step
    return time
  }
}

/** Lines a terminal got from `ostree fsck` and `ostree pull-local`. */
describe('the line that changes', () => {
  const fsck = (console: Console) => {
    console.start()
    console.percent('fsck objects (1/403)', 0)
    console.percent('fsck objects (200/403)', 49)
    console.percent('fsck objects (403/403)', 100)
    console.end()
    console.end()
  }

  test('has a bar on a terminal', () => {
    expect(written({ terminal: true, columns: 80, now: clock(200) }, fsck)).toBe(
      '^7^8fsck objects (1/403) [             ]   0%^8fsck objects (200/403) [======       ]  49%^8fsck objects (403/403) [=============] 100%\n',
    )
  })

  test('has a shorter one on a narrow terminal, and less text', () => {
    expect(written({ terminal: true, columns: 30, now: clock(0) }, fsck)).toBe(
      '^7^8fsck objects (1/403) [  ]   0%^8fsck objects (403/40 [==] 100%\n',
    )
  })

  test('goes on five times a second on a terminal, and once elsewhere; the end is always told', () => {
    const many = (console: Console) => {
      for (let percent = 0; percent <= 100; percent++) console.percent('x', percent)
    }
    const lines = (terminal: boolean) => written({ terminal, columns: 80, now: clock(50) }, many).split('%').length - 1
    expect(lines(true)).toBe(26)
    expect(lines(false)).toBe(6)
  })

  test('is a line each time where no terminal is', () => {
    expect(written({ terminal: false, now: clock(0) }, fsck)).toBe(
      'fsck objects (1/403) 0%\nfsck objects (403/403) 100%\n',
    )
  })

  test('writes over what was longer, and takes bytes for columns as ostree does', () => {
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
})
