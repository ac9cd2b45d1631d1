/** `ostree ls`. Source: ot-builtin-ls.c. */

import { withContext } from '../../errors.ts'
import { commitRoot, type ListedEntry } from '../../repo/index.ts'
import { formatLsLine, listPath } from '../../repo/internal.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import { xattrsAsJson } from '../text/json.ts'
import { JSON_OPTION } from '../values.ts'

export const ls = command({
  name: 'ls',
  summary: 'List file paths',
  usage: 'COMMIT [PATH...]',
  repo: true,
  rawArgs: true,
  long: true,
  options: {
    dironly: { type: 'flag', short: 'd', help: 'Do not recurse into directory arguments' },
    recursive: { type: 'flag', short: 'R', help: 'Print directories recursively' },
    checksum: { type: 'flag', short: 'C', help: 'Print checksum' },
    xattrs: { type: 'flag', short: 'X', help: 'Print extended attributes' },
    'nul-filenames-only': { type: 'flag', help: 'Print only filenames, NUL separated' },
    ...JSON_OPTION,
  },
  async run({ options, args: [rev, ...paths], out, repo: openRepo, usageError }) {
    const repo = await openRepo()
    if (rev === undefined) throw usageError('An COMMIT argument is required')
    const root = await commitRoot(repo.objects, await repo.resolve(await imageRevision(repo, rev)))
    const depth = options.recursive ? Number.POSITIVE_INFINITY : options.dironly ? 0 : 1
    const line = { checksums: options.checksum, xattrs: options.xattrs }
    const list = async (path: string): Promise<void> => {
      for await (const listed of listPath(repo.objects, root, path, { depth })) {
        if (options.json) out.json(asJson(listed))
        else if (options['nul-filenames-only']) out.write(`${listed.entry.path}\0`)
        else out.line(formatLsLine(listed, line))
      }
    }
    if (paths.length === 0) return list('/')
    for (const path of paths) {
      try {
        await list(path)
      } catch (error) {
        throw withContext(`Inspecting path '${path}'`, error)
      }
    }
  },
})

function asJson({ entry, header, size }: ListedEntry) {
  const { uid, gid, mode, target, xattrs } = header
  const checksums = entry.kind === 'directory' ? { tree: entry.tree, meta: entry.meta } : { checksum: entry.checksum }
  const link = target === '' ? {} : { target }
  return {
    path: entry.path,
    kind: entry.kind,
    mode,
    uid,
    gid,
    size,
    ...link,
    ...checksums,
    xattrs: xattrsAsJson(xattrs),
  }
}
