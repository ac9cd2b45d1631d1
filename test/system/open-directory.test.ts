import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { OpenDirectory } from '../../src/system/open-directory.ts'
import { temporaryFolder } from '../support/temporary.ts'

const DEPTH = 12_000
/** The directories above the one that is being removed are open. */
const openFiles = (): number => {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  } catch {
    return 0
  }
}

test.skipIf(openFiles() < DEPTH + 500)('removeTree removes directories of any depth, and follows no links', () => {
  const base = temporaryFolder()
  mkdirSync(join(base, 'keep'))
  writeFileSync(join(base, 'keep/file'), 'x')
  let parent = openSync(base, 'r')
  for (let depth = 0; depth < DEPTH; depth++) {
    mkdirSync(`/proc/self/fd/${parent}/d`)
    const child = openSync(`/proc/self/fd/${parent}/d`, 'r')
    closeSync(parent)
    parent = child
  }
  symlinkSync(join(base, 'keep'), `/proc/self/fd/${parent}/link`)
  closeSync(parent)
  const directory = OpenDirectory.at(base)
  directory.removeTree('d')
  directory.close()
  expect(readdirSync(base)).toEqual(['keep'])
  expect(readdirSync(join(base, 'keep'))).toEqual(['file'])
})
