/** `ostree log`. Source: ot-builtin-log.c. */

import type { Checksum } from '../../bytes.ts'
import { logCommits } from '../../repo/index.ts'
import { command } from '../command.ts'
import { commitAsJson } from '../text/json.ts'
import { JSON_OPTION, refuseRaw } from '../values.ts'

export const log = command({
  name: 'log',
  summary: 'Show log starting at commit or ref',
  usage: 'REV',
  repo: true,
  options: { raw: { type: 'flag', help: 'Show raw variant data' }, ...JSON_OPTION },
  async run({ options, args: [rev], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (rev === undefined) throw usageError('A rev argument is required')
    if (options.json) refuseRaw(options)
    const commit = await repo.resolve(rev)
    if (!options.json) {
      for await (const text of logCommits(repo, commit, { raw: options.raw })) out.write(text)
      return
    }
    // One object per line, so that a long history can be read while it is printed.
    const seen = new Set<Checksum>()
    let at: Checksum | undefined = commit
    while (at !== undefined && !seen.has(at)) {
      seen.add(at)
      if (at !== commit && !(await repo.objects.has({ checksum: at, type: 'commit' }))) return
      const value = await repo.readCommit(at)
      out.json(commitAsJson(repo, at, value))
      at = value.parent
    }
  },
})
