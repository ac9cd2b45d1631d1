import { UsageError } from '../../../errors.ts'
import { command } from '../../command.ts'
import { emptyTransient, isOstreeContainer } from '../../container/container-environment.ts'

export const commit = command({
  name: 'container commit',
  summary: 'Clean up the container at the end of a build step',
  usage: '',
  repo: false,
  long: true,
  options: {},
  run({ env }) {
    if (!isOstreeContainer('/', env)) throw new UsageError('Not in an ostree-based container environment')
    emptyTransient('/')
  },
})
