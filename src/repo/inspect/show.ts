/**
 * Formats objects and histories as `ostree show` and `ostree log` do.
 *
 * Source: ot-dump.c, ot-builtin-show.c, ot-builtin-log.c.
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, ObjectNotFoundError } from '../../errors.ts'
import { byteswap, isNormal, lookup, printVariant, string, type Variant } from '../../gvariant/index.ts'
import {
  Commit,
  contentChecksum,
  DirMeta,
  DirTree,
  type FileInfo,
  isChecksum,
  isSymlink,
  type MetaType,
  S_IFMT,
  S_IFREG,
} from '../../objects/index.ts'
import type { Platform } from '../../platform/index.ts'
import { dateOf } from '../core/calendar.ts'
import type { ObjectReader } from '../core/interface.ts'
import type { Repo } from '../repo.ts'
import { commitHistory } from './by-rev.ts'
import { formatXattrs } from './list-path.ts'

const TYPES: Readonly<Record<MetaType, string>> = { commit: Commit.type, dirtree: DirTree.type, dirmeta: DirMeta.type }

/** An object to show: the bytes of a metadata object, or the header and size of a file. */
export type ShownObject =
  | { readonly type: MetaType; readonly checksum: Checksum; readonly bytes: Uint8Array }
  | { readonly type: 'file'; readonly checksum: Checksum; readonly info: FileInfo }

/**
 * Finds an object. A full checksum is tried as a commit, dirmeta, dirtree and file, in this order; any other text is a
 * revision.
 * @throws {ObjectNotFoundError} `Couldn't find file object …` when no object has that checksum
 * @throws {RefNotFoundError}, {InvalidNameError} or {ConflictError} when the revision cannot be resolved
 */
export async function findObject(repo: Repo, text: string): Promise<ShownObject> {
  if (!isChecksum(text)) {
    const checksum = await repo.resolve(text)
    return { type: 'commit', checksum, bytes: await repo.objects.readMeta('commit', checksum) }
  }
  for (const type of ['commit', 'dirmeta', 'dirtree'] as const) {
    const bytes = await readMetaIfThere(repo.objects, type, text)
    if (bytes !== undefined) return { type, checksum: text, bytes }
  }
  return { type: 'file', checksum: text, info: await repo.objects.statFile(text) }
}

async function readMetaIfThere(reader: ObjectReader, type: MetaType, checksum: Checksum) {
  try {
    return await reader.readMeta(type, checksum)
  } catch (error) {
    if (error instanceof ObjectNotFoundError) return undefined
    throw error
  }
}

/** How to print metadata objects. */
export interface ShowOptions {
  /** Print the GVariant value instead of the readable form. */
  readonly raw?: boolean | undefined
  /** Print the GVariant value with integers as stored, big-endian. A commit is then printed in readable form too. */
  readonly unswapped?: boolean | undefined
}

/** Formats the first line of a metadata object, with a newline: `commit 4a8d…`, `dirtree …` or `dirmeta …`. */
export function formatHeading(type: MetaType, checksum: Checksum): string {
  return `${type} ${checksum}\n`
}

/**
 * Formats a metadata object as annotated GVariant text, with a newline.
 * @param unswapped print integers as stored, big-endian, instead of byteswapped
 */
export function formatRaw(type: MetaType, bytes: Uint8Array, unswapped = false): string {
  return formatMetadataValue({ type: TYPES[type], bytes }, unswapped)
}

/**
 * Formats a value of commit metadata as `--print-metadata-key` does, with a newline.
 * @param unswapped print integers as stored, instead of byteswapped
 */
export function formatMetadataValue({ type, bytes }: Variant, unswapped = false): string {
  return `${printVariant({ type, bytes: unswapped ? bytes : byteswap(type, bytes) }, true)}\n`
}

/**
 * Yields the output of `ostree show` for an object, without signatures, in pieces: ostree prints the first ones before
 * it fails.
 * @throws {FormatError} when the timestamp of a commit is outside the years 1 to 9999, or its bytes are damaged so that it
 *   names no tree
 */
export function* formatObject(
  platform: Platform,
  object: ShownObject,
  { raw, unswapped }: ShowOptions = {},
): Generator<string, void> {
  if (object.type === 'file') return yield formatFile(object.checksum, object.info)
  const { type, checksum, bytes } = object
  yield formatHeading(type, checksum)
  if (unswapped) yield formatRaw(type, bytes, true)
  else if (raw) yield formatRaw(type, bytes)
  if (type === 'commit' && (unswapped || !raw)) {
    const commit = Commit.decode(bytes)
    const text = formatCommit(platform, commit)
    // Most fields of such a commit are GVariant's defaults, not what it once said. ostree 2026.4 crashes.
    if (!isSound(commit) && !isNormal(Commit.type, bytes)) {
      throw new FormatError('commit', 'Failed to read commit: Not a GVariant in normal form')
    }
    yield text
  }
}

/** Tells whether a commit names a tree. */
function isSound({ rootTree, rootMeta }: Commit): boolean {
  return isChecksum(rootTree) && isChecksum(rootMeta)
}

/**
 * Formats a commit in readable form, without its first line: headers, subject, body, and an empty line.
 * @throws {FormatError} `Failed to read commit: Invalid timestamp: …` when the timestamp is outside the years 1 to 9999
 */
export function formatCommit(platform: Platform, commit: Commit): string {
  const { parent, subject, body, metadata } = commit
  const version = lookup(metadata, 'version', string)
  let text = parent === undefined ? '' : `Parent:  ${parent}\n`
  text += `ContentChecksum:  ${isSound(commit) ? contentChecksum(platform, commit) : '<invalid commit>'}\n`
  text += `Date:  ${formatTimestamp(commit.timestamp)}\n`
  if (version !== undefined) text += `Version: ${version}\n`
  text += subject === '' ? '(no subject)\n' : `\n${indent(subject)}`
  if (body !== '') text += `\n${indent(body)}`
  return `${text}\n`
}

/** Indents each line, empty ones too, by four spaces. A newline at the end of the text does not begin a new line. */
function indent(text: string): string {
  const lines = text.endsWith('\n') ? text.slice(0, -1) : text
  return lines
    .split('\n')
    .map((line) => `    ${line}\n`)
    .join('')
}

/** Formats a time in UTC: `2024-01-02 03:04:05 +0000`. @param timestamp seconds since the epoch */
function formatTimestamp(timestamp: bigint): string {
  const date = dateOf(timestamp)
  if (date === undefined) throw new FormatError('commit', `Failed to read commit: Invalid timestamp: ${timestamp}`)
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000`
}

function formatFile(checksum: Checksum, { header, size }: FileInfo): string {
  const link = isSymlink(header)
  const kind = link ? 'symlink' : (header.mode & S_IFMT) === S_IFREG ? 'regular' : 'unknown'
  return [
    `Object: ${checksum}`,
    'Type: file',
    `File Type: ${kind}`,
    link ? `Target: ${header.target}` : `Size: ${size}`,
    `Mode: 0${header.mode.toString(8)}`,
    `Uid: ${header.uid}`,
    `Gid: ${header.gid}`,
    `Extended Attributes: { ${formatXattrs(header.xattrs)} }`,
    '',
  ].join('\n')
}

/** Printed by `ostree log` when the next parent is not in the repository. */
export const HISTORY_ENDS = '<< History beyond this commit not fetched >>\n'

/**
 * Yields the output of `ostree log`: a commit and its parents, newest first, each in the pieces of `formatObject`, and
 * `HISTORY_ENDS` when a parent is missing.
 * @throws {ObjectNotFoundError} when the first commit is missing
 * @throws {FormatError} when a commit has no valid date, or is its own ancestor
 */
export async function* formatLog(
  repo: Repo,
  rev: string,
  options: ShowOptions & { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<string, void> {
  let parent: Checksum | undefined
  for await (const { checksum, bytes } of commitHistory(repo, rev, options.signal)) {
    yield* formatObject(repo.platform, { type: 'commit', checksum, bytes }, options)
    parent = Commit.decode(bytes).parent
  }
  if (parent !== undefined) yield HISTORY_ENDS
}
