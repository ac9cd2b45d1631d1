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
import type { ObjectReader, Repo, Transaction } from '../../repo/index.ts'
import { defaultPolicy, type FlattenOptions, holdsLabels, ROOT_OWNER } from '../layers/flatten.ts'

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

/** Returns what a note says of owners and modes. */
export function metadataOf({ policy, owner = ROOT_OWNER }: Pick<FlattenOptions, 'policy' | 'owner'>): string {
  return policy === 'exact' ? policy : `${policy}:${owner.uid}:${owner.gid}`
}

/** Returns the note that a commit without one stands for: that of a merge without options. */
function usualNote(repo: Pick<Repo, 'mode' | 'settings'>): string {
  return formatRules({ labels: holdsLabels(repo), metadata: metadataOf({ policy: defaultPolicy(repo.mode) }) })
}

/** Returns whether a merge with some rules gives the stored commit. */
export async function isMergedBy(repo: Repo, commit: Checksum, rules: MergeRules): Promise<boolean> {
  const noted = readNote(await readDetached(repo.objects, commit)) ?? [usualNote(repo)]
  return noted.includes(formatRules(rules))
}

/** Adds rules to those that are known to give a merge commit. The default ones of the repository need no note. */
export async function noteMerge(repo: Repo, tx: Transaction, commit: Checksum, rules: MergeRules): Promise<void> {
  await addNotes(repo, tx, commit, [formatRules(rules)])
}

/** Notes on a copied merge commit what its repository knows of its rules: the other one may have other defaults. */
export async function copyMergeRules(from: Repo, into: Repo, tx: Transaction, commit: Checksum): Promise<void> {
  const notes = readNote(await readDetached(from.objects, commit)) ?? [usualNote(from)]
  await addNotes(into, tx, commit, notes)
}

async function addNotes(repo: Repo, tx: Transaction, commit: Checksum, notes: readonly string[]): Promise<void> {
  const detached = await readDetached(tx, commit)
  const before = readNote(detached)
  const known = before ?? [usualNote(repo)]
  if (notes.every((note) => known.includes(note))) return
  const others = detached.filter(([key]) => key !== MERGE_RULES)
  const lines = [...new Set([...(before ?? []), ...notes])].sort()
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
