/** `ostree diff`. Source: ot-builtin-diff.c. */

import { formatSize } from '../../format-size.ts'
import { commitRoot, type DiffDirectory, diffDirectories, diffStats, type Repo, treeToDiff } from '../../repo/index.ts'
import { formatDifference } from '../../repo/internal.ts'
import { createDiskTree } from '../../repo/local.ts'
import { type CommandContext, command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import type { OptionTable } from '../options.ts'
import { JSON_OPTION } from '../values.ts'

const OPTIONS = {
  stats: { type: 'flag', help: 'Print various statistics' },
  'fs-diff': { type: 'flag', help: 'Print filesystem diff' },
  'no-xattrs': { type: 'flag', help: 'Skip output of extended attributes' },
  'owner-uid': { type: 'integer', arg: 'UID', help: 'Use file ownership user id for local files' },
  'owner-gid': { type: 'integer', arg: 'GID', help: 'Use file ownership group id for local files' },
  ...JSON_OPTION,
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const diff = command({
  name: 'diff',
  summary: 'Compare directory TARGETDIR against revision REV',
  usage: 'REV_OR_DIR REV_OR_DIR',
  repo: true,
  rawArgs: true,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { options, args, out } = context
    const repo = await context.repo()
    const [first, second] = args
    if (first === undefined) throw context.usageError('REV must be specified')
    const from = second === undefined ? `${first}^` : first
    const to = second ?? first
    if (options['fs-diff'] || !options.stats) {
      const a = await entryOf(repo, from)
      const b = await entryOf(repo, to, context.options)
      const found = await diffDirectories(a, b, { noXattrs: options['no-xattrs'] })
      if (options.json) out.json(found)
      else out.write(formatDifference(found))
    }
    if (options.stats) await printStats(repo, from, to, context)
  },
})

/**
 * Opens one side of the comparison. An argument that begins with `/` or `./` is a directory on disk, any other a
 * revision.
 * @param owners options with the owner to assume for files on disk; ostree applies them to the second side only
 */
async function entryOf(repo: Repo, text: string, owners?: Context['options']): Promise<DiffDirectory> {
  if (!text.startsWith('/') && !text.startsWith('./')) {
    return treeToDiff(repo, await commitRoot(repo.objects, await repo.resolve(await imageRevision(repo, text))))
  }
  const owner = (id: number | undefined): number | undefined => (id === undefined || id < 0 ? undefined : id)
  const { platform } = repo
  return createDiskTree(text, {
    platform,
    ownerUid: owner(owners?.['owner-uid']),
    ownerGid: owner(owners?.['owner-gid']),
  })
}

async function printStats(repo: Repo, from: string, to: string, { options, out }: Context): Promise<void> {
  const a = await repo.resolve(await imageRevision(repo, from))
  const b = await repo.resolve(await imageRevision(repo, to))
  if (options.json) return out.json(await diffStats(repo, a, b))
  const { commonSize } = await diffStats(repo, a, b, (counts) => {
    out.line(`[A] Object Count: ${counts.from}`)
    out.line(`[B] Object Count: ${counts.to}`)
    out.line(`Common Object Count: ${counts.common}`)
  })
  out.line(`Common Object Size: ${formatSize(commonSize)}`)
}
