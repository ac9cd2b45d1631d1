/** `ostree fsck`. Source: ot-builtin-fsck.c. */

import type { Progress } from '../../progress.ts'
import { type FsckEvent, type FsckResult, fsck as fsckRepo } from '../../repo/index.ts'
import { formatFsckEvent, requireSound } from '../../repo/internal.ts'
import { command } from '../command.ts'
import type { OptionTable } from '../options.ts'
import { Console } from '../text/console.ts'
import { JSON_OPTION } from '../values.ts'

const OPTIONS = {
  'add-tombstones': { type: 'flag', help: 'Add tombstones for missing commits' },
  quiet: { type: 'flag', short: 'q', help: 'Only print error messages' },
  all: { type: 'flag', short: 'a', help: "Don't stop on first error" },
  delete: { type: 'flag', help: 'Remove corrupted objects' },
  'verify-bindings': { type: 'flag', help: 'Verify ref bindings' },
  'verify-back-refs': { type: 'flag', help: 'Verify back-references (implies --verify-bindings)' },
  ...JSON_OPTION,
} as const satisfies OptionTable

export const fsck = command({
  name: 'fsck',
  summary: 'Check the repository for consistency',
  usage: '',
  repo: true,
  rawArgs: true,
  long: true,
  options: OPTIONS,
  async run({ options, out, err, repo: openRepo }) {
    const repo = await openRepo()
    const progress = new Console(out)
    const print = (event: FsckEvent): void => {
      if (event.kind === 'missing' || event.kind === 'corrupt' || event.kind === 'marked-partial') {
        out.flush()
        err.line(formatFsckEvent(event))
      } else if (!options.json && !(options.quiet && event.kind === 'stage')) out.line(formatFsckEvent(event))
      if (!options.json && event.kind === 'stage' && event.stage === 'objects') progress.start()
    }
    const draw = (event: Progress): void => {
      if (event.kind !== 'step') return
      const { done, total } = event
      progress.percent(`fsck objects (${done}/${total})`, Math.floor((100 * done) / total))
    }
    let result: FsckResult
    try {
      result = await fsckRepo(repo, {
        all: options.all,
        delete: options.delete,
        verifyBindings: options['verify-bindings'],
        verifyBackRefs: options['verify-back-refs'],
        addTombstones: options['add-tombstones'],
        onEvent: print,
        onProgress: options.json ? undefined : draw,
      })
    } finally {
      progress.end()
    }
    if (options.json) out.json(result)
    else if (result.partial > 0 && !options['add-tombstones'])
      out.line(`${result.partial} partial commits not verified`)
    requireSound(result)
    if (options.json) return
    out.line(`object fsck of ${result.commits} commits completed successfully - no errors found.`)
  },
})
