/** Repositories that ostree made, to be worked on by both programs. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { run } from '../support/reference.ts'

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

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

  /** @throws when it fails */
  run(...args: string[]): string {
    return run('ostree', [`--repo=${this.path}`, ...args])
  }

  /** @returns the commit */
  commit(branch: string, tree: string, ...flags: string[]): string {
    const canonical = this.mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
    return this.run('commit', '--fsync=0', '-b', branch, ...canonical, ...flags, tree).trim()
  }

  /** Whatever comes of it; the status of one that died is `null`. */
  attempt(...args: string[]): Outcome {
    const result = spawnSync('ostree', [`--repo=${this.path}`, ...args], {
      env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    })
    return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), status: result.status }
  }

  /** The same repository elsewhere, attributes and all. */
  copy(path: string): ReferenceRepo {
    mkdirSync(path)
    run('cp', ['-a', `${this.path}/.`, path])
    return new ReferenceRepo(path, this.mode)
  }
}
