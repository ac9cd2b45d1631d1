/**
 * Imports an image into a repository, layer by layer.
 *
 * ```
 * prepare   open the image, read manifest and config, find the layers that are stored already
 * import    chunks, commit layer            the base commit, if there is one
 *           derived layers                  a commit for each
 *           merge, image ref                the commit that is checked out
 * ```
 *
 * Each layer is made durable as soon as its digest is verified. An import that was interrupted continues with the layer
 * that it had not finished.
 *
 * Source: ostree-ext, container::store (ImageImporter).
 */

import type { Checksum } from '../../bytes.ts'
import { FormatError, LimitError, OstreeError, UsageError, withContext } from '../../errors.ts'
import { findRemote, prune, type Repo, readSignedCommit, type SePolicy, type Transaction } from '../../repo/index.ts'
import { defaultPolicy, type FlattenOptions, holdsLabels } from '../layers/flatten.ts'
import type { Descriptor, Digest, ImageConfiguration, ImageManifest } from '../oci/oci-types.ts'
import { formatOstreeImageReference, type OstreeImageReference } from '../oci/reference.ts'
import { openImage } from '../open/open-image.ts'
import type { CommitVerifier } from '../ostree-tar/ostree-tar.ts'
import { requireAccepted, requireStrictDefault } from '../policy/policy-check.ts'
import { gcImageLayers } from '../store/gc.ts'
import { requirePlace } from '../store/image-place.ts'
import { timestampOfManifestOrConfig, versionForConfig } from '../store/image-time.ts'
import { tryRequireLayer } from '../store/layer-refs.ts'
import { matchingRules, noteRules } from '../store/layer-rules.ts'
import { layersOfLayout, parseManifestLayout, parseOstreeManifestLayout } from '../store/layout.ts'
import { isMergedBy, noteMerge } from '../store/merge-rules.ts'
import { type LayerKind, refForImage, refForLayer } from '../store/names.ts'
import { type LayerCommit, placeImage } from '../store/place-image.ts'
import { type LayeredImageState, queryImageCommit, tryQueryImage } from '../store/query.ts'
import { RefsLock } from '../store/refs.ts'
import { type AcceptLayer, StoredLayers } from '../store/stored-layers.ts'
import { type ImageSource, MAX_LAYERS } from '../transport/interface.ts'
import { FlatFileNotes } from './flat-files.ts'
import { type ImportOptions, type ResolvedImportOptions, resolveImportOptions } from './import-options.ts'
import type { ImportResult } from './import-result.ts'
import { RulesByBase } from './import-rules.ts'
import { ImportRun } from './import-run.ts'
import { writeMergeCommit } from './merge.ts'
import {
  cacheUpdate,
  commitVerifier,
  digestOfName,
  isSameImage,
  requireBootable,
  requireCommitLabel,
} from './preparation.ts'
import { fetchOrder, type PreparedImport, type PreparedLayer, type PrepareResult } from './prepared-import.ts'
import { ReadAhead } from './read-ahead.ts'
import { relabelLayer } from './selinux.ts'

/** The commit that was in an image. */
export interface UnencapsulatedImage {
  readonly commit: Checksum
  readonly manifestDigest: Digest
}

/** Imports one image: `prepare`, then `import`, each once. It has to be disposed of when the import is not made. */
export class ImageImporter implements AsyncDisposable {
  readonly #repo: Repo
  readonly #reference: OstreeImageReference
  readonly #options: ResolvedImportOptions
  readonly #verifier: CommitVerifier | undefined
  readonly #rules: RulesByBase
  #stored: StoredLayers | undefined
  #source: ImageSource | undefined

  /** @throws {UnsupportedError} when the reference requires signature verification but `options` configures none */
  constructor(repo: Repo, reference: OstreeImageReference, options: ImportOptions) {
    this.#repo = repo
    this.#verifier = commitVerifier(repo, reference, options.verification)
    this.#reference = reference
    this.#options = resolveImportOptions(options)
    this.#rules = new RulesByBase(repo, this.#options, this.#labels, this.#flattening)
  }

  /** Reads manifest and config. When an older image is stored, notes the newer one on its commit. */
  async prepare(): Promise<PrepareResult> {
    try {
      return await this.#prepare()
    } catch (error) {
      throw withContext('Preparing import: Fetching manifest', error)
    }
  }

  async #prepare(): Promise<PrepareResult> {
    const repo = this.#repo
    const { imgref } = this.#reference
    requireStrictDefault(this.#reference, this.#options.policy)
    const previous = await tryQueryImage(repo, imgref, (error) => this.#options.onWarning?.(error.message))
    if (this.#verifier !== undefined) await findRemote(repo, this.#verifier.remote)
    const present = previous !== undefined && (await this.#isWhole(previous)) ? previous : undefined
    if (present !== undefined && digestOfName(imgref) === present.manifestDigest) return this.#present(present)
    if (this.#options.offline === true) {
      throw new UsageError('Manifest fetch required in offline mode', 'offline')
    }

    const { target, noImgref } = this.#options
    if (noImgref !== true) await requirePlace(repo, (target ?? this.#reference).imgref)
    const source = await this.#open()
    const { manifest, manifestDigest } = source
    const isSame = previous !== undefined && isSameImage(previous, manifest, manifestDigest)
    if (present !== undefined && isSame) return this.#present(present)
    const config = await source.config()
    if (previous !== undefined && !isSame && this.#options.noCachedUpdate !== true) {
      await cacheUpdate(repo, previous.mergeCommit, manifest, manifestDigest, config)
    }
    if (this.#options.requireBootable === true) requireBootable(config, this.#options.host)
    return { kind: 'ready', prepared: await this.#plan(manifest, manifestDigest, config, previous) }
  }

  /** Verifies the stored image, since it may have been stored without verification. */
  async #present(state: LayeredImageState): Promise<PrepareResult> {
    if (this.#verifier !== undefined) {
      parseOstreeManifestLayout(state.manifest, state.configuration)
      await this.#verifier.verify(await readSignedCommit(this.#repo, state.baseCommit))
    }
    return { kind: 'already-present', state }
  }

  async #open(): Promise<ImageSource> {
    await this.#close()
    await requireAccepted(this.#reference.imgref, this.#options.policy)
    const { files, host, registry, signal, open = openImage } = this.#options
    const { platform } = this.#repo
    const { maxLayers = MAX_LAYERS, maxLayerBytes } = this.#options.limits
    const context = { platform, files, host, registry, signal, maxLayers, maxLayerBytes }
    const source = await open(this.#reference.imgref, context)
    this.#source = source
    if (source.manifest.layers.length > maxLayers) throw new LimitError('number of layers', maxLayers)
    return source
  }

  async #plan(
    manifest: ImageManifest,
    manifestDigest: Digest,
    config: ImageConfiguration,
    previous: LayeredImageState | undefined,
  ): Promise<PreparedImport> {
    const layout = parseManifestLayout(manifest, config)
    const { objects } = this.#repo
    const stored = await this.#storedLayers()
    this.#stored = stored
    const find = async (layer: Descriptor, kind: LayerKind, accept?: AcceptLayer): Promise<PreparedLayer> => {
      const index = manifest.layers.findIndex(({ digest }) => digest === layer.digest)
      const commit = await stored.find(objects, layer, kind, config.rootfs.diff_ids[index], accept)
      return { index, layer, ostreeRef: refForLayer(layer), commit }
    }
    const commitLayer = layout.commitLayer && (await find(layout.commitLayer, 'commit'))
    // The rules depend on the base. Before that is stored, each layer counts as stored; the import looks again.
    const rulesAreKnown = commitLayer === undefined || commitLayer.commit !== undefined
    const accept = rulesAreKnown ? this.#acceptWith(commitLayer?.commit) : undefined
    return {
      manifestDigest,
      manifest,
      config,
      version: versionForConfig(config),
      previousState: previous,
      previousManifestDigest: previous?.manifestDigest,
      previousImageid: previous?.manifest.config.digest,
      ostreeCommitLayer: commitLayer,
      ostreeLayers: await Promise.all(layout.chunks.map((layer) => find(layer, 'chunk'))),
      layers: await Promise.all(layout.derived.map((layer) => find(layer, 'derived', accept))),
    }
  }

  /**
   * Returns whether a stored image has all its layers, and an import with the options at hand would make and merge them
   * in the same way. Otherwise the image is imported again.
   */
  async #isWhole({ mergeCommit, manifest, configuration, baseCommit }: LayeredImageState): Promise<boolean> {
    if (!(await isMergedBy(this.#repo, mergeCommit, this.#rules.merge))) return false
    const layout = parseManifestLayout(manifest, configuration)
    const accept = this.#acceptWith(layout.commitLayer && baseCommit)
    for (const layer of layersOfLayout(layout)) {
      const commit = await tryRequireLayer(this.#repo, mergeCommit, layer)
      if (commit === undefined) return false
      if (layer.kind === 'derived' && !(await accept(commit, await this.#repo.readCommit(commit)))) return false
    }
    return true
  }

  /** Returns a function that accepts the layers which an import would make in the same way. */
  #acceptWith(base: Checksum | undefined): AcceptLayer {
    return async (checksum, commit) => {
      const { objects } = this.#repo
      try {
        const wanted = await this.#rules.of(objects, base)
        return (await matchingRules(objects, checksum, commit, wanted)) !== undefined
      } catch (error) {
        // What prevents an import is an error of the import.
        if (error instanceof OstreeError) return true
        throw error
      }
    }
  }

  /** Returns the layers of all stored images. Images that cannot be read are skipped. */
  #storedLayers(): Promise<StoredLayers> {
    return StoredLayers.list(this.#repo, (error) => this.#options.onWarning?.(error.message))
  }

  /** Fetches the missing layers and writes the merge commit. The image is closed in any case. */
  async import(prepared: PreparedImport): Promise<ImportResult> {
    try {
      return await this.#import(prepared)
    } catch (error) {
      throw withContext('Importing', error)
    } finally {
      await this.#close()
    }
  }

  async #import(prepared: PreparedImport): Promise<ImportResult> {
    const repo = this.#repo
    const { merge, run, relabelled } = await this.#store(prepared)
    const state = await queryImageCommit(repo, merge)
    if (this.#options.disableGc !== true) await this.#collect(merge, relabelled > 0)
    const filteredFiles = run.filtered.size === 0 ? undefined : run.filtered
    const lostEntries = run.lost.size === 0 ? undefined : run.lost
    const { verifyText, fetched: layersFetched, reused: layersReused } = run
    return { ...state, verifyText, filteredFiles, lostEntries, layersFetched, layersReused }
  }

  /** Stores the layers, merges them and sets the refs. @returns the merge commit, and how many layers got new labels */
  async #store(prepared: PreparedImport): Promise<{ merge: Checksum; run: ImportRun; relabelled: number }> {
    const repo = this.#repo
    const { target, noImgref, verifyCommitLabel } = this.#options
    const { imgref } = target ?? this.#reference
    const ref = noImgref === true ? undefined : refForImage(imgref)
    await using refs = new RefsLock(repo)
    return await this.#transaction(prepared, async (tx, run) => {
      const base = await run.importBase(true)
      if (verifyCommitLabel === true && base !== undefined) requireCommitLabel(prepared.config, base)
      let merged = await this.#merge(tx, prepared, base, await run.importDerived(base))
      if (await run.dropRelabelled(merged.policy)) {
        merged = await this.#merge(tx, prepared, base, await run.importDerived(base))
      }
      const { commit: merge, policy } = merged
      const labelled = policy === undefined ? run.stored : await this.#relabel(tx, run, policy)
      await refs.take()
      await placeImage(repo, tx, { mergeCommit: merge, layers: labelled, ref })
      await noteMerge(repo, tx, merge, this.#rules.merge)
      const relabelled = labelled.filter((layer, i) => layer.commit !== run.stored[i]?.commit).length
      return { merge, run, relabelled }
    })
  }

  /**
   * Removes what no image needs. The image is stored by now, so a failure is a warning: when an image cannot be read, or
   * while another import is under way, which has layers that no image names yet. A later import then does it.
   */
  async #collect(merge: Checksum, relabelled: boolean): Promise<void> {
    const repo = this.#repo
    try {
      await using _ = await repo.storage.lock('exclusive', { timeout: 0 })
      await gcImageLayers(repo, { inUse: [merge] })
      // The commits without the new labels. Without an image ref this would delete the merge commit, too.
      if (relabelled && this.#options.noImgref !== true) await prune(repo, { refsOnly: true })
    } catch (error) {
      if (!(error instanceof OstreeError)) throw error
      this.#options.onWarning?.(`Layers that no image needs were not removed: ${error.message}`)
    }
  }

  /** Writes the commits of derived layers with new labels, where labels change. @returns all layers */
  async #relabel(tx: Transaction, run: ImportRun, policy: SePolicy): Promise<LayerCommit[]> {
    const options = { ...this.#flattening, signal: this.#options.signal }
    const done = new Map<Checksum, Checksum>()
    const relabelled: LayerCommit[] = []
    for (const stored of run.stored) {
      const { layer, kind, commit: before } = stored
      const known = kind === 'derived' ? done.get(before) : before
      const after = known ?? (await relabelLayer(tx, this.#repo, before, policy, options))
      if (after !== before && known === undefined) {
        const labels = await this.#rules.labelsOf(policy)
        const { metadata } = this.#rules
        await noteRules(tx, after, { ...run.rulesOf(stored), relabelled: labels, metadata })
      }
      if (kind === 'derived') done.set(before, after)
      relabelled.push({ layer, kind, commit: after })
    }
    return relabelled
  }

  get #labels(): boolean {
    return this.#options.noLabels !== true && holdsLabels(this.#repo)
  }

  #merge(tx: FlatFileNotes, prepared: PreparedImport, base: Checksum | undefined, layers: readonly Checksum[]) {
    const { signal, importerVersion, now } = this.#options
    const { manifest, manifestDigest, config } = prepared
    return writeMergeCommit(tx, {
      mode: this.#repo.mode,
      base,
      layers,
      manifest,
      manifestDigest,
      config,
      importerVersion,
      timestamp: timestampOfManifestOrConfig(manifest, config) ?? now(),
      label: this.#labels,
      ...this.#flattening,
      flat: tx.flat,
      signal,
    })
  }

  get #flattening(): Pick<FlattenOptions, 'policy' | 'owner'> {
    const { metadata, owner } = this.#options
    return { policy: metadata ?? defaultPolicy(this.#repo.mode), owner }
  }

  /**
   * Stores the objects and the commit of an image that has only an OSTree part. No refs are written.
   * @throws {FormatError} when there are layers on top, or no OSTree base
   */
  async unencapsulate(): Promise<UnencapsulatedImage> {
    try {
      const prepared = await this.#prepareBase()
      const { manifest, manifestDigest } = prepared
      if (prepared.ostreeCommitLayer === undefined) parseOstreeManifestLayout(manifest, prepared.config)
      if (prepared.layers.length > 0) {
        throw new FormatError('manifest', `Image has ${prepared.layers.length} non-ostree layers`)
      }
      const commit = await this.#transaction(prepared, (_, run) => run.importBase(false))
      return { commit: commit as Checksum, manifestDigest } // the image has a base, as was checked above
    } catch (error) {
      throw withContext(`Importing ${formatOstreeImageReference(this.#reference)}`, error)
    } finally {
      await this.#close()
    }
  }

  /** Plans an import without regard to what is stored under the image's name. */
  async #prepareBase(): Promise<PreparedImport> {
    try {
      requireStrictDefault(this.#reference, this.#options.policy)
      if (this.#verifier !== undefined) await findRemote(this.#repo, this.#verifier.remote)
      const source = await this.#open()
      return await this.#plan(source.manifest, source.manifestDigest, await source.config(), undefined)
    } catch (error) {
      throw withContext('Fetching manifest', error)
    }
  }

  async #transaction<T>(prepared: PreparedImport, work: (tx: FlatFileNotes, run: ImportRun) => Promise<T>): Promise<T> {
    const repo = this.#repo
    const source = this.#source ?? (await this.#open())
    return repo.transaction(async (plain) => {
      const tx = new FlatFileNotes(plain, repo.mode, this.#flattening)
      await using blobs = new ReadAhead(source, fetchOrder(prepared), this.#options.readAhead)
      const stored = this.#stored ?? (await this.#storedLayers())
      const input = { repo, tx, source: blobs, prepared, verifier: this.#verifier, rules: this.#rules, stored }
      await using run = new ImportRun(input, this.#options)
      return await work(tx, run)
    })
  }

  async #close(): Promise<void> {
    const source = this.#source
    this.#source = undefined
    await source?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
