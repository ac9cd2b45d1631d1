/** The library with SQLite files in a process of its own: what one process locks, another must respect. */
import { bundleScript } from '../../../support/bundle.ts'
import { TALK } from '../../../support/child-process.ts'

const START = `
  import { nodePlatform as platform } from './src/platform/node.ts'
  import { createSqliteStorage, openSqliteStorage } from './src/repo/stores/sqlite/open.ts'
  ${TALK}
  const header = { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] }
  const [, , path] = process.argv
  async function main() {
`
const END = `
  }
  await main().catch((error) => say([error.name, error.code, error.message].join(' | ')))
  process.exit(0)
`

/**
 * Bundles a script.
 * @param body of an async function that sees `path` (the first argument), `platform`, `header`, `say`, `heard` and the
 * functions that open SQLite files
 * @param into the directory for it, by default one from which packages are found
 * @returns the path of the bundle
 */
export function sqliteScript(name: string, body: string, into?: string): string {
  return bundleScript(name, START + body + END, into)
}
