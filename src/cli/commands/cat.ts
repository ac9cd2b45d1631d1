/** `ostree cat`. Source: ot-builtin-cat.c. */

import { commitRoot, lookupFile } from '../../repo/index.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'

export const cat = command({
  name: 'cat',
  summary: 'Concatenate contents of files',
  usage: 'COMMIT PATH...',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [rev, ...paths], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (rev === undefined || paths.length === 0)
      throw usageError('A COMMIT and at least one PATH argument are required')
    const root = await commitRoot(repo.objects, await repo.resolve(await imageRevision(repo, rev)))
    for (const path of paths) {
      const { checksum } = await lookupFile(repo.objects, root, path)
      const { body } = await repo.objects.readFile(checksum)
      if (body instanceof Uint8Array) {
        out.write(body)
        continue
      }
      for await (const chunk of body) out.write(chunk)
    }
  },
})
