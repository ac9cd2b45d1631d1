/** Formats a summary as `ostree summary --view`, `--raw` and its options for metadata do. Source: ot-dump.c. */

import { compareUtf8 } from '../../bytes.ts'
import { NotFoundError } from '../../errors.ts'
import { formatSize } from '../../format-size.ts'
import { byteswap, printVariant, string, u64be, type Vardict, type Variant, variantAs } from '../../gvariant/index.ts'
import { dateOf } from '../core/calendar.ts'
import { STATIC_DELTAS_KEY } from '../deltas/names-and-index.ts'
import { formatMetadataValue } from '../inspect/show.ts'
import {
  CollectionMap,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_COMMIT_TIMESTAMP_KEY,
  SUMMARY_COMMIT_VERSION_KEY,
  SUMMARY_EXPIRES_KEY,
  SUMMARY_LAST_MODIFIED_KEY,
  SUMMARY_MODE_KEY,
  SUMMARY_TOMBSTONE_COMMITS_KEY,
  Summary,
  type SummaryRef,
} from './format.ts'

/** Formats a value; `undefined` means to print it as GVariant text, for instance because it has an unexpected type. */
type Show = (value: Variant) => string | undefined

const asTime: Show = (value) => {
  const seconds = variantAs(u64be, value)
  return seconds === undefined ? undefined : formatTime(seconds)
}
const asText: Show = (value) => variantAs(string, value)
const asYesOrNo: Show = ({ type, bytes }) => (type === 'b' ? (bytes[0] === 1 ? 'Yes' : 'No') : undefined)
const asPlain: Show = () => undefined

/** Readable names of the metadata keys of a summary and of its refs. */
const NAMES: Readonly<Record<string, readonly [name: string, show: Show]>> = {
  [STATIC_DELTAS_KEY]: ['Static Deltas', asPlain],
  [SUMMARY_LAST_MODIFIED_KEY]: ['Last-Modified', asTime],
  [SUMMARY_EXPIRES_KEY]: ['Expires', asTime],
  [SUMMARY_COLLECTION_KEY]: ['Collection ID', asText],
  [SUMMARY_COLLECTION_MAP_KEY]: ['Collection Map', () => '(printed above)'],
  [SUMMARY_MODE_KEY]: ['Repository Mode', asText],
  [SUMMARY_TOMBSTONE_COMMITS_KEY]: ['Has Tombstone Commits', asYesOrNo],
  [SUMMARY_COMMIT_TIMESTAMP_KEY]: ['Timestamp', asTime],
  [SUMMARY_COMMIT_VERSION_KEY]: ['Version', asText],
}

/** Formats a summary as `ostree summary --view` does. */
export function formatSummary(bytes: Uint8Array): string {
  const { refs, metadata } = Summary.decode(bytes)
  const find = (key: string): Variant | undefined => metadata.find(([name]) => name === key)?.[1]
  const own = find(SUMMARY_COLLECTION_KEY)
  const others = find(SUMMARY_COLLECTION_MAP_KEY)
  const format = (list: readonly SummaryRef[], collection: string | undefined): string =>
    list.map((ref) => formatRef(ref, collection)).join('')

  let text = format(refs, own && variantAs(string, own))
  for (const [collection, list] of (others && variantAs(CollectionMap, others)) ?? []) text += format(list, collection)
  return text + metadata.map((entry) => formatEntry(entry)).join('')
}

function formatRef({ name, latest }: SummaryRef, collection: string | undefined): string {
  const { size, commit, metadata } = latest
  const shown = collection === undefined ? name : `(${collection}, ${name})`
  const entries = metadata.map((entry) => `    ${formatEntry(entry)}`).join('')
  return `* ${shown}\n    Latest Commit (${formatSize(Number(size))}):\n      ${commit}\n${entries}\n`
}

function formatEntry([key, value]: Vardict[number]): string {
  const [name, show] = Object.hasOwn(NAMES, key) ? (NAMES[key] ?? []) : []
  const text = show?.(value) ?? printVariant(value, false)
  return name === undefined ? `${key}: ${text}\n` : `${name} (${key}): ${text}\n`
}

/** Printed for a time outside the years 1 to 9999, in UTC or in local time. */
const INVALID_TIME = 'invalid'

/**
 * Formats a time as local time with the offset of its zone, without minutes if they are 0: `2024-01-02T03:04:05+00`,
 * `…+05:30`.
 * @param seconds since the epoch
 */
function formatTime(seconds: bigint): string {
  const utc = dateOf(seconds)
  if (utc === undefined) return INVALID_TIME
  const offset = -utc.getTimezoneOffset()
  const local = new Date(utc.getTime() + offset * 60_000).toISOString()
  if (/^[+-]|^0000/.test(local)) return INVALID_TIME
  const minutes = Math.abs(offset) % 60
  const two = (value: number): string => String(value).padStart(2, '0')
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${minutes === 0 ? '' : `:${two(minutes)}`}`
  return `${local.slice(0, local.indexOf('.'))}${zone}`
}

/** Formats the whole summary as annotated GVariant text, with big-endian integers converted, as `--raw` does. */
export function formatRawSummary(bytes: Uint8Array): string {
  return `${printVariant({ type: Summary.type, bytes: byteswap(Summary.type, bytes) }, true)}\n`
}

/** Returns the metadata keys of a summary, in byte order. */
export function summaryMetadataKeys(bytes: Uint8Array): string[] {
  return Summary.decode(bytes)
    .metadata.map(([key]) => key)
    .sort(compareUtf8)
}

/**
 * Formats the value of a metadata key, with a newline.
 * @throws {NotFoundError} `No such metadata key '…'` when not found
 */
export function formatSummaryValue(bytes: Uint8Array, key: string): string {
  const entry = Summary.decode(bytes).metadata.find(([name]) => name === key)
  if (entry === undefined) throw new NotFoundError(key, `No such metadata key '${key}'`)
  return formatMetadataValue(entry[1])
}
