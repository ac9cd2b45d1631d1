import { exportCommit } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { imageRevision } from '../../image-revision.ts'

export const tarExport = command({
  name: 'tar export',
  summary: 'Export a commit and its objects as a tar stream',
  usage: 'REV',
  repo: true,
  long: true,
  options: {
    'format-version': { type: 'integer', arg: 'NUM', hidden: true },
  },
  async run({ repo, args, out }) {
    const [rev, ...more] = args
    if (rev === undefined || more.length > 0) throw new UsageError('REV must be specified')
    const opened = await repo()
    for await (const chunk of exportCommit(opened, await imageRevision(opened, rev))) out.write(chunk)
  },
})
