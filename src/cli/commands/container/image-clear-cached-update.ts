import { clearCachedUpdate, parseImageReference } from '../../../container/index.ts'
import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'

export const imageClearCachedUpdate = command({
  name: 'container image clear-cached-update',
  summary: 'Delete the cached metadata of an available update',
  usage: 'IMGREF',
  repo: true,
  options: {},
  async run({ repo, args }) {
    const [text, ...more] = args
    if (text === undefined || more.length > 0) throw new UsageError('One IMGREF must be specified')
    await clearCachedUpdate(await repo(), parseImageReference(text))
  },
})
