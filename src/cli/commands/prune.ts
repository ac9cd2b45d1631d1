/** `ostree prune`. Source: ot-builtin-prune.c. */

import type { Checksum } from '../../bytes.ts'
import { UsageError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import { formatObjectName } from '../../objects/index.ts'
import {
  deleteCommit,
  type PruneResult,
  pruneDeltas,
  prune as pruneObjects,
  pruneSummaryCache,
} from '../../repo/index.ts'
import { type CommandContext, command } from '../command.ts'
import type { OptionTable } from '../options.ts'
import { parseDate } from '../text/date.ts'
import { withCounter } from '../text/object-counter.ts'
import { JSON_OPTION } from '../values.ts'

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
  rawArgs: true,
  options: OPTIONS,
  async run(context) {
    const { options, out, err, signal } = context
    const repo = await context.repo()
    const commit = options['delete-commit']
    if (commit !== undefined) {
      if (options['no-prune']) throw context.usageError('Cannot specify both --delete-commit and --no-prune')
      if (options['static-deltas-only']) await pruneDeltas(repo, commit as Checksum)
      else await deleteCommit(repo, commit)
    } else if (options['static-deltas-only']) {
      throw new UsageError(
        '--static-deltas-only requires --delete-commit; see https://github.com/ostreedev/ostree/issues/1479',
      )
    }
    const since = options['keep-younger-than']
    const retain = options['retain-branch-depth']
    const result = await withCounter(err, 'Deleting', options.json, (onProgress) =>
      pruneObjects(repo, {
        refsOnly: options['refs-only'],
        depth: options.depth,
        commitOnly: options['commit-only'],
        keepYoungerThan: since === undefined ? undefined : parseDate(since, Date.now()),
        retainBranchDepth: retain.length === 0 ? undefined : new Map(retain.map(parseRetain)),
        onlyBranches: options['only-branch'],
        dryRun: options['no-prune'],
        signal,
        onProgress,
      }),
    )
    if (options['no-prune']) {
      // As in ostree, `--no-prune` still deletes leftover deltas and cached summaries.
      await pruneDeltas(repo)
      await pruneSummaryCache(repo)
    }
    if (options.json) out.json(asJson(result, context))
    else out.write(format(result, context))
  },
})

function asJson({ total, unreachable, bytes, kept }: PruneResult, { options }: Context) {
  const counts = { total, unreachable: unreachable.length, bytes }
  return options['no-prune'] ? { ...counts, objects: Array.from(unreachable, formatObjectName), kept } : counts
}

function format({ total, unreachable, bytes }: PruneResult, { options }: Context): string {
  const head = `${options['commit-only'] ? 'Total (commit only) objects' : 'Total objects'}: ${total}\n`
  if (unreachable.length === 0) return `${head}No unreachable objects\n`
  const size = formatSize(bytes)
  if (options['no-prune']) return `${head}Would delete: ${unreachable.length} objects, freeing ${size}\n`
  return `${head}Deleted ${unreachable.length} objects, ${size} freed\n`
}

/** Parses `BRANCH=DEPTH`. @throws {UsageError} when there is no `=` or no number */
function parseRetain(text: string): [branch: string, depth: number] {
  const at = text.indexOf('=')
  if (at < 0) throw new UsageError(`Invalid value ${text}, must specify BRANCH=DEPTH`)
  const number = /^\s*([+-]?\d+)/.exec(text.slice(at + 1))?.[1]
  if (number === undefined) throw new UsageError(`Invalid depth ${text.slice(at + 1)}`)
  return [text.slice(0, at), toInt(BigInt(number.replace(/^\+/, '')))]
}

/** Converts a number as C does: `strtoll` clamps it to 64 bits, and the assignment to `int` keeps the low 32 bits. */
function toInt(value: bigint): number {
  const max = 2n ** 63n - 1n
  const long = value > max ? max : value < -max - 1n ? -max - 1n : value
  return Number(BigInt.asIntN(32, long))
}
