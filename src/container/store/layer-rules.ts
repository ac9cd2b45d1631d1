/**
 * Notes with which rules a derived layer was imported, so that it is reused only where an import with the rules at hand
 * gives the same tree.
 *
 * The note is in the detached metadata of the layer's commit, so the commit has the checksum that ostree-ext gives it.
 * Every store keeps detached metadata, pulls and copies take it along, prune deletes it with its commit, and ostree and
 * ostree-ext ignore keys that they do not know. The value is a list, because imports with different rules often give
 * the same commit:
 *
 * ```
 * ostree-ts.layer-rules   as   ['nonusr=any var=kept labels=none', …]
 *
 * nonusr      kept, dropped   names outside of /usr, /etc, /var; any: the layer has no such names
 * var         kept, moved     /var, which is moved to /usr/share/factory/var; any: the layer has no /var
 * labels      none, SHA256    the file contexts of the policy that labelled the layer
 * relabelled  none, SHA256    the same for the policy of the merged tree, if that labelled the layer again
 * metadata    exact, compat:UID:GID   what that kept of owners and modes; only beside relabelled
 * ```
 *
 * A commit without a note is ostree-ext's: it was imported with that program's default rules.
 */

import type { Checksum } from '../../bytes.ts'
import { OstreeError } from '../../errors.ts'
import { array, lookup, string, type Vardict, vardict, variantOf } from '../../gvariant/index.ts'
import type { Commit } from '../../objects/index.ts'
import { lookupPath, type ObjectReader, readDirTree, type Transaction } from '../../repo/index.ts'

/** Key in the detached metadata of the commit of a derived layer. */
export const LAYER_RULES = 'ostree-ts.layer-rules'

/** The rules that made the tree of a layer. `undefined` where the layer has nothing that a rule is about. */
export interface LayerRules {
  /** Names outside of `/usr`, `/etc` and `/var` were kept. */
  readonly nonusr: boolean | undefined
  /** `/var` was kept at its path. */
  readonly retainVar: boolean | undefined
  /** Checksum of the file contexts that labelled the layer, or `none`. */
  readonly labels: string
  /** The same for the policy of the merged tree; `undefined` if the merge did not change the layer. */
  readonly relabelled: string | undefined
  /** What the merge kept of owners and modes, if it changed the layer. */
  readonly metadata: string | undefined
}

/** The rules of an import. */
export interface WantedRules {
  readonly nonusr: boolean
  readonly retainVar: boolean
  readonly labels: string
  readonly metadata: string
  /** Whether ostree-ext would keep names outside of `/usr`, `/etc` and `/var` for this image. */
  readonly defaultNonusr: boolean
  /** Whether ostree-ext would label the layers in the same way. */
  readonly defaultLabels: boolean
}

/** Names in the root of a layer that are there whatever the rules are. */
const ALWAYS_KEPT = new Set(['usr', 'etc', 'var', 'run', 'tmp', 'proc', 'sys', 'dev'])
const FACTORY_VAR = 'usr/share/factory/var'

/** Returns the rules of an import that are of importance for the tree that it made. */
export async function effectiveRules(
  reader: ObjectReader,
  root: Pick<Commit, 'rootTree' | 'rootMeta'>,
  wanted: WantedRules,
  leftOut: boolean,
): Promise<LayerRules> {
  const { hasNonusr, hasVar, hasFactoryVar } = await observe(reader, root)
  const { nonusr, retainVar, labels } = wanted
  return {
    nonusr: (nonusr ? hasNonusr : leftOut) ? nonusr : undefined,
    retainVar: (retainVar ? hasVar : hasFactoryVar) ? retainVar : undefined,
    labels,
    relabelled: undefined,
    metadata: undefined,
  }
}

/**
 * Finds the rules under which a stored layer is the one that an import would make.
 * @returns `undefined` when the import has to make it again
 */
export async function matchingRules(
  reader: ObjectReader,
  checksum: Checksum,
  commit: Commit,
  wanted: WantedRules,
): Promise<LayerRules | undefined> {
  const noted = await readNote(reader, checksum)
  if (noted === undefined) return matchForeign(reader, commit, wanted)
  return noted.map(parseRules).find((rules) => rules !== undefined && matches(rules, wanted))
}

function matches(rules: LayerRules, wanted: WantedRules): boolean {
  return (
    (rules.nonusr ?? wanted.nonusr) === wanted.nonusr &&
    (rules.retainVar ?? wanted.retainVar) === wanted.retainVar &&
    rules.labels === wanted.labels &&
    (rules.metadata ?? wanted.metadata) === wanted.metadata
  )
}

/** A tree shows that names were kept, but not that some were left out: then ostree-ext's default counts. */
async function matchForeign(
  reader: ObjectReader,
  commit: Commit,
  wanted: WantedRules,
): Promise<LayerRules | undefined> {
  const { hasNonusr, hasVar } = await observe(reader, commit)
  const { nonusr, retainVar, labels, defaultNonusr, defaultLabels } = wanted
  const sameNames = nonusr ? hasNonusr || defaultNonusr : !hasNonusr
  const sameVar = retainVar || !hasVar
  if (!sameNames || !sameVar || !defaultLabels) return undefined
  return { nonusr, retainVar, labels, relabelled: undefined, metadata: undefined }
}

interface Observed {
  readonly hasNonusr: boolean
  readonly hasVar: boolean
  readonly hasFactoryVar: boolean
}

async function observe(
  reader: ObjectReader,
  { rootTree, rootMeta }: Pick<Commit, 'rootTree' | 'rootMeta'>,
): Promise<Observed> {
  const { files, dirs } = await readDirTree(reader, rootTree)
  const names = [...files, ...dirs].map(({ name }) => name)
  return {
    hasNonusr: names.some((name) => !ALWAYS_KEPT.has(name)),
    hasVar: names.includes('var'),
    hasFactoryVar: await exists(reader, { tree: rootTree, meta: rootMeta }, FACTORY_VAR),
  }
}

async function exists(reader: ObjectReader, root: { tree: Checksum; meta: Checksum }, path: string): Promise<boolean> {
  try {
    await lookupPath(reader, root, path)
    return true
  } catch (error) {
    if (error instanceof OstreeError && (error.name === 'PathNotFoundError' || error.code === 'io')) return false
    throw error
  }
}

/** Adds rules to those under which a commit is known to be the right one. */
export async function noteRules(tx: Transaction, commit: Checksum, ...rules: readonly LayerRules[]): Promise<void> {
  await addNotes(tx, commit, rules.map(formatRules))
}

/** Adds the rules of one commit to those of another one with the same tree. */
export async function copyRules(tx: Transaction, from: Checksum, to: Checksum): Promise<void> {
  await addNotes(tx, to, (await readNote(tx, from)) ?? [])
}

async function addNotes(tx: Transaction, commit: Checksum, notes: readonly string[]): Promise<void> {
  const before = (await readNote(tx, commit)) ?? []
  const after = [...new Set([...before, ...notes])].sort()
  if (after.length === before.length) return
  const others = (await readDetached(tx, commit)).filter(([key]) => key !== LAYER_RULES)
  await tx.writeAttached('commitmeta', commit, vardict.encode([...others, [LAYER_RULES, variantOf(LINES, after)]]))
}

const LINES = array(string)

/** @returns `undefined` when there is no note; nothing when it cannot be read, so that the layer is imported again */
async function readNote(reader: ObjectReader, commit: Checksum): Promise<readonly string[] | undefined> {
  const detached = await readDetached(reader, commit)
  if (!detached.some(([key]) => key === LAYER_RULES)) return undefined
  return lookup(detached, LAYER_RULES, LINES) ?? []
}

async function readDetached(reader: ObjectReader, commit: Checksum): Promise<Vardict> {
  const bytes = await reader.readAttached('commitmeta', commit)
  return bytes === undefined ? [] : vardict.decode(bytes)
}

const NONUSR = ['dropped', 'kept', 'any'] as const
const VAR = ['moved', 'kept', 'any'] as const

function formatRules({ nonusr, retainVar, labels, relabelled, metadata }: LayerRules): string {
  const plain = `nonusr=${word(NONUSR, nonusr)} var=${word(VAR, retainVar)} labels=${labels}`
  return relabelled === undefined ? plain : `${plain} relabelled=${relabelled} metadata=${metadata}`
}

const RULES = /^nonusr=(dropped|kept|any) var=(moved|kept|any) labels=([^ ]+)(?: relabelled=([^ ]+) metadata=([^ ]+))?$/

/** @returns `undefined` for text that another version wrote */
function parseRules(text: string): LayerRules | undefined {
  const [found, nonusr, retainVar, labels = '', relabelled, metadata] = RULES.exec(text) ?? []
  if (found === undefined) return undefined
  return { nonusr: truth(NONUSR, nonusr), retainVar: truth(VAR, retainVar), labels, relabelled, metadata }
}

type Words = readonly [no: string, yes: string, any: string]

function word([no, yes, any]: Words, value: boolean | undefined): string {
  return value === undefined ? any : value ? yes : no
}

function truth([no, yes]: Words, text: string | undefined): boolean | undefined {
  return text === yes ? true : text === no ? false : undefined
}
