/** `ostree log`. Source: ot-builtin-log.c. */

import { logCommits } from '../../repo/index.ts'
import { formatLog } from '../../repo/internal.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { commitAsJson } from '../text/json.ts'
import { JSON_OPTION, refuseRaw } from '../values.ts'

export const log = command({
  name: 'log',
  summary: 'Show log starting at commit or ref',
  usage: 'REV',
  repo: true,
  rawArgs: true,
  options: { raw: { type: 'flag', help: 'Show raw variant data' }, ...JSON_OPTION },
  async run({ options, args: [given], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (given === undefined) throw usageError('A rev argument is required')
    const rev = await imageRevision(repo, given)
    if (options.json) refuseRaw(options)
    if (options.json) {
      // One object per line, so that a long history can be read while it is printed.
      for await (const { checksum, commit } of logCommits(repo, rev)) out.json(commitAsJson(repo, checksum, commit))
      return
    }
    for await (const text of formatLog(repo, rev, { raw: options.raw })) out.write(text)
  },
})
