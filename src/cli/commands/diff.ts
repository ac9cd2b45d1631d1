/** `ostree diff`. Source: ot-builtin-diff.c. */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { IoError } from '../../errors.ts'
import {
  collectReachable,
  commitRoot,
  type DiffEntry,
  type Difference,
  diffCommit,
  diffDirectory,
  diff as diffTrees,
  type Repo,
} from '../../repo/index.ts'
import { createDirectorySource } from '../../repo/node/index.ts'
import { type CommandContext, command } from '../command.ts'
import type { OptionTable } from '../options.ts'
import { formatSize, JSON_OPTION } from '../values.ts'

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
  options: OPTIONS,
  async run(context) {
    const { options, args, out, signal } = context
    const repo = await context.repo()
    const [first, second] = args
    if (first === undefined) throw context.usageError('REV must be specified')
    const from = second === undefined ? `${first}^` : first
    const to = second ?? first
    if (options['fs-diff'] || !options.stats) {
      const a = await entryOf(repo, from, context)
      const b = await entryOf(repo, to, context)
      const found = await diffTrees(a, b, { signal })
      if (options.json) out.json(found)
      else out.write(format(found))
    }
    if (options.stats) await printStats(repo, from, to, context)
  },
})

/** What begins with a slash, or with `./`, is a directory of the disk. */
async function entryOf(repo: Repo, text: string, { options }: Context): Promise<DiffEntry> {
  if (!text.startsWith('/') && !text.startsWith('./')) {
    return diffCommit(repo.objects, await commitRoot(repo.objects, await repo.resolve(text)))
  }
  const source = createDirectorySource(text)
  if (!existsSync(text)) {
    const shown = resolve(text)
    const message = `Error when getting information for file “${shown}”: No such file or directory`
    throw new IoError(message, 'ENOENT', shown)
  }
  await source.stat()
  const owner = (id: number | undefined): number | undefined => (id === undefined || id < 0 ? undefined : id)
  return diffDirectory(repo.platform, source, {
    noXattrs: options['no-xattrs'] || repo.mode === 'bare-user-only' || repo.settings.disableXattrs,
    uid: owner(options['owner-uid']),
    gid: owner(options['owner-gid']),
  })
}

function format({ modified, removed, added }: Difference): string {
  const lines = (letter: string, paths: readonly string[]): string =>
    paths.map((path) => `${letter}    ${path}\n`).join('')
  return lines('M', modified) + lines('D', removed) + lines('A', added)
}

async function printStats(repo: Repo, from: string, to: string, { options, out, signal }: Context): Promise<void> {
  const a = await collectReachable(repo, await repo.resolve(from), { signal })
  const b = await collectReachable(repo, await repo.resolve(to), { signal })
  let common = 0
  let bytes = 0
  for (const name of a) {
    if (!b.has(name)) continue
    common++
    bytes += await repo.objects.storageSize(name)
  }
  if (options.json) return out.json({ objects: [a.size, b.size], common, bytes })
  out.line(`[A] Object Count: ${a.size}`)
  out.line(`[B] Object Count: ${b.size}`)
  out.line(`Common Object Count: ${common}`)
  out.line(`Common Object Size: ${formatSize(bytes)}`)
}
