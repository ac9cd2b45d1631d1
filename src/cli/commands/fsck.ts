/** `ostree fsck`. Source: ot-builtin-fsck.c. */

import type { Checksum } from '../../bytes.ts'
import { FormatError, ObjectNotFoundError, withContext } from '../../errors.ts'
import { formatObjectName, type ObjectName } from '../../objects/index.ts'
import {
  countCommits,
  inspectObject,
  type RefPath,
  type Repo,
  readRef,
  refspecOf,
  traverseCommit,
} from '../../repo/index.ts'
import { type CommandContext, command } from '../command.ts'
import type { OptionTable } from '../options.ts'
import { JSON_OPTION, refuseOptions } from '../values.ts'

const OPTIONS = {
  'add-tombstones': { type: 'flag', help: 'Add tombstones for missing commits' },
  quiet: { type: 'flag', short: 'q', help: 'Only print error messages' },
  all: { type: 'flag', short: 'a', help: "Don't stop on first error" },
  delete: { type: 'flag', help: 'Remove corrupted objects' },
  'verify-bindings': { type: 'flag', help: 'Verify ref bindings' },
  'verify-back-refs': { type: 'flag', help: 'Verify back-references (implies --verify-bindings)' },
  ...JSON_OPTION,
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const fsck = command({
  name: 'fsck',
  summary: 'Check the repository for consistency',
  usage: '',
  repo: true,
  options: OPTIONS,
  async run(context) {
    const { options, out } = context
    refuseOptions(options, ['add-tombstones', 'verify-bindings', 'verify-back-refs'])
    const repo = await context.repo()
    const say = (text: string): void => {
      if (!options.quiet && !options.json) out.line(text)
    }
    say('Validating refs...')
    for (const prefix of ['heads', 'remotes']) await verifyRefs(repo, prefix, context)
    say('Validating refs in collections...')
    await verifyRefs(repo, 'mirrors', context)
    say('Enumerating commits...')
    const census = await countCommits(repo)
    say(`Verifying content integrity of ${census.complete.length} commit objects...`)
    const { objects, damaged } = await verifyCommits(repo, census.complete, context)
    const { partial } = census
    if (options.json) out.json({ commits: census.complete.length, objects, damaged, partial })
    else if (partial > 0) out.line(`${partial} partial commits not verified`)
    if (damaged > 0) throw new FormatError('repository', 'Repository corruption encountered')
    if (census.fsckPartial > 0) {
      const message = `${census.fsckPartial} partial commits from fsck-detected corruption`
      throw new FormatError('repository', message)
    }
    if (options.json) return
    out.line(`object fsck of ${census.complete.length} commits completed successfully - no errors found.`)
  },
})

async function verifyRefs(repo: Repo, prefix: RefPath, context: Context): Promise<void> {
  for (const path of await repo.refs.list(prefix)) {
    const checksum = await readRef(repo.refs, path)
    if (checksum === undefined) continue
    const name: ObjectName = { type: 'commit', checksum }
    const [, collection, ref] = /^mirrors\/([^/]+)\/(.+)$/.exec(path) ?? []
    const shown = collection === undefined ? refspecOf(path) : `(${collection}, ${ref})`
    if (!(await isDamaged(repo, name, [], context)) || (await repo.objects.has(name))) continue
    throw withContext(`Loading commit for ref ${shown}`, new ObjectNotFoundError(formatObjectName(name)))
  }
}

async function verifyCommits(
  repo: Repo,
  commits: readonly Checksum[],
  context: Context,
): Promise<{ objects: number; damaged: number }> {
  const parents = new Map<string, { name: ObjectName; commits: Checksum[] }>()
  for (const commit of commits) {
    for await (const name of traverseCommit(repo, commit, { signal: context.signal })) {
      const key = formatObjectName(name)
      const known = parents.get(key)
      if (known === undefined) parents.set(key, { name, commits: [commit] })
      else known.commits.push(commit)
    }
  }
  const total = parents.size
  let done = 0
  let damaged = 0
  for (const { name, commits } of parents.values()) {
    context.signal.throwIfAborted()
    if (await isDamaged(repo, name, commits.sort(), context)) damaged++
    done++
    if (context.options.json || (done !== 1 && done !== total)) continue
    context.out.line(`fsck objects (${done}/${total}) ${Math.floor((100 * done) / total)}%`)
  }
  return { objects: total, damaged }
}

/** Says so where it goes on, and throws where it does not. */
async function isDamaged(
  repo: Repo,
  name: ObjectName,
  commits: readonly Checksum[],
  { options, err }: Context,
): Promise<boolean> {
  const finding = await inspectObject(repo, name)
  if (finding.kind === 'sound') return false
  const shown = formatObjectName(name)
  if (finding.kind === 'corrupt') {
    const error = commits.length === 0 ? finding.error : withContext(`In commits ${commits.join(', ')}`, finding.error)
    if (!options.all && !options.delete) throw error
    err.line(error instanceof Error ? error.message : String(error))
    if (!options.delete) return true
    await repo.storage.objects.delete(name)
  } else err.line(`Object missing${commits.length === 0 ? '' : ` in commits ${commits.join(', ')}`}: ${shown}`)
  for (const commit of commits) {
    if (name.type === 'commit' || (await repo.commitState(commit)) !== 'complete') continue
    err.line(`Marking commit as partial: ${commit}`)
    await repo.objects.setCommitState(commit, 'fsck-partial')
  }
  return true
}
