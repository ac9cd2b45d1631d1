/** Reads metadata, time, trees and SELinux policy from the options of `ostree commit`. Source: ot-builtin-commit.c. */

import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError, withContext } from '../../errors.ts'
import { parseVariantText, string, type Vardict, variantOf } from '../../gvariant/index.ts'
import {
  type CommitOptions,
  findSePolicyOfCommit,
  type Repo,
  type SePolicy,
  type TreeInput,
  uncompressedTar,
  withEtcLabels,
} from '../../repo/index.ts'
import { createDirectorySource, readLocalSePolicy } from '../../repo/local.ts'
import type { CommandContext } from '../command.ts'
import type { OptionTable, OptionValues } from '../options.ts'
import { parseDate } from '../text/date.ts'
import { fileError } from '../values.ts'
import type { COMMIT_OPTIONS } from './options.ts'
import { pathnameFilter } from './pathname-filter.ts'

type Options = OptionValues<typeof COMMIT_OPTIONS>

/** Returns the metadata to add: first the strings, then the typed values, each in the order given. */
export function givenMetadata(options: Options): Vardict {
  return [...strings(options['add-metadata-string']), ...options['add-metadata'].map(typedPair)]
}

/** Returns the detached metadata to write, or `undefined` when none is given. */
export function detachedMetadata(options: Options): Vardict | undefined {
  const given = options['add-detached-metadata-string']
  return given.length === 0 ? undefined : strings(given)
}

function strings(given: readonly string[]): Vardict {
  return given.map((text) => {
    const [key, value] = splitPair(text)
    return [key, variantOf(string, value)]
  })
}

/**
 * Parses `KEY=VALUE` with VALUE in GVariant text format.
 * @throws {UsageError} when there is no `=`
 * @throws {GVariantTextError} `Parsing TEXT: …` when VALUE is malformed
 */
export function typedPair(text: string): Vardict[number] {
  const [key, value] = splitPair(text)
  try {
    return [key, parseVariantText(value)]
  } catch (error) {
    throw withContext(`Parsing ${text}`, error)
  }
}

function splitPair(text: string): [key: string, value: string] {
  const at = text.indexOf('=')
  if (at < 0) throw new UsageError(`Missing '=' in KEY=VALUE metadata '${text}'`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Returns the commit's time: `--timestamp`, else `SOURCE_DATE_EPOCH`, else now.
 * @returns seconds since the epoch, as an unsigned 64-bit number
 * @throws {UsageError} when the option or the variable cannot be parsed
 */
export function timestampOf({ options, env }: Pick<CommandContext<typeof COMMIT_OPTIONS>, 'options' | 'env'>): bigint {
  const now = Date.now()
  // ostree stores a time before 1970 as the two's complement of its negative number.
  if (options.timestamp !== undefined) return BigInt.asUintN(64, parseDate(options.timestamp, now))
  return defaultTime(env, now)
}

/**
 * Returns the time of commits that are given none: `SOURCE_DATE_EPOCH`, else now.
 * @param now milliseconds since the epoch
 * @returns seconds since the epoch, as an unsigned 64-bit number
 * @throws {UsageError} when the variable cannot be parsed
 */
export function defaultTime(env: CommandContext<OptionTable>['env'], now = Date.now()): bigint {
  const epoch = env['SOURCE_DATE_EPOCH']
  return epoch === undefined ? BigInt(Math.floor(now / 1000)) : parseEpoch(epoch)
}

/** Parses seconds as C's `strtoll` does: leading blanks and a sign are accepted, trailing characters are ignored. */
function parseEpoch(text: string): bigint {
  const digits = /^\s*([+-]?\d+)/.exec(text)?.[1]
  if (digits === undefined) throw new UsageError('Failed to convert SOURCE_DATE_EPOCH')
  const seconds = BigInt(digits.replace('+', ''))
  if (BigInt.asIntN(64, seconds) !== seconds) {
    throw new UsageError('Parsing SOURCE_DATE_EPOCH: Numerical result out of range')
  }
  return BigInt.asUintN(64, seconds)
}

/**
 * Returns the trees to commit: those of `--tree=dir=PATH`, `tar=FILE` and `ref=REV`, or else the directory given as
 * argument, by default the current one.
 * @throws {UsageError} when a tree specification or the tar filter is malformed
 */
export function treesOf(
  { options, args: [path = '.'] }: Pick<CommandContext<typeof COMMIT_OPTIONS>, 'options' | 'args'>,
  repo: Repo,
): TreeInput[] {
  if (options.tree.length === 0) return [{ directory: createDirectorySource(path) }]
  return options.tree.map((text): TreeInput => {
    const at = text.indexOf('=')
    if (at < 0) throw new UsageError(`Missing type in tree specification '${text}'`)
    const kind = text.slice(0, at)
    const what = text.slice(at + 1)
    if (kind === 'dir') return { directory: createDirectorySource(what) }
    if (kind === 'ref') return { rev: what }
    if (kind !== 'tar') throw new UsageError(`Invalid tree type specification '${kind}'`)
    const filter = options['tar-pathname-filter']
    const rename = filter === undefined ? undefined : pathnameFilter(filter)
    const autocreateParents = options['tar-autocreate-parents']
    // As in ostree, a pipe is not read beyond the end of an archive. Behind compressed data comes its checksum.
    let compressed = true
    const tar = uncompressedTar(repo.platform, readArchive(what), {
      onKind: (kind) => (compressed = kind !== undefined),
    })
    return { tar, options: { rename, autocreateParents, stopAtEnd: () => !compressed } }
  })
}

/**
 * Returns the source of SELinux labels. `--selinux-policy` names a directory, whose policy is read at once.
 * `--selinux-policy-from-base` uses the policy in `--base` or in the first tree, which is read when the result is
 * called.
 * @returns `undefined` when no labels are to be set
 */
export async function sePolicyOf(
  { options, args: [path = '.'] }: Pick<CommandContext<typeof COMMIT_OPTIONS>, 'options' | 'args'>,
  repo: Repo,
): Promise<CommitOptions['sePolicy']> {
  const root = options['selinux-policy']
  const isLater = options['selinux-labeling-epoch'] === 1
  const inEpoch = (policy: SePolicy | undefined) => (isLater && policy !== undefined ? withEtcLabels(policy) : policy)
  if (root !== undefined) {
    const policy = inEpoch(await readLocalSePolicy(root))
    return () => policy
  }
  if (!options['selinux-policy-from-base']) return isLater ? () => undefined : undefined
  const [first = `dir=${path}`] = options.base === undefined ? options.tree : [`ref=${options.base}`]
  const what = first.slice(first.indexOf('=') + 1)
  if (first.startsWith('tar=')) {
    return () => {
      throw new UsageError('Cannot use --selinux-policy-from-base with tar')
    }
  }
  if (first.startsWith('dir=')) return async () => inEpoch(await readLocalSePolicy(what))
  return async () => {
    try {
      return inEpoch(await findSePolicyOfCommit(repo.objects, await repo.resolve(what)))
    } catch (error) {
      throw withContext('setting sepolicy from commit', error)
    }
  }
}

/** Bytes read at a time. */
const CHUNK = 1 << 18

/** Reads a file, or standard input for `-` and, as libarchive does, for the empty path. @throws {IoError} with libarchive's message */
async function* readArchive(path: string): AsyncGenerator<Uint8Array, void> {
  const isInput = path === '-' || path === ''
  const stream = createReadStream(path, isInput ? { fd: 0, highWaterMark: CHUNK } : { highWaterMark: CHUNK })
  try {
    yield* stream
  } catch (error) {
    const shown = resolve(path)
    throw fileError(error, shown, (_, errno) => {
      if (path === '-') return 'archive_read_open_fd: Error reading fd 0'
      if (path === '') return "archive_read_open_filename: Error reading ''"
      return `archive_read_open_filename: ${errno === 'EISDIR' ? 'Error reading' : 'Failed to open'} '${shown}'`
    })
  } finally {
    stream.destroy()
  }
}
