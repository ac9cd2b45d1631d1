/** `ostree remote delete`. Source: ot-remote-builtin-delete.c. */

import { deleteRemote as deleteFromRepo } from '../../../repo/index.ts'
import { command } from '../../command.ts'
import { REPO_OR_SYSROOT } from './options.ts'

export const deleteRemote = command({
  name: 'remote delete',
  summary: 'Delete a remote repository',
  usage: 'NAME',
  repo: false,
  rawArgs: true,
  options: {
    'if-exists': { type: 'flag', help: 'Do nothing if the provided remote does not exist' },
    ...REPO_OR_SYSROOT,
  },
  async run({ options, args: [name], repo, usageError }) {
    const opened = await repo()
    if (name === undefined) throw usageError('NAME must be specified')
    await deleteFromRepo(opened, name, { mayBeMissing: options['if-exists'] })
  },
})
