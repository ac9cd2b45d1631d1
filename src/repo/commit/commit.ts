/**
 * The whole of `ostree commit`: trees laid over each other, metadata, the commit object, the ref.
 *
 * Source: ot-builtin-commit.c.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { ConflictError, UnsupportedError, UsageError } from '../../errors.ts'
import { type Vardict, vardict } from '../../gvariant/index.ts'
import { encodeSizes } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import { feed, TarOrCpioParser } from '../../tar/index.ts'
import type { BeginOptions, Transaction, TransactionStats } from '../core/interface.ts'
import { commitRoot } from '../core/path.ts'
import { MutableTree, overlayTree, type TreeRoot, writeTree } from '../core/tree.ts'
import { parseRefspec, pathOf, validateNewRef } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'
import type { SePolicy } from '../selinux/sepolicy.ts'
import { type ConsumedPath, type DirectorySource, overlayDirectory, reportObjects } from './directory.ts'
import { keepMetadata, SIZES_KEY, withBindings, withBootable } from './metadata.ts'
import {
  type CommitFilterOptions,
  CommitModifier,
  createCommitFilter,
  type DevInoCache,
  type ModifierOptions,
} from './modifier.ts'
import { SizeRecorder } from './sizes.ts'
import { type TarInputOptions, TarTreeBuilder, type TarTreeOptions } from './tar/tar-tree-builder.ts'
import { createTreeSource } from './tree-source.ts'
import { type CommitInput, writeCommit } from './write-commit.ts'

/** What to commit. A directory is read as it is, a tar stream must be uncompressed, a rev names a commit of the repository. */
export type TreeInput =
  | { readonly directory: DirectorySource }
  | { readonly tar: AsyncIterable<Uint8Array>; readonly options?: TarInputOptions }
  | { readonly rev: string }

export interface CommitOptions extends ProgressOptions, BeginOptions, Omit<CommitInput, 'root' | 'parent'> {
  /** Laid over each other in order. */
  readonly trees: readonly TreeInput[]
  /** Rev to start from, taken as it is. */
  readonly base?: string | undefined
  /** Changes what is committed. Given, even empty, stored trees are read and written file by file. */
  readonly modifier?: (Omit<ModifierOptions, 'devino'> & CommitFilterOptions) | undefined
  /** Files of directories that need not be read: objects by inode. By itself it changes nothing. */
  readonly devino?: DevInoCache | undefined
  /** Ref, or `REMOTE:REF`, to move. */
  readonly branch?: string | undefined
  /** No branch is needed, and the parent is none unless given. A branch given nevertheless is moved. */
  readonly orphan?: boolean | undefined
  /** Default: what `branch` is now. */
  readonly parent?: Checksum | 'none' | undefined
  /** Keys to copy from the parent's metadata. */
  readonly keepMetadata?: readonly string[] | undefined
  /** Note branch and collection in the metadata. Default true. */
  readonly bindings?: boolean | undefined
  /** Refs to note beside the branch. */
  readonly bindRefs?: readonly string[] | undefined
  /** The tree must hold one kernel, and the metadata will say which. */
  readonly bootable?: boolean | undefined
  /** Note the sizes of objects, in archive repositories only. Counts as a modifier. */
  readonly generateSizes?: boolean | undefined
  /** Attached to the commit, not part of it. */
  readonly detachedMetadata?: Vardict | undefined
  /**
   * Asked once, after the base is read and before any tree is: labels all that is committed, as far as the policy has
   * labels. Given, even when there turns out to be no policy, it counts as a modifier.
   */
  readonly sePolicy?: (() => MaybePromise<Pick<SePolicy, 'label'> | undefined>) | undefined
  /** Make no commit when the tree is the parent's. */
  readonly skipIfUnchanged?: boolean | undefined
  /** Delete the directories committed, when all is done. */
  readonly consume?: boolean | undefined
}

export interface CommitResult {
  /** The parent, when nothing had changed and that was to be skipped. */
  readonly commit: Checksum
  readonly skipped: boolean
  readonly stats: TransactionStats
}

/** @throws {UsageError} with ostree's wording on options that exclude each other or are missing; see also resolve.ts */
export async function commit(repo: Repo, options: CommitOptions): Promise<CommitResult> {
  const parent = await findParent(repo, options)
  const metadata = await givenMetadata(repo, parent, options)
  const modifier = modifierOf(repo, options)
  const tx = await repo.begin(options)
  try {
    const recorder = options.generateSizes === true && repo.mode === 'archive' ? new SizeRecorder(tx) : undefined
    const writer = new CommitWriter(repo, tx, recorder, modifier, options)
    const tree = await writer.layTrees()
    requireUsedUp(options.modifier)
    const root = await writeTree(recorder ?? tx, tree)
    if (options.skipIfUnchanged && parent !== undefined && (await hasRoot(repo, parent, root))) {
      writer.consume()
      return { commit: parent, skipped: true, stats: tx.stats }
    }
    const bootable = options.bootable ? await withBootable(metadata, tree) : metadata
    const sizes = recorder === undefined ? undefined : encodeSizes(await recorder.sizes(repo))
    const all: Vardict = sizes === undefined ? bootable : [...bootable, [SIZES_KEY, sizes]]
    const checksum = await writeCommit(tx, { ...options, root, parent, metadata: all })
    if (options.detachedMetadata !== undefined) {
      await tx.writeAttached('commitmeta', checksum, vardict.encode(options.detachedMetadata))
    }
    if (options.branch !== undefined) setBranch(tx, options.branch, checksum)
    const stats = await tx.commit()
    reportObjects(tx, options)
    writer.consume()
    return { commit: checksum, skipped: false, stats }
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

async function findParent(repo: Repo, { branch, orphan, parent }: CommitOptions): Promise<Checksum | undefined> {
  if (branch === undefined && !orphan) throw new UsageError('A branch must be specified with --branch, or use --orphan')
  if (parent !== undefined) return parent === 'none' ? undefined : parent
  if (orphan || branch === undefined) return undefined
  try {
    return await repo.tryResolve(branch)
  } catch (error) {
    // A directory of refs has that name: writing the ref will tell, better than this.
    if (error instanceof ConflictError) return undefined
    throw error
  }
}

async function givenMetadata(repo: Repo, parent: Checksum | undefined, options: CommitOptions): Promise<Vardict> {
  const { metadata = [], keepMetadata: keys = [], branch, bindRefs = [], bindings = true } = options
  let kept: Vardict = []
  if (keys.length > 0) {
    if (parent === undefined) {
      throw new UsageError('Either --branch or --parent must be specified when using --keep-metadata')
    }
    kept = keepMetadata((await repo.readCommit(parent)).metadata, keys, parent)
  }
  const given = [...metadata, ...kept]
  if (!bindings) return given
  return withBindings(given, branch === undefined ? bindRefs : [branch, ...bindRefs], repo.settings.collectionId)
}

function modifierOf(repo: Repo, options: CommitOptions): CommitModifier | undefined {
  const rules = options.modifier
  if (rules?.canonicalPermissions) {
    if (rules.ownerUid) throw new UsageError('Cannot specify both --canonical-permissions and non-zero --owner-uid')
    if (rules.ownerGid) throw new UsageError('Cannot specify both --canonical-permissions and non-zero --owner-gid')
  }
  const chosen = rules !== undefined || options.sePolicy !== undefined || options.generateSizes || options.consume
  const inForce = chosen || repo.mode === 'bare-user-only'
  if (!inForce) return undefined
  const { devino } = options
  return new CommitModifier(repo, { ...rules, devino, filter: rules?.filter ?? createCommitFilter(rules ?? {}) })
}

/** A mode to add or a file to skip that is nowhere is a mistake. What is left stays in the caller's maps. */
function requireUsedUp(rules: CommitFilterOptions | undefined): void {
  if ((rules?.statOverrides?.add.size ?? 0) > 0) throw new UsageError('Unmatched statoverride paths')
  if ((rules?.skipList?.size ?? 0) > 0) throw new UsageError('Unmatched skip-list paths')
}

async function hasRoot(repo: Repo, checksum: Checksum, root: TreeRoot): Promise<boolean> {
  const { rootTree, rootMeta } = await repo.readCommit(checksum)
  return rootTree === root.tree && rootMeta === root.meta
}

function setBranch(tx: Transaction, branch: string, checksum: Checksum): void {
  const refspec = parseRefspec(branch)
  validateNewRef(refspec)
  tx.setRef(pathOf(refspec), { commit: checksum })
}

/** Lays the trees of one commit over each other. */
class CommitWriter {
  readonly #repo: Repo
  readonly #tx: Transaction
  /** The same transaction, if sizes are to be recorded. */
  readonly #recorder: SizeRecorder | undefined
  readonly #modifier: CommitModifier | undefined
  readonly #options: CommitOptions
  readonly #consumed: [DirectorySource, ConsumedPath[]][] = []
  /** Asked for only where one directory may be, or be in, another. */
  readonly #gone: Set<string> | undefined

  constructor(
    repo: Repo,
    tx: Transaction,
    recorder: SizeRecorder | undefined,
    modifier: CommitModifier | undefined,
    options: CommitOptions,
  ) {
    this.#repo = repo
    this.#tx = recorder ?? tx
    this.#recorder = recorder
    this.#modifier = modifier
    this.#options = options
    const directories = options.trees.filter((input) => 'directory' in input)
    this.#gone = options.consume && directories.length > 1 ? new Set() : undefined
  }

  async layTrees(): Promise<MutableTree> {
    const { base, trees } = this.#options
    const tree = new MutableTree()
    if (base !== undefined) tree.fillEmpty(this.#repo.objects, await this.#rootOf(base))
    if (this.#modifier !== undefined) this.#modifier.sePolicy = await this.#policy()
    for (const input of trees) {
      this.#options.signal?.throwIfAborted()
      this.#recorder?.forget()
      if ('directory' in input) await this.#layDirectory(tree, input.directory)
      else if ('tar' in input) await this.#layTar(tree, input)
      else await this.#layRev(tree, input.rev)
    }
    return tree
  }

  async #policy(): Promise<Pick<SePolicy, 'label'> | undefined> {
    const policy = await this.#options.sePolicy?.()
    const { mode, settings } = this.#repo
    if (policy !== undefined && (mode === 'bare-user-only' || settings.disableXattrs)) {
      // ostree writes objects there that are not what their names say.
      throw new UnsupportedError('SELinux', 'SELinux labels cannot be kept in a repository without extended attributes')
    }
    return policy
  }

  /** Deletes what was committed, where that is wanted. */
  consume(): void {
    for (const [source, consumed] of this.#consumed) source.remove?.(consumed)
  }

  async #layDirectory(tree: MutableTree, source: DirectorySource): Promise<void> {
    const consumed: ConsumedPath[] | undefined = this.#options.consume ? [] : undefined
    const modifier = this.#modifier ?? new CommitModifier(this.#repo, { devino: this.#options.devino })
    await overlayDirectory(this.#tx, tree, source, modifier, { ...this.#options, consumed, gone: this.#gone })
    if (consumed !== undefined) this.#consumed.push([source, consumed])
  }

  async #layTar(tree: MutableTree, input: Extract<TreeInput, { tar: unknown }>): Promise<void> {
    const options = { ...input.options, modifier: this.#modifier, into: await tree.loadAll() }
    await importTar(this.#repo, this.#tx, input.tar, options, this.#options)
  }

  async #layRev(tree: MutableTree, rev: string): Promise<void> {
    const root = await commitRoot(this.#repo.objects, await this.#repo.resolve(rev))
    if (this.#modifier === undefined) return overlayTree(tree, this.#repo.objects, root)
    const source = createTreeSource(this.#repo.objects, root, rev)
    return overlayDirectory(this.#tx, tree, source, this.#modifier, this.#options)
  }

  async #rootOf(rev: string): Promise<TreeRoot> {
    const { rootTree, rootMeta } = await this.#repo.readCommit(await this.#repo.resolve(rev))
    return { tree: rootTree, meta: rootMeta }
  }
}

/**
 * Reads a tar or cpio stream into a tree. Its files and dirmetas are written, its dirtrees are not.
 * @param stream uncompressed; its first chunk has at least 6 bytes, if the archive has
 * @throws {TarFormatError} when the archive is malformed; a file that was only partly read is not stored
 */
export async function importTar(
  repo: Repo,
  tx: Transaction,
  stream: AsyncIterable<Uint8Array>,
  options: TarTreeOptions = {},
  progress: ProgressOptions = {},
): Promise<MutableTree> {
  const builder = new TarTreeBuilder(repo, tx, options)
  try {
    await feed(new TarOrCpioParser(builder), stream, {
      signal: progress.signal,
      drained: () => builder.drained(),
      onChunk: () => reportObjects(tx, progress),
    })
    return await builder.finish()
  } catch (error) {
    builder.abort()
    throw error
  }
}
