/** Programs run as a user without privileges. */
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect } from 'vitest'
import { bundleScript } from '../support/bundle.ts'

/** Number of the user and of the group. */
export const USER = 12345

/** Bundles a program that unpacks an image and prints what it could not make. */
export function bundledUnpack(): string {
  const script = bundleScript(
    'unpack',
    `import { unpackImage } from './src/node.ts'
const [, , reference = '', target = ''] = process.argv
console.log(JSON.stringify((await unpackImage(reference, target)).notMade))`,
  )
  for (let path = dirname(script); path.includes('node_modules'); path = dirname(path)) chmodSync(path, 0o755)
  return script
}

/** Runs a command as a user without privileges. @param home its home directory */
export function asUser(command: readonly string[], home: string): string {
  const ids = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, LC_ALL: 'C.UTF-8' }
  const { status, stdout, stderr } = spawnSync('setpriv', [...ids, '--', ...command], {
    env,
    encoding: 'utf8',
    cwd: '/',
  })
  expect(status, stderr).toBe(0)
  return stdout
}
