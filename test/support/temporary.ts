/**
 * Temporary directories of tests. They are below the folders of the run (vitest/run-folder.ts), so that nothing of a test
 * that is killed stays behind.
 */
import { mkdtempSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, inject } from 'vitest'
import { removeFolder } from './remove-folder.ts'

/**
 * - `memory`: where extended attributes are kept and nothing waits for a disk, if the machine has such a place
 * - `disk`: the temporary directory of the machine
 * - `modules`: below `node_modules`, so that scripts in it find the packages that are installed for the tests
 */
export type Where = 'memory' | 'disk' | 'modules'

const made: string[] = []

/** Creates an empty directory that is removed when all tests of the file are done. */
export function temporaryFolder(where: Where = 'memory'): string {
  const file = basename(expect.getState().testPath ?? 'test', '.test.ts')
  const path = mkdtempSync(join(inject('runFolders')[where], `${file}-`))
  made.push(path)
  return path
}

/** Removes what the tests of this file made. It is called by vitest/setup.ts after all of them. */
export function removeTemporaryFolders(): void {
  for (const path of made.splice(0)) removeFolder(path)
}
