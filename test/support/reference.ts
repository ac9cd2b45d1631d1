/**
 * The programs that results are compared with. All of them are optional: tests that need a program which is not installed
 * are skipped, and the title of their group names it. With REQUIRE_REFERENCE=1 in the environment they fail instead.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, test } from 'vitest'
import { canMount, isRoot } from './machine.ts'

/** Path of the newest release of ostree, which scripts/newest-ostree.sh makes. */
export const NEWEST_OSTREE: `/${string}` = `/${(process.env['OSTREE_NEWEST'] ?? '/var/tmp/ostree-newest/ostree').slice(1)}`

export type ReferenceProgram =
  | 'ostree'
  | 'skopeo'
  | 'buildah'
  | 'umoci'
  | 'tar'
  | 'bsdtar'
  | 'python3'
  | 'getfattr'
  | 'zstd'
  | 'xz'
  | 'bzip2'
  | 'debootstrap'
  | 'matchpathcon'
  | 'docker-registry'
  | 'openssl'
  | 'gpg'
  | 'script'
  | 'bash'
  | 'zsh'
  | 'fish'
  | 'groff'
  | 'GNU date'
  | 'chromium'

/** What tests may need: a program, a file by its absolute path, the rights of root, or to mount file systems. */
export type Need = ReferenceProgram | 'root' | 'mount' | `/${string}`

const found = new Map<string, boolean>()

/** Whether the tests have what they need. */
export function hasReference(need: Need): boolean {
  let known = found.get(need)
  if (known === undefined) {
    if (need === 'root') known = isRoot
    else if (need === 'mount') known = canMount()
    else if (need === 'GNU date') known = spawnSync('date', ['--version']).stdout?.includes('GNU') === true
    else if (need.startsWith('/')) known = existsSync(need)
    else known = spawnSync('sh', ['-c', `command -v ${need}`]).status === 0
    found.set(need, known)
  }
  return known
}

/** Defines a group of tests that need programs, files or the rights of root. */
export function describeReference(needs: Need | readonly Need[], title: string, body: () => void): void {
  const missing = [needs].flat().filter((need) => !hasReference(need))
  if (missing.length === 0) {
    describe(title, body)
  } else if (process.env['REQUIRE_REFERENCE'] === '1') {
    test(title, () => fail(missing))
  } else {
    describe.skip(`${title} (needs ${missing.join(', ')})`, body)
  }
}

/** Defines a test that needs programs, files or the rights of root. */
export function testReference(needs: Need | readonly Need[], title: string, body: () => void | Promise<void>): void {
  const missing = [needs].flat().filter((need) => !hasReference(need))
  if (missing.length === 0) test(title, body)
  else if (process.env['REQUIRE_REFERENCE'] === '1') test(title, () => fail(missing))
  else test.skip(`${title} (needs ${missing.join(', ')})`, body)
}

function fail(missing: readonly Need[]): never {
  throw new Error(`needs ${missing.join(', ')}, which this machine lacks`)
}

/** Runs a program. @returns what it wrote to stdout @throws Error if its exit status is not 0 */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; input?: Uint8Array; env?: Record<string, string>; encoding?: 'latin1' } = {},
): string {
  const result = spawnSync(program, args, {
    maxBuffer: 1 << 30,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input }),
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...options.env },
  })
  if (result.error) throw result.error
  if (result.status !== 0) {
    throw new Error(`${program} ${args.join(' ')}: exit ${result.status}\n${result.stderr.toString()}`)
  }
  return result.stdout.toString(options.encoding)
}
