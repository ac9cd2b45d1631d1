/**
 * The programs that results are compared with. All of them are optional: tests that need a program which is not installed
 * are skipped, and their title names it. With REQUIRE_REFERENCE=1 in the environment they fail instead.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, test } from 'vitest'

export type ReferenceProgram =
  | 'ostree'
  | 'skopeo'
  | 'umoci'
  | 'tar'
  | 'bsdtar'
  | 'python3'
  | 'getfattr'
  | 'zstd'
  | 'debootstrap'
  | 'matchpathcon'
  | 'docker-registry'
  | 'openssl'

const found = new Map<ReferenceProgram, boolean>()

/** Whether a program is installed. */
export function hasReference(program: ReferenceProgram): boolean {
  let known = found.get(program)
  if (known === undefined) {
    known = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
    found.set(program, known)
  }
  return known
}

/** Defines a group of tests that need programs. */
export function describeReference(
  programs: ReferenceProgram | ReferenceProgram[],
  title: string,
  body: () => void,
): void {
  describeUnlessMissing(
    [programs].flat().filter((program) => !hasReference(program)),
    title,
    body,
  )
}

/** Like `describeReference`, for tests that also need root, because a repository of mode `bare` gives files to other owners. */
export function describeReferenceAsRoot(
  programs: ReferenceProgram | ReferenceProgram[],
  title: string,
  body: () => void,
): void {
  const missing = [programs].flat().filter((program) => !hasReference(program))
  describeUnlessMissing(process.getuid?.() === 0 ? missing : ['root', ...missing], title, body)
}

/** Defines a group of tests that need a file, which the package of a program installs. */
export function describeReferenceFile(path: string, title: string, body: () => void): void {
  describeUnlessMissing(existsSync(path) ? [] : [path], title, body)
}

function describeUnlessMissing(missing: readonly string[], title: string, body: () => void): void {
  if (missing.length === 0) {
    describe(title, body)
  } else if (process.env['REQUIRE_REFERENCE'] === '1') {
    test(title, () => {
      throw new Error(`needs ${missing.join(', ')}, which this machine lacks`)
    })
  } else {
    describe.skip(`${title} (needs ${missing.join(', ')})`, body)
  }
}

/** Runs a program. @returns what it wrote to stdout @throws Error if its exit status is not 0 */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; input?: Uint8Array; env?: Record<string, string> } = {},
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
  return result.stdout.toString()
}
