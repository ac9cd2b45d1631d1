/** `ostree rev-parse`. Source: ot-builtin-rev-parse.c. */

import type { Checksum } from '../../bytes.ts'
import { NotFoundError, UsageError } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { JSON_OPTION } from '../values.ts'

export const revParse = command({
  name: 'rev-parse',
  summary: 'Output the target of a rev',
  usage: 'REV',
  repo: true,
  rawArgs: true,
  options: {
    single: {
      type: 'flag',
      short: 'S',
      help: 'If the repository has exactly one commit, then print it; any other case will result in an error',
    },
    ...JSON_OPTION,
  },
  async run({ options, args, out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    const commits: Checksum[] = []
    if (options.single) {
      if (args.length > 0) throw usageError('Cannot specify arguments with --single')
      commits.push(await onlyCommit(repo))
      if (!options.json) out.line(commits[0])
    } else {
      if (args.length === 0) throw usageError('REV must be specified')
      for (const rev of args) {
        const commit = await repo.resolve(await imageRevision(repo, rev))
        commits.push(commit)
        // Printed at once: the results before an invalid rev are printed before its error.
        if (!options.json) out.line(commit)
      }
    }
    if (options.json) out.json(options.single ? commits : commits.map((commit, i) => ({ rev: args[i], commit })))
  },
})

/** Returns the only commit of a repository. @throws {UsageError} when there are several; {NotFoundError} when none */
async function onlyCommit(repo: Repo): Promise<Checksum> {
  let found: Checksum | undefined
  // Commits of parent repositories count too.
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    for await (const { checksum } of at.objects.list('commit')) {
      if (found !== undefined && found !== checksum) throw new UsageError('Multiple commit objects found')
      found = checksum
    }
  }
  if (found === undefined) throw new NotFoundError('commit', 'No commit objects found')
  return found
}
