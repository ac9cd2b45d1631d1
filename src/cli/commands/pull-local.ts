/** `ostree pull-local`. Source: ot-builtin-pull-local.c. */

import { hasEscapedBytes } from '../../bytes.ts'
import { UsageError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import { type PullLocalResult, pullLocal as pullBetween } from '../../repo/index.ts'
import { pullLocalByDeltas } from '../../repo/internal.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { nodeNetwork } from '../../system/network.ts'
import { command } from '../command.ts'
import { openGivenRepo } from '../local-repo.ts'
import { Console } from '../text/console.ts'
import { formatPullResult } from '../text/pull-result.ts'
import { JSON_OPTION } from '../values.ts'
import { hostVerification } from '../verification.ts'

export const pullLocal = command({
  name: 'pull-local',
  summary: 'Copy data from SRC_REPO',
  usage: 'SRC_REPO [REFS...]',
  repo: true,
  rawArgs: true,
  creates: true,
  long: true,
  options: {
    'commit-metadata-only': { type: 'flag', help: 'Fetch only the commit metadata' },
    remote: { type: 'string', arg: 'REMOTE', help: 'Add REMOTE to refspec' },
    'disable-fsync': { type: 'flag', help: 'Do not invoke fsync()' },
    'per-object-fsync': {
      type: 'flag',
      help: 'Perform writes in such a way that avoids stalling concurrent processes',
    },
    untrusted: { type: 'flag', help: 'Verify checksums of local sources (always enabled for HTTP pulls)' },
    'bareuseronly-files': {
      type: 'flag',
      help: 'Reject regular files with mode outside of 0775 (world writable, suid, etc.)',
    },
    'require-static-deltas': { type: 'flag', help: 'Require static deltas' },
    'disable-static-deltas': { type: 'flag', help: 'Do not use static deltas' },
    'gpg-verify': { type: 'flag', help: 'GPG verify commits (must specify --remote)' },
    'gpg-verify-summary': { type: 'flag', help: 'GPG verify summary (must specify --remote)' },
    'disable-verify-bindings': { type: 'flag', help: 'Do not verify commit bindings' },
    depth: { type: 'integer', arg: 'DEPTH', help: 'Traverse DEPTH parents (-1=infinite) (default: 0)' },
    ...JSON_OPTION,
  },
  async run({ options, args: [source, ...refs], out, env, signal, repo: openTarget, usageError }) {
    const into = await openTarget()
    if (source === undefined) throw usageError('DESTINATION must be specified')
    if (refs.some(hasEscapedBytes)) throw new UsageError('Invalid ref name: not valid UTF-8')
    const from = await openGivenRepo(source)
    const progress = options.json ? undefined : new Console(out)
    progress?.start()
    try {
      if (options['require-static-deltas'] && options['disable-static-deltas']) {
        throw usageError('Cannot specify both --require-static-deltas and --disable-static-deltas')
      }
      const asked = {
        refs: refs.length === 0 ? undefined : refs,
        remote: options.remote,
        depth: options.depth,
        commitOnly: options['commit-metadata-only'],
        untrusted: options.untrusted,
        trusted: !options.untrusted,
        bareUserOnlyFiles: options['bareuseronly-files'],
        verifyBindings: !options['disable-verify-bindings'],
        gpgVerify: options['gpg-verify'],
        gpgVerifySummary: options['gpg-verify-summary'],
        verification: hostVerification(),
        ...(options['disable-fsync'] && { fsync: false }),
        ...(options['per-object-fsync'] && { perObjectFsync: true }),
        signal,
        ...(progress?.isTerminal && { onProgress: (event: Progress) => report(progress, event) }),
      }
      if (options['require-static-deltas']) {
        const access = { network: nodeNetwork({ environment: env }), files: nodeFiles }
        const result = await pullLocalByDeltas(from, into, { ...asked, ...access })
        if (progress === undefined) out.json(result)
        else progress.text(formatPullResult(result), true)
        return
      }
      const result = await pullBetween(from, into, asked)
      if (progress === undefined) out.json(result)
      else progress.text(formatResult(result), true)
    } finally {
      progress?.end()
      await from.close()
    }
  },
})

/** Prints how many objects have been pulled. Called for a terminal only. */
function report(progress: Console, event: Progress): void {
  if (event.kind === 'objects') progress.text(`Scanning metadata: ${event.written}`)
}

function formatResult({ metadata, content, contentBytes, attachedBytes }: PullLocalResult): string {
  const transferred = attachedBytes === 0 ? '' : ` ${formatTransferred(attachedBytes)} transferred in 0 seconds;`
  return `${metadata} metadata, ${content} content objects imported;${transferred} ${formatSize(contentBytes)} content written`
}

function formatTransferred(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${Math.floor(bytes / 1024)} KiB`
}
