/** Finds the rules by which the layers of an image are imported. They depend on the base, which may come with the image. */

import type { Checksum } from '../../bytes.ts'
import { type ObjectReader, type Repo, readCommit, type SePolicy } from '../../repo/index.ts'
import type { FlattenOptions } from '../layers/flatten.ts'
import type { WantedRules } from '../store/layer-rules.ts'
import { type MergeRules, metadataOf } from '../store/merge-rules.ts'
import type { ResolvedImportOptions } from './import-options.ts'
import { rootIsTransient } from './prepare-root.ts'
import { layerPolicy } from './selinux.ts'

/** The rules of an import, and the policy that labels its layers. */
export interface ImportRules extends WantedRules {
  readonly policy: SePolicy | undefined
}

/** Returned for a policy that does not exist. */
const NO_LABELS = 'none'

/** The rules of one importer, by base. */
export class RulesByBase {
  readonly #repo: Repo
  readonly #options: ResolvedImportOptions
  readonly #labels: boolean
  readonly #flattening: Pick<FlattenOptions, 'policy' | 'owner'>
  readonly #known = new Map<Checksum | undefined, Promise<ImportRules>>()

  /** @param labels label derived layers by the policy of the base, or of `sepolicyCommit` when there is no base */
  constructor(
    repo: Repo,
    options: ResolvedImportOptions,
    labels: boolean,
    flattening: Pick<FlattenOptions, 'policy' | 'owner'>,
  ) {
    this.#repo = repo
    this.#options = options
    this.#labels = labels
    this.#flattening = flattening
  }

  /**
   * Reads the rules from a base.
   * @throws {OstreeError} when the policy or the configuration of the root in it cannot be read
   */
  of(reader: ObjectReader, base: Checksum | undefined): Promise<ImportRules> {
    const known = this.#known.get(base) ?? this.#read(reader, base)
    this.#known.set(base, known)
    // An error may be that of a reader whose transaction has ended.
    known.catch(() => this.#known.delete(base))
    return known
  }

  async #read(reader: ObjectReader, base: Checksum | undefined): Promise<ImportRules> {
    const { allowNonusr, retainVar, noLabels, sepolicyCommit } = this.#options
    const commit = base ?? sepolicyCommit
    const policy = this.#labels && commit !== undefined ? await layerPolicy(reader, commit) : undefined
    const defaultNonusr = base === undefined || (await isTransient(reader, base))
    return {
      policy,
      nonusr: allowNonusr ?? defaultNonusr,
      retainVar,
      labels: await this.labelsOf(policy),
      metadata: this.metadata,
      defaultNonusr,
      defaultLabels: noLabels !== true && (base !== undefined || sepolicyCommit === undefined),
    }
  }

  /** Returns what a note says of the labels that a policy gives. */
  async labelsOf(policy: SePolicy | undefined): Promise<string> {
    return policy === undefined ? NO_LABELS : policy.contextsChecksum(this.#repo.platform)
  }

  /** What a note says of owners and modes. */
  get metadata(): string {
    return metadataOf(this.#flattening)
  }

  /** The rules of the merge. */
  get merge(): MergeRules {
    return { labels: this.#labels, metadata: this.metadata }
  }
}

async function isTransient(reader: ObjectReader, base: Checksum): Promise<boolean> {
  const { rootTree, rootMeta } = await readCommit(reader, base)
  return rootIsTransient(reader, { tree: rootTree, meta: rootMeta })
}
