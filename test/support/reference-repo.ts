/** Repositories that the real ostree creates, for both programs to use. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Outcome } from './in-process.ts'
import { run } from './reference.ts'

/** A repository, and the real ostree that works on it. */
export class ReferenceRepo {
  readonly path: string
  readonly mode: string

  constructor(path: string, mode: string) {
    this.path = path
    this.mode = mode
  }

  static create(path: string, mode: string, ...flags: string[]): ReferenceRepo {
    const repo = new ReferenceRepo(path, mode)
    repo.run('init', `--mode=${mode}`, ...flags)
    return repo
  }

  /** Runs an ostree command. @throws Error when it fails */
  run(...args: string[]): string {
    return run('ostree', [`--repo=${this.path}`, ...args])
  }

  /** Commits a directory. @returns the checksum of the commit */
  commit(branch: string, tree: string, ...flags: string[]): string {
    const canonical = this.mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
    return this.run('commit', '--fsync=0', '-b', branch, ...canonical, ...flags, tree).trim()
  }

  /** Runs an ostree command that may fail. The status is `null` when a signal ended it. */
  attempt(...args: string[]): Outcome {
    const result = spawnSync('ostree', [`--repo=${this.path}`, ...args], {
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    })
    return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), status: result.status }
  }

  /** Copies the repository, with owners and extended attributes. */
  copy(path: string): ReferenceRepo {
    mkdirSync(path)
    run('cp', ['-a', `${this.path}/.`, path])
    return new ReferenceRepo(path, this.mode)
  }
}
