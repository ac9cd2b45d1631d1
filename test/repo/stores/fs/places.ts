/** Where tests of repository directories put them: in memory if it keeps xattrs, for the disk makes them wait. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { loadNative } from '../../../../src/system/native.ts'

function keepsXattrs(directory: string): boolean {
  try {
    const probe = mkdtempSync(join(directory, 'ostree-probe-'))
    try {
      closeSync(openSync(join(probe, 'file'), 'wx'))
      loadNative()?.setXattr(join(probe, 'file'), 'user.ostreemeta', Uint8Array.of(1))
      return true
    } finally {
      rmSync(probe, { recursive: true })
    }
  } catch {
    return false
  }
}

/** Directories of tests are in here. */
export const testParent = keepsXattrs('/dev/shm') ? '/dev/shm' : tmpdir()

/** A directory that is gone when the tests of the file are done. */
export function testDirectory(): string {
  const root = mkdtempSync(join(testParent, 'ostree-ts-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  return root
}

export const isRoot = process.getuid?.() === 0
