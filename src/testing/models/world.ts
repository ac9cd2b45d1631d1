/** The repository under test of model-based commands, and how it is reopened and crashes. */

import { type Checksum, compareUtf8 } from '../../bytes.ts'
import { IoError, OstreeError } from '../../errors.ts'
import { fsck, Repo, type RepoMode, type RepoOptions, type Storage } from '../../repo/index.ts'
import { faultyStorage } from '../faults.ts'
import type { StorageSubject } from '../suites/index.ts'

/** Opens repositories of a subject, one after the other on the same data. */
export class RepoUnderTest implements AsyncDisposable {
  readonly subject: StorageSubject
  readonly mode: RepoMode
  #storage: Storage
  #repo: Repo

  private constructor(subject: StorageSubject, mode: RepoMode, storage: Storage, repo: Repo) {
    this.subject = subject
    this.mode = mode
    this.#storage = storage
    this.#repo = repo
  }

  /** Creates a new storage of the subject. */
  static async create(subject: StorageSubject, mode: RepoMode): Promise<RepoUnderTest> {
    const storage = await subject.create(mode)
    return new RepoUnderTest(subject, mode, storage, await Repo.open(storage, subject.platform))
  }

  /** The repository as it is open now. */
  get repo(): Repo {
    return this.#repo
  }

  /** Closes the repository and opens it again. Does nothing in a store whose data is lost with its handle. */
  async reopen(): Promise<void> {
    const { subject } = this
    if (subject.reopen === undefined) return
    const before = this.#storage
    await before[Symbol.asyncDispose]()
    await this.#use(await subject.reopen(before))
  }

  /**
   * Runs `work` on the repository, whose storage crashes at a write, and opens what is left.
   * @param at number of the write, from 0; with fewer writes it crashes after `work`
   */
  async crash(at: number, work: (repo: Repo) => Promise<void>, options?: RepoOptions): Promise<void> {
    const { subject } = this
    if (subject.afterCrash === undefined) return
    const before = this.#storage
    const { storage } = faultyStorage(before, { failAt: at, kind: 'crash' })
    try {
      await work(await Repo.open(storage, subject.platform, options))
    } catch (error) {
      if (!(error instanceof IoError)) throw error
    }
    const left = await subject.afterCrash(before)
    await this.#use(left)
    try {
      await before[Symbol.asyncDispose]()
    } catch (error) {
      // The old handle may have a transaction that did not end.
      if (!(error instanceof OstreeError)) throw error
    }
  }

  async #use(storage: Storage): Promise<void> {
    this.#storage = storage
    this.#repo = await Repo.open(storage, this.subject.platform)
  }

  /** Closes the repository. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage[Symbol.asyncDispose]()
  }
}

/** Lists the refs of a repository with their targets: `heads/main 1234…`, `heads/alias -> heads/main`. */
export async function refLines(repo: Repo): Promise<string[]> {
  const lines: string[] = []
  for (const area of ['heads', 'remotes']) {
    for (const path of await repo.refs.list(area)) {
      const target = await repo.refs.read(path)
      if (target === undefined) lines.push(`${path} is listed and cannot be read`)
      else lines.push('alias' in target ? `${path} -> ${target.alias}` : `${path} ${target.commit}`)
    }
  }
  return lines.sort(compareUtf8)
}

/** Lists the commits of a repository. */
export async function commitsOf(repo: Repo): Promise<Set<Checksum>> {
  const commits = new Set<Checksum>()
  for await (const { type, checksum } of repo.objects.list()) if (type === 'commit') commits.add(checksum)
  return commits
}

/** Verifies all objects of a repository. @throws Error with the events of fsck if one is missing or damaged */
export async function requireSound(repo: Repo): Promise<void> {
  const events: string[] = []
  const { damaged } = await fsck(repo, { all: true, onEvent: (event) => events.push(JSON.stringify(event)) })
  if (damaged > 0) throw new Error(`fsck finds ${damaged} damaged objects\n${events.slice(-3).join('\n')}`)
}

/** Compares two lists of lines. @throws Error with those that are in one of them only */
export function requireEqual(what: string, expected: Iterable<string>, actual: Iterable<string>): void {
  const [wanted, found] = [new Set(expected), new Set(actual)]
  const lines = [
    ...[...wanted].filter((line) => !found.has(line)).map((line) => `missing: ${line}`),
    ...[...found].filter((line) => !wanted.has(line)).map((line) => `not expected: ${line}`),
  ]
  if (lines.length > 0) throw new Error(`${what} differ\n${lines.slice(0, 4).join('\n')}`)
}
