/**
 * Model-based commands for a repository: commit, checkout, pull, aliases, deleted refs, prune, reopening and crashes, against
 * a model that is a list of commits and a list of refs.
 */

import fc from 'fast-check'
import { type Checksum, decodeUtf8 } from '../../bytes.ts'
import { S_IFMT, S_IFREG } from '../../objects/index.ts'
import {
  checkout,
  commitFiles,
  createMemoryStorage,
  createMemoryTarget,
  prune,
  pullLocal,
  Repo,
  type RepoMode,
} from '../../repo/index.ts'
import type { StorageSubject } from '../suites/index.ts'
import { type CommandSequence, printedCommands } from './print-commands.ts'
import { commitsOf, RepoUnderTest, refLines, requireEqual, requireSound } from './world.ts'

/** Contents of files by path. */
type Files = Readonly<Record<string, string>>

/** A commit of the model. */
export interface ModelCommit {
  /** Contents of files by path. */
  readonly files: Readonly<Record<string, string>>
  readonly parent: Checksum | undefined
}

/** What a repository should contain. */
export interface RepoModel {
  /** All commits. */
  commits: ReadonlyMap<Checksum, ModelCommit>
  /** Commits, or paths of other refs, by the paths of refs. */
  refs: ReadonlyMap<string, Checksum>
  aliases: ReadonlyMap<string, string>
}

/** The repository under test, and the one that it pulls from. */
export interface RepoSystem {
  readonly world: RepoUnderTest
  /** A repository in memory whose branch `main` has a history of three commits. */
  readonly source: Repo
  readonly sourceModel: RepoModel
}

/** A command, which prints as its title. */
export type RepoCommand = fc.AsyncCommand<RepoModel, RepoSystem, true>

/** A command that changes the repository. The same changes can be made to the model. */
interface Change {
  readonly title: string
  /** Whether the change can be made. */
  possible(model: RepoModel): boolean
  run(repo: Repo, system: RepoSystem): Promise<void>
  predict(model: RepoModel, system: RepoSystem): Promise<RepoModel>
}

const BRANCHES = ['main', 'next', 'x/a'] as const
const PATHS = ['a', 'b', 'd/a', 'd/e/b'] as const
const REMOTE_REF = 'remotes/origin/main'

function fileRecords({ subject, mode }: RepoUnderTest, files: Files) {
  const owner = mode === 'bare' ? subject.owner : undefined
  return Object.fromEntries(Object.entries(files).map(([path, content]) => [path, { content, ...owner }]))
}

async function commitTo(repo: Repo, world: RepoUnderTest, branch: string | undefined, files: Files, parent?: Checksum) {
  const options = { branch, parent: parent ?? ('none' as const), orphan: branch === undefined }
  return (await commitFiles(repo, fileRecords(world, files), options)).commit
}

/** Returns the checksum that a commit has in memory. The parent does not need to exist. */
async function checksumInMemory(world: RepoUnderTest, branch: string, files: Files, parent: Checksum | undefined) {
  await using repo = await memoryRepo(world)
  return await commitTo(repo, world, branch, files, parent)
}

function memoryRepo({ mode, subject: { platform } }: RepoUnderTest): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform }), platform)
}

function commitChange(branch: string, files: Files): Change {
  const path = `heads/${branch}`
  return {
    title: `commit ${branch} ${printFiles(files)}`,
    possible: () => true,
    run: async (repo, { world }) => {
      const target = await repo.refs.read(path)
      await commitTo(repo, world, branch, files, target && 'commit' in target ? target.commit : undefined)
    },
    predict: async (model, { world }) => {
      const parent = model.refs.get(path)
      const commit = await checksumInMemory(world, branch, files, parent)
      const commits = new Map(model.commits).set(commit, { files, parent })
      return { ...model, commits, refs: new Map(model.refs).set(path, commit) }
    },
  }
}

function deleteChange(path: string): Change {
  return {
    title: `delete ${path}`,
    possible: ({ refs, aliases }) =>
      (refs.has(path) || aliases.has(path)) && ![...aliases.values()].some((to) => to === path),
    run: async (repo) => await repo.refs.write(path, undefined),
    predict: async (model) => ({
      ...model,
      refs: new Map([...model.refs].filter(([key]) => key !== path)),
      aliases: new Map([...model.aliases].filter(([key]) => key !== path)),
    }),
  }
}

function tagChange(from: string, name: string): Change {
  return {
    title: `tag ${from} as ${name}`,
    possible: ({ refs }) => refs.has(`heads/${from}`),
    run: async (repo) => await repo.setRef(name, await repo.resolve(from)),
    predict: async (model) => ({
      ...model,
      refs: new Map(model.refs).set(`heads/${name}`, model.refs.get(`heads/${from}`) as Checksum),
    }),
  }
}

function aliasChange(name: string, to: string): Change {
  return {
    title: `alias ${name} -> ${to}`,
    possible: ({ refs }) => refs.has(`heads/${to}`),
    run: async (repo) => await repo.refs.write(`heads/${name}`, { alias: `heads/${to}` }),
    predict: async (model) => ({ ...model, aliases: new Map(model.aliases).set(`heads/${name}`, `heads/${to}`) }),
  }
}

function pruneChange(depth: number): Change {
  return {
    title: `prune --refs-only --depth=${depth}`,
    possible: () => true,
    run: async (repo) => {
      await prune(repo, { refsOnly: true, depth })
    },
    predict: async (model) => ({ ...model, commits: reachable(model, model.refs.values(), depth) }),
  }
}

function pullChange(depth: number): Change {
  return {
    title: `pull main --depth=${depth}`,
    possible: () => true,
    run: async (repo, { source }) => {
      await pullLocal(source, repo, { refs: ['main'], remote: 'origin', depth })
    },
    predict: async (model, { sourceModel }) => {
      const head = sourceModel.refs.get('heads/main') as Checksum
      const pulled = reachable(sourceModel, [head], depth)
      return {
        ...model,
        commits: new Map([...model.commits, ...pulled]),
        refs: new Map(model.refs).set(REMOTE_REF, head),
      }
    },
  }
}

/** Returns the commits that some commits reach, up to `depth` generations; -1 means all. */
function reachable({ commits }: RepoModel, from: Iterable<Checksum>, depth: number): Map<Checksum, ModelCommit> {
  const found = new Map<Checksum, ModelCommit>()
  for (const start of from) {
    let checksum: Checksum | undefined = start
    for (let left = depth; checksum !== undefined; left--) {
      const commit = commits.get(checksum)
      if (commit === undefined) break
      found.set(checksum, commit)
      checksum = left === 0 ? undefined : commit.parent
    }
  }
  return found
}

function modelLines({ refs, aliases }: RepoModel): string[] {
  return [
    ...[...refs].map(([path, commit]) => `${path} ${commit}`),
    ...[...aliases].map(([path, to]) => `${path} -> ${to}`),
  ]
}

/** Compares refs and the list of commits with the model. */
async function requireModel(model: RepoModel, repo: Repo): Promise<void> {
  requireEqual('refs', modelLines(model), await refLines(repo))
  requireEqual('commits', model.commits.keys(), await commitsOf(repo))
}

async function requireFiles(repo: Repo, commit: Checksum, files: Files): Promise<void> {
  const target = createMemoryTarget()
  await checkout(repo, commit, target)
  const found = [...target.entries()].flatMap(([path, entry]) =>
    (entry.mode & S_IFMT) === S_IFREG ? [`${path.slice(1)}=${decodeUtf8(entry.content)}`] : [],
  )
  const expected = Object.entries(files).map(([path, content]) => `${path}=${content}`)
  requireEqual(`files of commit ${commit}`, expected, found)
}

/** Verifies all objects, and checks out every commit. */
async function requireWhole(model: RepoModel, repo: Repo): Promise<void> {
  await requireModel(model, repo)
  await requireSound(repo)
  for (const [commit, { files }] of model.commits) await requireFiles(repo, commit, files)
}

class ChangeCommand implements RepoCommand {
  readonly #change: Change
  constructor(change: Change) {
    this.#change = change
  }
  async check(model: Readonly<RepoModel>): Promise<boolean> {
    return this.#change.possible(model)
  }
  async run(model: RepoModel, system: RepoSystem): Promise<void> {
    const after = await this.#change.predict(model, system)
    await this.#change.run(system.world.repo, system)
    Object.assign(model, after)
    await requireModel(model, system.world.repo)
  }
  toString(): string {
    return this.#change.title
  }
}

/** The change is interrupted: every ref is old or new, nothing that both states have is lost, and a repeat succeeds. */
class CrashCommand implements RepoCommand {
  readonly #change: Change
  readonly #at: number
  constructor(change: Change, at: number) {
    this.#change = change
    this.#at = at
  }
  async check(model: Readonly<RepoModel>): Promise<boolean> {
    return this.#change.possible(model)
  }
  async run(model: RepoModel, system: RepoSystem): Promise<void> {
    const { world } = system
    if (world.subject.afterCrash === undefined) return
    const after = await this.#change.predict(model, system)
    await world.crash(this.#at, (repo) => this.#change.run(repo, system))
    const lines = await refLines(world.repo)
    const [before, later] = [new Set(modelLines(model)), new Set(modelLines(after))]
    const always = [...before].filter((line) => later.has(line))
    const found = lines.filter((line) => before.has(line) || later.has(line))
    requireEqual('refs after a crash', new Set([...always, ...found]), lines)
    const commits = await commitsOf(world.repo)
    for (const commit of commits) {
      if (!model.commits.has(commit) && !after.commits.has(commit)) throw new Error(`commit ${commit} is not expected`)
    }
    for (const commit of model.commits.keys()) {
      if (after.commits.has(commit) && !commits.has(commit)) throw new Error(`commit ${commit} is lost`)
    }
    await this.#repeat(model, after, system)
  }
  async #repeat(model: RepoModel, after: RepoModel, system: RepoSystem): Promise<void> {
    const { repo } = system.world
    if ((await refLines(repo)).join() === modelLines(model).sort().join()) await this.#change.run(repo, system)
    // Commits that the crash left, and that no ref leads to, are of no importance.
    const stored = await commitsOf(repo)
    const known = [...model.commits, ...after.commits].filter(([commit]) => stored.has(commit))
    Object.assign(model, { ...after, commits: new Map(known) })
    await requireWhole(model, repo)
  }
  toString(): string {
    return `crash at write ${this.#at} of ${this.#change.title}`
  }
}

class CheckoutCommand implements RepoCommand {
  readonly #branch: string
  constructor(branch: string) {
    this.#branch = branch
  }
  async check({ refs }: Readonly<RepoModel>): Promise<boolean> {
    return refs.has(`heads/${this.#branch}`)
  }
  async run(model: RepoModel, { world: { repo } }: RepoSystem): Promise<void> {
    const commit = await repo.resolve(this.#branch)
    const known = model.commits.get(commit)
    if (known === undefined) throw new Error(`${this.#branch} leads to commit ${commit}, which is not expected`)
    await requireFiles(repo, commit, known.files)
  }
  toString(): string {
    return `checkout ${this.#branch}`
  }
}

class ReopenCommand implements RepoCommand {
  async check(): Promise<boolean> {
    return true
  }
  async run(model: RepoModel, { world }: RepoSystem): Promise<void> {
    await world.reopen()
    await requireWhole(model, world.repo)
  }
  toString(): string {
    return 'reopen'
  }
}

function printFiles(files: Files): string {
  const parts = Object.entries(files).map(([path, text]) => {
    return `${path}=${text.length > 8 ? `${text.length} x ${text[0]}` : JSON.stringify(text)}`
  })
  return `{${parts.join(' ')}}`
}

/** Options of `repoCommands`. */
export interface RepoCommandsOptions {
  /** Default 20. */
  readonly maxCommands?: number
  /** Whether commands crash. Default true; they do nothing for subjects without `afterCrash`. */
  readonly crashes?: boolean
  /** Repeats a failure: what its report says after `replayPath=`. Default: none. */
  readonly replayPath?: string
}

/**
 * Generates sequences of commands for `runRepoCommands`: `commit main {a="x"}`, `pull main --depth=0`, `reopen`. They shrink
 * to the commands that a failure needs.
 */
export function repoCommands({
  maxCommands = 20,
  crashes = true,
  replayPath,
}: RepoCommandsOptions = {}): fc.Arbitrary<CommandSequence<RepoCommand>> {
  const content = fc.constantFrom('', 'x', 'yy', 'z'.repeat(70_000))
  const files = fc.dictionary(fc.constantFrom(...PATHS), content, { maxKeys: 3, noNullPrototype: true })
  const branch = fc.constantFrom(...BRANCHES)
  const depth = fc.constantFrom(0, 1, -1)
  const change: fc.Arbitrary<Change> = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(branch, files).map(([name, content]) => commitChange(name, content)) },
    fc.tuple(branch, fc.constantFrom('tag', 'x/b')).map(([from, name]) => tagChange(from, name)),
    fc.tuple(fc.constantFrom('alias', 'x/alias'), branch).map(([name, to]) => aliasChange(name, to)),
    fc.constantFrom(...BRANCHES, 'tag', 'x/b', 'alias', 'x/alias').map((name) => deleteChange(`heads/${name}`)),
    depth.map(pruneChange),
    depth.map(pullChange),
    fc.constant(REMOTE_REF).map(deleteChange),
  )
  const commands: fc.Arbitrary<RepoCommand>[] = [
    change.map((one) => new ChangeCommand(one)),
    change.map((one) => new ChangeCommand(one)),
    change.map((one) => new ChangeCommand(one)),
    branch.map((name) => new CheckoutCommand(name)),
    fc.constant(new ReopenCommand()),
    ...(crashes ? [fc.tuple(change, fc.nat({ max: 12 })).map(([one, at]) => new CrashCommand(one, at))] : []),
  ]
  const options = { maxCommands, size: 'max' as const, ...(replayPath === undefined ? {} : { replayPath }) }
  return printedCommands(fc.commands<RepoModel, RepoSystem, true>(commands, options))
}

/**
 * Runs commands on a new storage of a subject, and compares it with the model after each. At the end all objects are
 * verified, and every commit is checked out.
 * @param mode default: the first of the subject
 * @throws {Error} if anything differs from the model; the message says what
 */
export async function runRepoCommands(
  subject: StorageSubject,
  commands: Iterable<RepoCommand>,
  mode: RepoMode = subject.modes?.[0] ?? 'archive',
): Promise<void> {
  await using world = await RepoUnderTest.create(subject, mode)
  await using source = await memoryRepo(world)
  const commits = new Map<Checksum, ModelCommit>()
  let parent: Checksum | undefined
  for (const files of [{ a: 'x' }, { a: 'x', 'd/a': 'of the source' }, { 'd/a': 'x' }]) {
    const commit = await commitTo(source, world, 'main', files, parent)
    commits.set(commit, { files, parent })
    parent = commit
  }
  const refs = new Map([['heads/main', parent as Checksum]])
  const system = { world, source, sourceModel: { commits, refs, aliases: new Map() } }
  const model: RepoModel = { commits: new Map(), refs: new Map(), aliases: new Map() }
  await fc.asyncModelRun(() => ({ model, real: system }), commands)
  await requireWhole(model, world.repo)
}

/**
 * Returns the property that any sequence of commands keeps a storage equal to the model.
 *
 * @example
 * const platform = portablePlatform
 * await fc.assert(repoProperty({ platform, create: async (mode) => createMemoryStorage({ mode, platform }) }))
 */
export function repoProperty(
  subject: StorageSubject,
  { mode, ...options }: RepoCommandsOptions & { readonly mode?: RepoMode } = {},
) {
  return fc.asyncProperty(repoCommands(options), (commands) => runRepoCommands(subject, commands, mode))
}
