/** `ostree static-delta generate`. Source: ot-builtin-static-delta.c, ostree-repo-static-delta-compilation.c. */

import { dirname, join } from 'node:path'
import type { Checksum } from '../../../bytes.ts'
import { IoError, UsageError } from '../../../errors.ts'
import { formatSize } from '../../../format-size.ts'
import {
  type ByteOrder,
  type DeltaStats,
  formatDeltaName,
  type GenerateDeltaOptions,
  generateDelta,
  type Repo,
  writeDelta,
} from '../../../repo/index.ts'
import { requireWritable } from '../../../repo/internal.ts'
import { errnoText } from '../../../system/errno.ts'
import { command } from '../../command.ts'
import { engineOf, keysFileSigners, signersOf } from '../../signing/keys.ts'
import { withCounter } from '../../text/object-counter.ts'
import type { Output } from '../../text/output.ts'
import { writeFile } from '../../values.ts'

const MEGABYTE = 1_000_000

export const generate = command({
  name: 'static-delta generate',
  summary: 'Generate static delta files',
  usage: '[TO]',
  repo: true,
  rawArgs: true,
  long: true,
  options: {
    from: { type: 'string', arg: 'REV', help: 'Create delta from revision REV' },
    empty: { type: 'flag', help: 'Create delta from scratch' },
    inline: { type: 'flag', help: 'Inline delta parts into main delta' },
    to: { type: 'string', arg: 'REV', help: 'Create delta to revision REV' },
    'disable-bsdiff': { type: 'flag', help: 'Disable use of bsdiff' },
    'if-not-exists': { type: 'flag', short: 'n', help: 'Only generate if a delta does not already exist' },
    'set-endianness': { type: 'string', arg: 'ENDIAN', help: "Choose metadata endianness ('l' or 'B')" },
    'swap-endianness': { type: 'flag', help: 'Swap metadata endianness from host order' },
    'min-fallback-size': {
      type: 'string',
      help: 'Minimum uncompressed size in megabytes for individual HTTP request',
    },
    'max-bsdiff-size': {
      type: 'string',
      help: 'Maximum size in megabytes to consider bsdiff compression for input files',
    },
    'max-chunk-size': { type: 'string', help: 'Maximum size of delta chunks in megabytes' },
    filename: {
      type: 'string',
      raw: true,
      arg: 'PATH',
      help: 'Write the delta content to PATH (a directory).  If not specified, the OSTree repository is used',
    },
    sign: { type: 'strings', arg: 'KEY_ID', help: 'Sign the delta with' },
    'sign-type': { type: 'string', arg: 'NAME', help: "Signature type to use (defaults to 'ed25519')" },
    'keys-file': { type: 'string', arg: 'NAME', help: 'Read key(s) from file' },
  },
  async run({ options, args: [positional], out, err, env, signal, repo: openRepo }) {
    const repo = await openRepo()
    await requireWritable(repo)
    const target = positional ?? options.to
    if (target === undefined) throw new UsageError('TO revision must be specified')
    if (options.empty && options.from !== undefined) throw new UsageError('Cannot specify both --empty and --from=REV')
    const from = options.empty ? undefined : await repo.resolve(options.from ?? `${target}^`)
    const to = await repo.resolve(target)
    const name = formatDeltaName({ from, to })
    if (options['if-not-exists'] && (await exists(repo, from, to))) return out.line(`Delta ${name} already exists.`)
    const byteOrder = byteOrderOf(options['set-endianness'], options['swap-endianness'])
    out.line('Generating static delta:')
    out.line(`  From: ${from ?? 'empty'}`)
    out.line(`  To:   ${to}`)
    out.flush()
    const request: GenerateDeltaOptions = {
      from,
      to,
      timestamp: BigInt(Math.floor(Date.now() / 1000)),
      inline: options.inline,
      byteOrder,
      maxPartSize: megabytes(options['max-chunk-size']),
      maxFileSize: megabytes(options['min-fallback-size']),
      maxBsdiffSize: options['disable-bsdiff'] ? 0 : megabytes(options['max-bsdiff-size']),
      signal,
      signers: [...signersOf(options, options.sign, env), ...keysFileSigners(() => engineOf(options, env), options)],
    }
    const { filename } = options
    const stats = await withCounter(err, 'Generating', false, (onProgress) => {
      const all = { ...request, onProgress }
      return filename === undefined ? writeDelta(repo, all) : writeFiles(repo, all, filename)
    })
    report(err, stats)
  },
})

async function exists(repo: Repo, from: Checksum | undefined, to: Checksum): Promise<boolean> {
  const deltas = (await repo.storage.deltas?.list()) ?? []
  return deltas.some((delta) => delta.from === from && delta.to === to)
}

/** Parses megabytes (10⁶ bytes) as `strtoull` does: the leading digits, or 0 when there are none. @returns bytes */
function megabytes(text: string | undefined): number | undefined {
  return text === undefined ? undefined : (Number.parseInt(text, 10) || 0) * MEGABYTE
}

function byteOrderOf(letter: string | undefined, swap: boolean): ByteOrder {
  if (letter !== undefined && letter !== 'l' && letter !== 'B') throw new UsageError(`Invalid endianness '${letter}'`)
  return (letter === 'B') === swap ? 'little' : 'big'
}

/** Writes the superblock to `path`, and the parts beside it. @throws {IoError} when a file cannot be written */
async function writeFiles(repo: Repo, request: GenerateDeltaOptions, path: string): Promise<DeltaStats> {
  if (path === '') throw new UsageError("Invalid 'filename' parameter", '--filename')
  const generated = generateDelta(repo, request)
  for (;;) {
    const next = await generated.next()
    if (next.done) return next.value
    const { name, bytes } = next.value
    try {
      writeFile(name === 'superblock' ? path : join(dirname(path), name), bytes)
    } catch (error) {
      const { errno } = error instanceof IoError ? error.data : {}
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw error
      throw new IoError(`opendir(${dirname(path)}): ${errnoText(errno)}`, errno, path, { cause: error })
    }
  }
}

/** Prints statistics in ostree's format. */
function report(err: Output, stats: DeltaStats): void {
  const { metadata, regular, symlinks, modified, rollsums, bsdiffs, fallbacks, parts, loose } = stats
  err.line(`modified: ${modified}`)
  err.line(`new reachable: metadata=${metadata} content regular=${regular} symlink=${symlinks}`)
  let matched = 0
  for (const { from, to, keys, matches, total, size } of rollsums) {
    err.line(`rollsum for ${from} -> ${to}; crcs=${keys} bufs=${matches} total=${total} matchsize=${size}`)
    matched += size
  }
  err.line(`rollsum for ${rollsums.length}/${modified} modified`)
  const step = Math.max(1, Math.floor(bsdiffs / 10))
  for (let done = 0; done < bsdiffs; done += step) err.line(`processing bsdiff: [${done}/${bsdiffs}]`)
  for (const { checksum, size } of fallbacks) err.line(`fallback for ${checksum} (${formatSize(size)})`)
  let [compressed, uncompressed] = [0, 0]
  for (const [index, { objects, size, unpacked }] of parts.entries()) {
    err.line(`part ${index + 1} n:${objects} compressed:${size} uncompressed:${unpacked}`)
    compressed += size
    uncompressed += unpacked
  }
  err.line(`uncompressed=${uncompressed} compressed=${compressed} loose=${loose}`)
  err.line(`rollsum=${rollsums.length} objects, ${matched} bytes`)
  err.line(`bsdiff=${bsdiffs} objects`)
}
