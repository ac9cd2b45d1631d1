/**
 * Notes with which rules the layers of an image were merged, so that a stored image counts as present only where a merge
 * with the rules at hand gives the same commit.
 *
 * The note is in the detached metadata of the merge commit, as that of a layer (layer-rules.ts). It is a list, because
 * merges with different rules may give the same commit:
 *
 * ```
 * ostree-ts.merge-rules   as   ['labels=none metadata=compat:0:0', …]
 *
 * labels     policy, none        whether the policy in the merged tree labels it
 * metadata   exact, compat:UID:GID   what was kept of owners and modes
 * ```
 *
 * A commit without a note was merged with the default rules of its repository, by this library or by ostree-ext.
 */

import type { Checksum } from '../../bytes.ts'
import { array, lookup, string, type Vardict, vardict, variantOf } from '../../gvariant/index.ts'
import type { ObjectReader, Transaction } from '../../repo/index.ts'

/** Key in the detached metadata of a merge commit. */
export const MERGE_RULES = 'ostree-ts.merge-rules'

const LINES = array(string)

/** The rules of a merge. */
export interface MergeRules {
  /** Whether the policy in the merged tree labels it. */
  readonly labels: boolean
  /** What is kept of owners and modes: `exact`, or `compat:UID:GID`. */
  readonly metadata: string
}

/**
 * Returns whether a merge with some rules gives the stored commit.
 * @param usual rules of a commit without a note
 */
export async function isMergedBy(
  reader: ObjectReader,
  commit: Checksum,
  rules: MergeRules,
  usual: MergeRules,
): Promise<boolean> {
  const noted = readNote(await readDetached(reader, commit)) ?? [formatRules(usual)]
  return noted.includes(formatRules(rules))
}

/**
 * Adds rules to those that are known to give a merge commit.
 * @param usual rules of a commit without a note, which do not need one
 */
export async function noteMerge(
  tx: Transaction,
  commit: Checksum,
  rules: MergeRules,
  usual: MergeRules,
): Promise<void> {
  const detached = await readDetached(tx, commit)
  const before = readNote(detached)
  const line = formatRules(rules)
  if (before === undefined ? line === formatRules(usual) : before.includes(line)) return
  const others = detached.filter(([key]) => key !== MERGE_RULES)
  const lines = [...(before ?? []), line].sort()
  await tx.writeAttached('commitmeta', commit, vardict.encode([...others, [MERGE_RULES, variantOf(LINES, lines)]]))
}

function formatRules({ labels, metadata }: MergeRules): string {
  return `labels=${labels ? 'policy' : 'none'} metadata=${metadata}`
}

/** @returns `undefined` when there is no note; an empty list when it cannot be read, so that the image is merged again */
function readNote(detached: Vardict): readonly string[] | undefined {
  if (!detached.some(([key]) => key === MERGE_RULES)) return undefined
  return lookup(detached, MERGE_RULES, LINES) ?? []
}

async function readDetached(reader: ObjectReader, commit: Checksum): Promise<Vardict> {
  const bytes = await reader.readAttached('commitmeta', commit)
  return bytes === undefined ? [] : vardict.decode(bytes)
}
