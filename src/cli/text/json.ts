/** Converts metadata, commits and summaries to JSON values, for `--json`. */

import type { Checksum } from '../../bytes.ts'
import { printVariant, string, u64be, type Vardict, type Variant, variantAs } from '../../gvariant/index.ts'
import { type Commit, contentChecksum, type Xattrs } from '../../objects/index.ts'
import { type Repo, Summary, type SummaryRef } from '../../repo/index.ts'
import {
  CollectionMap,
  formatSummaryValue,
  SUMMARY_COLLECTION_KEY,
  SUMMARY_COLLECTION_MAP_KEY,
  SUMMARY_COMMIT_TIMESTAMP_KEY,
  SUMMARY_EXPIRES_KEY,
  SUMMARY_LAST_MODIFIED_KEY,
} from '../../repo/internal.ts'

/** Converts a dictionary to an object; values as in `valueAsJson`. */
export function metadataAsJson(metadata: Vardict): Record<string, unknown> {
  return Object.fromEntries(metadata.map(([key, value]) => [key, valueAsJson(value)]))
}

/** Converts a string to a JSON string, and any other value to `{"variant": TEXT}` with TEXT in GVariant text format. */
export function valueAsJson(value: Variant): unknown {
  return variantAs(string, value) ?? { variant: printVariant(value, true) }
}

/** Converts a summary. Refs of the repository's own collection come first, then those of other collections. */
export function summaryAsJson(bytes: Uint8Array) {
  const { refs, metadata } = Summary.decode(bytes)
  const find = (key: string): Variant | undefined => metadata.find(([name]) => name === key)?.[1]
  const [own, others] = [find(SUMMARY_COLLECTION_KEY), find(SUMMARY_COLLECTION_MAP_KEY)]
  const collections: (readonly [collection: string | undefined, refs: readonly SummaryRef[]])[] = [
    [own && variantAs(string, own), refs],
    ...((others && variantAs(CollectionMap, others)) ?? []),
  ]
  return {
    refs: collections.flatMap(([collection, list]) => list.map((ref) => summaryRefAsJson(ref, collection))),
    metadata: summaryMetadataAsJson(metadata.filter(([key]) => key !== SUMMARY_COLLECTION_MAP_KEY)),
  }
}

/**
 * Converts the value of one metadata key of a summary.
 * @throws {NotFoundError} `No such metadata key '…'` when the summary does not have it
 */
export function summaryValueAsJson(bytes: Uint8Array, key: string): unknown {
  const text = formatSummaryValue(bytes, key)
  return summaryAsJson(bytes).metadata[key] ?? { variant: text.trimEnd() }
}

function summaryRefAsJson({ name, latest }: SummaryRef, collection: string | undefined) {
  const { size, commit, metadata } = latest
  return {
    name,
    ...(collection && { collection }),
    commit,
    size: Number(size),
    metadata: summaryMetadataAsJson(metadata),
  }
}

const TIMES: readonly string[] = [SUMMARY_LAST_MODIFIED_KEY, SUMMARY_EXPIRES_KEY, SUMMARY_COMMIT_TIMESTAMP_KEY]

/** Converts metadata as `metadataAsJson` does, but times to numbers: seconds since the epoch. */
function summaryMetadataAsJson(metadata: Vardict): Record<string, unknown> {
  const times = metadata.flatMap(([key, value]) => {
    const time = TIMES.includes(key) ? variantAs(u64be, value) : undefined
    return time === undefined ? [] : [[key, Number(time)]]
  })
  return { ...metadataAsJson(metadata), ...Object.fromEntries(times) }
}

/** Converts a commit. `timestamp` is in seconds since the epoch; `parent` is null for a first commit. */
export function commitAsJson(repo: Repo, commit: Checksum, value: Commit) {
  return {
    commit,
    parent: value.parent ?? null,
    contentChecksum: contentChecksum(repo.platform, value),
    timestamp: Number(value.timestamp),
    subject: value.subject,
    body: value.body,
    metadata: metadataAsJson(value.metadata),
    rootTree: value.rootTree,
    rootMeta: value.rootMeta,
  }
}

/** Converts extended attributes. Names and values are base64, since both are arbitrary bytes. */
export function xattrsAsJson(xattrs: Xattrs): { name: string; value: string }[] {
  return xattrs.map(([name, value]) => ({
    name: Buffer.from(name).toString('base64'),
    value: Buffer.from(value).toString('base64'),
  }))
}
