import { closeSync, futimesSync, lutimesSync, openSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fileTime, replaceFile } from '../../src/system/file-io.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')
const path = join(folder, 'file')

test.each([0, 1, 1.5, 1_600_000_000.25, -1, -0.5, -1000, -1_234_567.25, -2_000_000_000])(
  'a file gets the time %d, also before 1970',
  (seconds) => {
    writeFileSync(path, '')
    const time = fileTime(seconds)
    const fd = openSync(path, 'r+')
    for (const set of [
      () => utimesSync(path, time, time),
      () => lutimesSync(path, time, time),
      () => futimesSync(fd, time, time),
    ]) {
      utimesSync(path, 77, 77)
      set()
      expect(statSync(path).mtimeMs).toBe(seconds * 1000)
    }
    closeSync(fd)
    replaceFile(path, new Uint8Array(0), { tmp: folder, modified: seconds, shown: 'file' })
    expect(statSync(path).mtimeMs).toBe(seconds * 1000)
  },
)

test('a time before all dates is the first one', () => {
  expect(fileTime(-1e300)).toEqual(new Date(-8.64e15))
})
