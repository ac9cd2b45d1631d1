/** `ostree init`. Source: ot-builtin-init.c. */

import { parseRepoMode } from '../../repo/index.ts'
import { command } from '../command.ts'
import { createRepo } from '../local-repo.ts'

export const init = command({
  name: 'init',
  summary: 'Initialize a new empty repository',
  usage: '',
  repo: true,
  rawArgs: true,
  options: {
    mode: { type: 'string', help: 'Initialize repository in given mode (bare, bare-user, bare-user-only, archive)' },
    'collection-id': {
      type: 'string',
      arg: 'COLLECTION-ID',
      help: 'Globally unique ID for this repository as an collection of refs for redistribution to other repositories',
    },
  },
  async run({ options, repoPath }) {
    const mode = parseRepoMode(options.mode ?? 'bare')
    const repo = await createRepo(repoPath(), { mode, collectionId: options['collection-id'] })
    await repo.close()
  },
})
