/**
 * Writes the layers of one image to one transaction. Layers that are stored already are only referred to; the others are
 * fetched one after the other, in the order of the manifest, except that the commit layer comes after all its chunks.
 *
 * When the digest of a layer is verified, its ref is set and both are made durable: a ref always stands for a whole layer.
 *
 * Source: ostree-ext, container::store (unencapsulate_base, import).
 */

import type { Checksum } from '../../bytes.ts'
import { withContext } from '../../errors.ts'
import { string, variantOf } from '../../gvariant/index.ts'
import type { Progress } from '../../progress.ts'
import { type Repo, readSignedCommit, type SePolicy, type Transaction, writeCommit } from '../../repo/index.ts'
import { type CommitVerifier, importCommitLayer, writeObjectSetCommit } from '../ostree-tar/ostree-tar.ts'
import { requireComplete } from '../ostree-tar/require-complete.ts'
import { effectiveRules, type LayerRules, matchingRules, noteRules, type WantedRules } from '../store/layer-rules.ts'
import { parseOstreeManifestLayout } from '../store/layout.ts'
import { IMPORTER_VERSION, type LayerKind } from '../store/names.ts'
import type { LayerCommit } from '../store/place-image.ts'
import { RefsLock, resolveStoredRef } from '../store/refs.ts'
import type { StoredLayers } from '../store/stored-layers.ts'
import type { ImageSource } from '../transport/interface.ts'
import { openLayer } from '../transport/layer-stream.ts'
import type { ResolvedImportOptions } from './import-options.ts'
import type { LostEntries } from './import-result.ts'
import type { ImportRules, RulesByBase } from './import-rules.ts'
import { Lanes } from './lanes/lanes.ts'
import type { LayerJob, LayerJobResult } from './lanes/layer-job.ts'
import type { PreparedImport, PreparedLayer } from './prepared-import.ts'

/** What an import reads and where it writes to. */
export interface ImportRunInput {
  readonly repo: Repo
  readonly tx: Transaction
  readonly source: Pick<ImageSource, 'blob'>
  readonly prepared: PreparedImport
  /** Verifies the signature of the base commit, also when that commit is already stored. */
  readonly verifier: CommitVerifier | undefined
  readonly rules: RulesByBase
  /** The layers of all images. */
  readonly stored: StoredLayers
}

/** A derived layer, and the rules that made it. */
interface DerivedLayer {
  readonly commit: Checksum
  readonly rules: LayerRules
}

/** The layers of one import. */
export class ImportRun implements AsyncDisposable {
  readonly #input: ImportRunInput
  readonly #lanes: Lanes
  /** The work on layers that are fetched. */
  readonly #jobs = new Map<PreparedLayer, LayerJob>()
  readonly #options: ResolvedImportOptions
  /** Time of the commits of derived layers, in seconds since the epoch. */
  readonly #timestamp: bigint
  /** The number of entries left out of each layer that was fetched, by the name they are counted under. */
  readonly filtered = new Map<string, ReadonlyMap<string, number>>()
  /** The entries of each fetched layer that are lost without being counted. */
  readonly lost = new Map<string, LostEntries>()
  /** The result of verifying the signature of the base commit, as text. */
  verifyText: string | undefined = undefined
  /** The commits of the layers so far. */
  readonly #kept = new Map<PreparedLayer, LayerCommit>()
  /** The derived layers so far, by digest. */
  readonly #derived = new Map<string, DerivedLayer>()
  /** Layers whose refs the next checkpoint sets. */
  readonly #unnamed = new Set<PreparedLayer>()
  /** Stored layers that `dropRelabelled` has dropped. */
  readonly #rejected = new Set<Checksum>()
  /** Layers fetched so far. */
  fetched = 0
  /** Layers so far that were stored already. */
  reused = 0

  constructor(input: ImportRunInput, options: ResolvedImportOptions) {
    this.#input = input
    this.#options = options
    this.#timestamp = options.now()
    const { repo, tx, source } = input
    this.#lanes = new Lanes({ repo, tx, source, threads: options.threads, signal: options.signal })
  }

  /** Stops the threads. To be called before the transaction ends. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#lanes[Symbol.asyncDispose]()
  }

  /** The commits of all layers of the image so far. */
  get stored(): LayerCommit[] {
    return [...this.#kept.values()]
  }

  /**
   * Stores the base commit of the image, with the checksum its producer gave it.
   * @param writeRefs set the refs of its layers; else only objects are stored
   * @returns its checksum; `undefined` when the image has none
   * @throws {NotFoundError} when an object that the commit needs is in none of the layers
   */
  async importBase(writeRefs: boolean): Promise<Checksum | undefined> {
    const { prepared, verifier } = this.#input
    if (prepared.ostreeCommitLayer === undefined) {
      // Verification was asked for, but the image holds no OSTree commit to verify: fail rather than skip.
      if (verifier !== undefined) parseOstreeManifestLayout(prepared.manifest, prepared.config)
      return undefined
    }
    try {
      return await this.#importBase(prepared.ostreeCommitLayer, prepared.ostreeLayers, writeRefs)
    } catch (error) {
      throw withContext('Unencapsulating base', error)
    }
  }

  async #importBase(layer: PreparedLayer, chunks: readonly PreparedLayer[], writeRefs: boolean): Promise<Checksum> {
    const { repo, tx, source, prepared, verifier } = this.#input
    const { limits, signal } = this.#options
    const before = this.fetched
    await this.#plan(chunks, (chunk) => this.#known(chunk), 'chunk')
    for (const chunk of chunks) {
      const known = await this.#known(chunk)
      if (known !== undefined) await this.#reuse('chunk', chunk, known, writeRefs)
      else {
        await this.#fetch('chunk', chunk, writeRefs, async (onBytes) => {
          const result = await this.#lanes.run(this.#jobOf(chunk, 'chunk'), { onBytes })
          return writeRefs && result.kind === 'chunk' ? writeObjectSetCommit(tx, result.objects) : undefined
        })
      }
    }
    const known = await this.#known(layer)
    if (known !== undefined) {
      this.verifyText = await verifier?.verify(await readSignedCommit(repo, known))
      await this.#reuse('commit', layer, known, writeRefs)
      if (this.fetched > before) await requireComplete(tx, known)
      return known
    }
    let commit: Checksum | undefined
    await this.#fetch('commit', layer, writeRefs, async (onBytes) => {
      const options = { layer: layer.layer.digest, limits: limits.tar, signal, verifier }
      const stream = openLayer(source, layer.layer, {
        platform: repo.platform,
        diffId: prepared.config.rootfs.diff_ids[layer.index],
        maxBytes: limits.maxLayerBytes,
        signal,
        onBytes,
      })
      const imported = await importCommitLayer(repo, tx, stream, options)
      commit = imported.commit
      this.verifyText = imported.verifyText
      await requireComplete(tx, commit)
      tx.setCommitState(commit, 'complete')
      return commit
    })
    return commit as unknown as Checksum // set before #fetch returned
  }

  /** Stores the derived layers that this run has not stored yet. @returns their commits, lowest first */
  async importDerived(base: Checksum | undefined): Promise<Checksum[]> {
    const { tx, prepared, rules } = this.#input
    if (prepared.layers.length === 0) return []
    const wanted = await rules.of(tx, base)
    await this.#plan(prepared.layers, (layer) => this.#findDerived(layer, wanted), 'derived', wanted)
    for (const layer of prepared.layers) {
      const { digest } = layer.layer
      if (this.#kept.has(layer) && this.#derived.has(digest)) continue
      const known = this.#derived.get(digest) ?? (await this.#findDerived(layer, wanted))
      if (known !== undefined) {
        this.#derived.set(digest, known)
        await this.#reuse('derived', layer, known.commit, true)
        continue
      }
      await this.#fetch('derived', layer, true, async (onBytes) => {
        const imported = await this.#importDerivedLayer(layer, onBytes, wanted)
        this.#derived.set(digest, imported)
        return imported.commit
      })
    }
    return prepared.layers.map(({ layer }) => (this.#derived.get(layer.digest) as DerivedLayer).commit) // set above
  }

  /**
   * Drops the stored layers that the merge of another image has labelled by another policy than that of this merge: they
   * have to be imported again, since they may have labels where this policy has none.
   * @returns whether there are such layers
   */
  async dropRelabelled(policy: SePolicy | undefined): Promise<boolean> {
    const before = this.#derived.size
    const labels = await this.#input.rules.labelsOf(policy)
    for (const [digest, { commit, rules }] of this.#derived) {
      const { relabelled } = rules
      if (relabelled === undefined || relabelled === rules.labels || relabelled === labels) continue
      this.#derived.delete(digest)
      this.#rejected.add(commit)
      this.reused--
    }
    return this.#derived.size < before
  }

  /** Returns the rules that made the commit of a derived layer of this image. */
  rulesOf({ layer }: LayerCommit): LayerRules {
    return (this.#derived.get(layer.digest) as DerivedLayer).rules // each derived layer was stored
  }

  /** Finds a stored layer that an import would make in the same way. */
  async #findDerived({ layer, index }: PreparedLayer, wanted: WantedRules): Promise<DerivedLayer | undefined> {
    const { tx, stored, prepared } = this.#input
    let rules: LayerRules | undefined
    const diffid = prepared.config.rootfs.diff_ids[index]
    const commit = await stored.find(tx, layer, 'derived', diffid, async (checksum, commit) => {
      if (this.#rejected.has(checksum)) return false
      rules = await matchingRules(tx, checksum, commit, wanted)
      return rules !== undefined
    })
    return commit === undefined || rules === undefined ? undefined : { commit, rules }
  }

  async #importDerivedLayer(
    layer: PreparedLayer,
    onBytes: (received: number) => void,
    wanted: ImportRules,
  ): Promise<DerivedLayer> {
    const { tx } = this.#input
    const { importerVersion, onProgress } = this.#options
    const { policy } = wanted
    const result = await this.#lanes.run(this.#jobOf(layer, 'derived', wanted), { onBytes, policy })
    const { filtered, hasLeftOut, lost, ...root } = (result as LayerJobResult & { kind: 'derived' }).imported
    const { digest } = layer.layer
    if (filtered.size > 0) this.filtered.set(digest, filtered)
    if (lost !== undefined) {
      this.lost.set(digest, lost)
      onProgress?.({ kind: 'entries-lost', digest, index: layer.index, ...lost })
    }
    const metadata = [[IMPORTER_VERSION, variantOf(string, importerVersion)] as const]
    const commit = await writeCommit(tx, { root, timestamp: this.#timestamp, metadata })
    const rules = await effectiveRules(tx, { rootTree: root.tree, rootMeta: root.meta }, wanted, hasLeftOut)
    await noteRules(tx, commit, rules)
    return { commit, rules }
  }

  /** Lets threads begin with the layers that are not stored. */
  async #plan(
    layers: readonly PreparedLayer[],
    find: (layer: PreparedLayer) => Promise<unknown>,
    kind: LayerJob['kind'],
    wanted?: ImportRules,
  ): Promise<void> {
    if (this.#options.threads === undefined) return
    const jobs = new Map<string, LayerJob>()
    for (const layer of layers) {
      const { digest } = layer.layer
      if (jobs.has(digest) || this.#derived.has(digest) || (await find(layer)) !== undefined) continue
      jobs.set(digest, this.#jobOf(layer, kind, wanted))
    }
    this.#lanes.plan([...jobs.values()], wanted?.policy !== undefined)
  }

  #jobOf(prepared: PreparedLayer, kind: LayerJob['kind'], wanted?: ImportRules): LayerJob {
    const { limits } = this.#options
    const job = this.#jobs.get(prepared) ?? {
      kind,
      layer: prepared.layer,
      diffId: this.#input.prepared.config.rootfs.diff_ids[prepared.index],
      maxBytes: limits.maxLayerBytes,
      limits: limits.tar,
      rules: wanted && { allowNonusr: wanted.nonusr, retainVar: wanted.retainVar },
    }
    this.#jobs.set(prepared, job)
    return job
  }

  /** Returns the commit of a stored layer, unless it was pruned since the import was prepared. */
  async #known({ commit: checksum }: PreparedLayer): Promise<Checksum | undefined> {
    if (checksum === undefined) return undefined
    return (await this.#input.tx.has({ checksum, type: 'commit' })) ? checksum : undefined
  }

  async #reuse(kind: LayerKind, layer: PreparedLayer, commit: Checksum, writeRefs: boolean): Promise<void> {
    this.reused++
    await this.#report('layer-cached', kind, layer)
    if (writeRefs) this.#keep(kind, layer, commit)
  }

  #keep(kind: LayerKind, prepared: PreparedLayer, commit: Checksum): void {
    const { layer } = prepared
    this.#kept.set(prepared, { layer, kind, commit })
    this.#unnamed.add(prepared)
  }

  /**
   * Makes all layers so far durable, and sets their refs, so that an import that is interrupted does not lose them. A ref
   * that is there already may belong to another image, which `placeImage` finds out at the end.
   */
  async #checkpoint(): Promise<void> {
    const { repo, tx } = this.#input
    await using refs = new RefsLock(repo)
    if (this.#unnamed.size > 0) await refs.take()
    for (const prepared of this.#unnamed) {
      const { commit } = this.#kept.get(prepared) as LayerCommit // `#keep` adds to both
      const isFree = (await resolveStoredRef(repo, tx, prepared.ostreeRef)) === undefined
      if (isFree) tx.setRef(`heads/${prepared.ostreeRef}`, { commit })
    }
    this.#unnamed.clear()
    await tx.checkpoint()
  }

  /** Fetches a layer, and sets its ref when it is verified. @param take imports the verified blob, returns its commit */
  async #fetch(
    kind: LayerKind,
    prepared: PreparedLayer,
    writeRef: boolean,
    take: (onBytes: (received: number) => void) => Promise<Checksum | undefined>,
  ): Promise<void> {
    const { tx } = this.#input
    const { signal, onProgress } = this.#options
    const { layer, index } = prepared
    const { digest, size } = layer
    signal?.throwIfAborted()
    await this.#report('layer-start', kind, prepared)
    const commit = await take((received) => onProgress?.({ kind: 'bytes', digest, index, received, size }))
    if (writeRef && commit !== undefined) this.#keep(kind, prepared, commit)
    await this.#checkpoint()
    this.fetched++
    await this.#report('layer-done', kind, prepared)
    onProgress?.(objectsSoFar(tx))
  }

  /** Reports a layer, and waits for the listener. */
  async #report(event: LayerEventKind, kind: LayerKind, { layer, index }: PreparedLayer): Promise<void> {
    const { digest, size } = layer
    const part = kind === 'derived' ? 'derived-layer' : 'ostree-chunk'
    const total = this.#input.prepared.manifest.layers.length
    await this.#options.onProgress?.({ kind: event, part, digest, index, total, size })
  }
}

type LayerEventKind = 'layer-start' | 'layer-done' | 'layer-cached'

function objectsSoFar({ stats }: Transaction): Progress {
  const written = stats.metadataWritten + stats.contentWritten
  const reused = stats.metadataTotal + stats.contentTotal - written
  return { kind: 'objects', written, reused, bytes: stats.contentBytesWritten }
}
