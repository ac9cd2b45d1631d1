/** `ostree prune`. Source: ot-builtin-prune.c. */

import type { Checksum } from '../../bytes.ts'
import { ConflictError, IoError, UsageError } from '../../errors.ts'
import { isChecksum, parseChecksum } from '../../objects/index.ts'
import {
  deleteCommit,
  type PruneResult,
  prune as pruneObjects,
  type Repo,
  readRef,
  refPath,
  refspecOf,
} from '../../repo/index.ts'
import { type CommandContext, command } from '../command.ts'
import { parseDate } from '../date.ts'
import type { OptionTable } from '../options.ts'
import { formatSize, JSON_OPTION } from '../values.ts'

const OPTIONS = {
  'no-prune': { type: 'flag', help: "Only display unreachable objects; don't delete" },
  'refs-only': { type: 'flag', help: 'Only compute reachability via refs' },
  depth: {
    type: 'integer',
    arg: 'DEPTH',
    help: 'Only traverse DEPTH parents for each commit (default: -1=infinite)',
  },
  'delete-commit': { type: 'string', arg: 'COMMIT', help: 'Specify a commit to delete' },
  'keep-younger-than': { type: 'string', arg: 'DATE', help: 'Prune all commits older than the specified date' },
  'static-deltas-only': {
    type: 'flag',
    help: 'Change the behavior of delete-commit and keep-younger-than to prune only static deltas',
  },
  'retain-branch-depth': { type: 'strings', arg: 'BRANCH=DEPTH', help: 'Additionally retain BRANCH=DEPTH commits' },
  'only-branch': { type: 'strings', arg: 'BRANCH', help: 'Only prune BRANCH (may be specified multiple times)' },
  'commit-only': { type: 'flag', help: 'Only traverse and delete commit objects.' },
  ...JSON_OPTION,
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const prune = command({
  name: 'prune',
  summary: 'Search for unreachable objects',
  usage: '',
  repo: true,
  options: OPTIONS,
  async run(context) {
    const { options, out, signal } = context
    const repo = await context.repo()
    const commit = options['delete-commit']
    if (commit !== undefined) {
      if (options['no-prune']) throw context.usageError('Cannot specify both --delete-commit and --no-prune')
      // Without static deltas there is none to delete.
      if (!options['static-deltas-only']) await deleteByHand(repo, commit)
    } else if (options['static-deltas-only']) {
      throw new UsageError(
        '--static-deltas-only requires --delete-commit; see https://github.com/ostreedev/ostree/issues/1479',
      )
    }
    const result = await pruneObjects(repo, {
      refsOnly: options['refs-only'],
      depth: options.depth,
      commitOnly: options['commit-only'],
      noPrune: options['no-prune'],
      roots: await rootsOf(repo, context),
      signal,
    })
    if (options.json) out.json(result)
    else out.write(format(result, context))
  },
})

function format({ total, unreachable, bytes }: PruneResult, { options }: Context): string {
  const head = `${options['commit-only'] ? 'Total (commit only) objects' : 'Total objects'}: ${total}\n`
  if (unreachable === 0) return `${head}No unreachable objects\n`
  const size = formatSize(bytes)
  if (options['no-prune']) return `${head}Would delete: ${unreachable} objects, freeing ${size}\n`
  return `${head}Deleted ${unreachable} objects, ${size} freed\n`
}

/** Turns tombstones on, as ostree does: who pulls is to know that the commit went on purpose. */
async function deleteByHand(repo: Repo, commit: string): Promise<void> {
  for (const prefix of ['heads', 'remotes']) {
    for (const path of await repo.refs.list(prefix)) {
      if ((await readRef(repo.refs, path)) !== commit) continue
      throw new ConflictError(commit, `Commit '${commit}' is referenced by '${refspecOf(path)}'`)
    }
  }
  for (const path of await repo.refs.list('mirrors')) {
    if ((await readRef(repo.refs, path)) !== commit) continue
    const [, collection, name] = /^mirrors\/([^/]+)\/(.+)$/.exec(path) ?? []
    throw new ConflictError(commit, `Commit '${commit}' is referenced by (${collection}, ${name})`)
  }
  const file = repo.config
  file.set('core', 'tombstone-commits', 'true')
  await repo.writeConfig(file.toString())
  const exists = isChecksum(commit) && (await repo.storage.objects.has({ checksum: commit, type: 'commit' }))
  if (!exists) {
    const path = `${commit.slice(0, 2)}/${commit.slice(2)}.commit`
    const message = `Deleting object ${commit}.commit: unlinkat(${path}): No such file or directory`
    throw new IoError(message, 'ENOENT', path)
  }
  await deleteCommit(repo, parseChecksum(commit))
}

/** What the options on time and branches keep; `undefined` when there are none. */
async function rootsOf(repo: Repo, { options }: Context): Promise<ReadonlyMap<Checksum, number> | undefined> {
  const since = options['keep-younger-than']
  const only = options['only-branch']
  const retain = new Map(options['retain-branch-depth'].map(parseRetain))
  if (since === undefined && only.length === 0 && retain.size === 0) return undefined
  const oldest = since === undefined ? undefined : parseDate(since, Date.now())
  for (const branch of only) await repo.resolve(branch)
  const onlyPaths = new Set(only.map(refPath))
  const roots = new Map<Checksum, number>()
  for (const { name, path } of await repo.listRefs()) {
    const tip = await readRef(repo.refs, path)
    if (tip === undefined) continue
    const retained = retain.get(name)
    // As in ostree, to retain none is the same as to say nothing.
    if (retained !== undefined && retained !== 0) keep(roots, tip, retained)
    else if (only.length > 0 && !onlyPaths.has(path)) keep(roots, tip, -1)
    else if (oldest !== undefined) await keepYounger(repo, roots, tip, oldest)
    else keep(roots, tip, options.depth ?? -1)
  }
  return roots
}

function parseRetain(text: string): [branch: string, depth: number] {
  const at = text.indexOf('=')
  if (at < 0) throw new UsageError(`Invalid value ${text}, must specify BRANCH=DEPTH`)
  const number = text.slice(at + 1)
  if (!/^[+-]?\d+$/.test(number)) throw new UsageError(`Invalid depth ${number}`)
  const depth = Number(number)
  if (Math.abs(depth) > 0x7fffffff) throw new UsageError(`Out of range depth ${number}`)
  return [text.slice(0, at), depth]
}

function keep(roots: Map<Checksum, number>, commit: Checksum, depth: number): void {
  const known = roots.get(commit)
  if (known === undefined || (known >= 0 && (depth < 0 || depth > known))) roots.set(commit, depth)
}

/** The tip always, and parents that are young enough, up to the first that is not. */
async function keepYounger(repo: Repo, roots: Map<Checksum, number>, tip: Checksum, oldest: bigint): Promise<void> {
  keep(roots, tip, 0)
  const seen = new Set<Checksum>([tip])
  let at = (await repo.readCommit(tip)).parent
  while (at !== undefined && !seen.has(at) && (await repo.objects.has({ checksum: at, type: 'commit' }))) {
    seen.add(at)
    const commit = await repo.readCommit(at)
    if (commit.timestamp < oldest) return
    keep(roots, at, 0)
    at = commit.parent
  }
}
