/** `ostree pull`. Source: ot-builtin-pull.c; ostree-repo-pull.c for the line that it ends with. */

import { resolve } from 'node:path'
import { hasEscapedBytes } from '../../bytes.ts'
import { UsageError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import type { Progress } from '../../progress.ts'
import { parseRefspec, pull as pullFrom, type Repo } from '../../repo/index.ts'
import { createSummaryCache } from '../../repo/local.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { nodeNetwork } from '../../system/network.ts'
import { command } from '../command.ts'
import { openRepo } from '../local-repo.ts'
import { Console } from '../text/console.ts'
import { formatPullResult } from '../text/pull-result.ts'
import { JSON_OPTION } from '../values.ts'
import { hostVerification } from '../verification.ts'

export const pull = command({
  name: 'pull',
  summary: 'Download data from remote repository',
  usage: 'REMOTE [BRANCH...]',
  repo: true,
  creates: true,
  rawArgs: true,
  long: true,
  options: {
    'commit-metadata-only': { type: 'flag', help: 'Fetch only the commit metadata' },
    'cache-dir': { type: 'string', help: 'Use custom cache dir' },
    'disable-fsync': { type: 'flag', help: 'Do not invoke fsync()' },
    'per-object-fsync': {
      type: 'flag',
      help: 'Perform writes in such a way that avoids stalling concurrent processes',
    },
    'disable-static-deltas': { type: 'flag', help: 'Do not use static deltas' },
    'require-static-deltas': { type: 'flag', help: 'Require static deltas' },
    'disable-retry-on-network-errors': {
      type: 'flag',
      help: 'Do not retry when network issues happen, instead fail automatically. (Currently only affects libcurl)',
    },
    mirror: { type: 'flag', help: 'Write refs suitable for a mirror and fetches all refs if none provided' },
    subpath: { type: 'strings', help: 'Only pull the provided subpath(s)' },
    untrusted: { type: 'flag', help: 'Verify checksums of local sources (always enabled for HTTP pulls)' },
    'http-trusted': {
      type: 'flag',
      help: 'Do not verify checksums of HTTP sources (mostly useful when mirroring)',
    },
    'bareuseronly-files': {
      type: 'flag',
      help: 'Reject regular files with mode outside of 0775 (world writable, suid, etc.)',
    },
    'dry-run': {
      type: 'flag',
      help: 'Only print information on what will be downloaded (requires static deltas)',
    },
    depth: { type: 'integer', arg: 'DEPTH', help: 'Traverse DEPTH parents (-1=infinite) (default: 0)' },
    url: { type: 'string', arg: 'URL', help: 'Pull objects from this URL instead of the one from the remote config' },
    'http-header': { type: 'strings', arg: 'NAME=VALUE', help: 'Add NAME=VALUE as HTTP header to all requests' },
    'update-frequency': {
      type: 'integer',
      arg: 'FREQUENCY',
      help: 'Sets the update frequency, in milliseconds (0=1000ms) (default: 0)',
    },
    'network-retries': {
      type: 'integer',
      arg: 'N',
      help: 'Specifies how many times each download should be retried upon error (default: 5)',
    },
    'low-speed-limit-bytes': {
      type: 'integer',
      arg: 'N',
      help: "The average transfer speed per second of a transfer during the time set via 'low-speed-time-seconds' for libcurl to abort(default: 1000)",
    },
    'low-speed-time-seconds': {
      type: 'integer',
      arg: 'N',
      help: "The time in number seconds that the transfer speed should be below the 'low-speed-limit-bytes' setting for libcurl to abort (default: 30)",
    },
    'max-outstanding-fetcher-requests': {
      type: 'integer',
      arg: 'N',
      help: 'The max amount of concurrent connections allowed. (default: 8)',
    },
    'localcache-repo': {
      type: 'strings',
      short: 'L',
      arg: 'REPO',
      help: 'Add REPO as local cache source for objects during this pull',
    },
    'timestamp-check': { type: 'flag', short: 'T', help: 'Require fetched commits to have newer timestamps' },
    'timestamp-check-from-rev': {
      type: 'string',
      help: 'Require fetched commits to have newer timestamps than given rev',
    },
    'disable-verify-bindings': { type: 'flag', help: 'Do not verify commit bindings' },
    'append-user-agent': { type: 'string', hidden: true },
    ...JSON_OPTION,
  },
  async run({ options, args, out, env, signal, repo: openTarget, usageError }) {
    const repo = await openTarget()
    const [place, ...branches] = args
    if (place === undefined) throw usageError('REMOTE must be specified')
    if (args.some(hasEscapedBytes)) throw new UsageError('Invalid ref name: not valid UTF-8')
    if (options['dry-run'] && !options['require-static-deltas']) {
      throw new UsageError('--dry-run requires --require-static-deltas')
    }
    const { remote, refs } = source(place, branches)
    const caches: Repo[] = []
    const progress = options.json ? undefined : new Console(out)
    progress?.start()
    try {
      for (const path of options['localcache-repo']) caches.push(await openRepo(path))
      const from = options['timestamp-check-from-rev']
      const result = await pullFrom(repo, remote, {
        network: nodeNetwork({ environment: env, containerCertificates: false, pipelining: true }),
        files: nodeFiles,
        openRepo: (path) => openRepo(path),
        verification: hostVerification(),
        refs,
        mirror: options.mirror,
        deltas: options['require-static-deltas'] ? 'require' : options['disable-static-deltas'] ? 'never' : 'use',
        dryRun: options['dry-run'],
        depth: options.depth,
        commitOnly: options['commit-metadata-only'],
        subpaths: options.subpath,
        untrusted: options.untrusted,
        httpTrusted: options['http-trusted'],
        bareUserOnlyFiles: options['bareuseronly-files'],
        verifyBindings: !options['disable-verify-bindings'],
        localCaches: caches,
        timestampCheck: options['timestamp-check'],
        timestampCheckFrom: from === undefined ? undefined : await repo.resolve(from),
        url: options.url,
        headers: options['http-header'].map(parseHeader),
        userAgent: options['append-user-agent'],
        retries: notNegative(options['network-retries']),
        retryAll: !options['disable-retry-on-network-errors'],
        lowSpeed: {
          bytes: notNegative(options['low-speed-limit-bytes']),
          seconds: notNegative(options['low-speed-time-seconds']),
        },
        concurrency: notNegative(options['max-outstanding-fetcher-requests']) || undefined,
        summaryCache:
          options['cache-dir'] === undefined
            ? undefined
            : createSummaryCache(`${resolve(options['cache-dir'])}/summaries`),
        ...(options['disable-fsync'] && { fsync: false }),
        ...(options['per-object-fsync'] && { perObjectFsync: true }),
        signal,
        ...(progress?.isTerminal && { onProgress: reporter(progress) }),
      })
      if (progress === undefined) out.json(result)
      else progress.text(formatPullResult(result), true)
    } finally {
      progress?.end()
      for (const cache of caches) await cache.close()
    }
  },
})

/** Returns remote and refs of `REMOTE BRANCH…` or `REMOTE:BRANCH`; without branches, `refs` is `undefined`. */
function source(place: string, branches: readonly string[]): { remote: string; refs: readonly string[] | undefined } {
  if (!place.includes(':')) return { remote: place, refs: branches.length === 0 ? undefined : branches }
  const { remote, name } = parseRefspec(place)
  return { remote: remote ?? place, refs: [name] }
}

function parseHeader(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=')
  if (at < 0) throw new UsageError("Missing '=' in --http-header")
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Values below 0 count as not given. */
function notNegative(value: number | undefined): number | undefined {
  return value === undefined || value < 0 ? undefined : value
}

/** Returns a listener that shows the progress of a pull as ostree does. */
function reporter(progress: Console): (event: Progress) => void {
  const start = performance.now()
  return (event) => {
    if (event.kind === 'objects') progress.text(`Scanning metadata: ${event.written}`)
    if (event.kind !== 'pull') return
    const { metadata, content, requested, outstanding, scanning, received } = event
    const seconds = Math.floor((performance.now() - start) / 1000)
    const speed = received === 0 ? '-' : formatSize(seconds === 0 ? received : Math.floor(received / seconds))
    const fetched = metadata + content
    const { deltaParts, totalDeltaParts: total } = event
    if (deltaParts < total)
      progress.text(`Receiving delta parts: ${deltaParts}/${total} ${speed}/s ${formatSize(received)}`)
    else if (outstanding === 0) progress.text(`Scanning metadata: ${metadata}`)
    else if (scanning > 0) {
      progress.text(`Receiving metadata objects: ${metadata}/(estimating) ${speed}/s ${formatSize(received)}`)
    } else {
      const percent = Math.floor((fetched / Math.max(1, requested)) * 100)
      progress.text(`Receiving objects: ${percent}% (${fetched}/${requested}) ${speed}/s ${formatSize(received)}`)
    }
  }
}
