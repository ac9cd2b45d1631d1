import { exportCommit } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { imageRevision } from '../../image-revision.ts'
import { withCounter } from '../../text/object-counter.ts'

export const tarExport = command({
  name: 'tar export',
  summary: 'Export a commit and its objects as a tar stream',
  usage: 'REV',
  repo: true,
  long: true,
  options: {
    'format-version': { type: 'integer', arg: 'NUM', hidden: true },
  },
  async run({ repo, args, out, err, signal }) {
    const [rev, ...more] = args
    if (rev === undefined || more.length > 0) throw new UsageError('REV must be specified')
    const opened = await repo()
    const commit = await imageRevision(opened, rev)
    await withCounter(err, 'Exporting', out.isTerminal, async (onProgress) => {
      for await (const chunk of exportCommit(opened, commit, { signal, onProgress })) out.write(chunk)
    })
  },
})
