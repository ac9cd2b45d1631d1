/** `ostree remote show-url`. Source: ot-remote-builtin-show-url.c. */

import { remoteUrl } from '../../../repo/index.ts'
import { command } from '../../command.ts'

export const showUrl = command({
  name: 'remote show-url',
  summary: 'Show remote repository URL',
  usage: 'NAME',
  repo: true,
  options: {},
  async run({ args: [name], out, repo, usageError }) {
    const opened = await repo()
    if (name === undefined) throw usageError('NAME must be specified')
    out.line(await remoteUrl(opened, name))
  },
})
