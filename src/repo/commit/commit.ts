/**
 * Implements `ostree commit`: overlays trees, builds the metadata, and writes the commit object and the ref.
 *
 * Source: ot-builtin-commit.c.
 */

import type { Checksum, MaybePromise } from '../../bytes.ts'
import { ConflictError, UnsupportedError, UsageError } from '../../errors.ts'
import { type Vardict, vardict } from '../../gvariant/index.ts'
import { encodeSizes } from '../../objects/index.ts'
import type { ProgressOptions } from '../../progress.ts'
import type { Signer } from '../../sign/index.ts'
import { feed, TarOrCpioParser } from '../../tar/index.ts'
import { withComposefs } from '../composefs/image.ts'
import type { BeginOptions, Transaction, TransactionStats } from '../core/interface.ts'
import { commitRoot } from '../core/path.ts'
import { addSignatures } from '../core/signatures.ts'
import { MutableTree, overlayTree, type TreeRoot, writeTree } from '../core/tree.ts'
import { parseRefspec, pathOf, validateNewRef } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'
import type { CommitPolicy } from '../selinux/sepolicy.ts'
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

/** A tree to commit: a directory, an uncompressed tar stream, or the tree of a commit, given by a revision. */
export type TreeInput =
  | { readonly directory: DirectorySource }
  | { readonly tar: AsyncIterable<Uint8Array>; readonly options?: TarInputOptions }
  | { readonly rev: string }

/** Options of `commit`: trees, metadata, branch, and rules for files. */
export interface CommitOptions extends ProgressOptions, BeginOptions, Omit<CommitInput, 'root' | 'parent'> {
  /** The trees, each overlaid on those before. */
  readonly trees: readonly TreeInput[]
  /** Revision whose tree is the first one. The modifier does not apply to it. */
  readonly base?: string | undefined
  /** Rules that change files. With any, even an empty object, trees given by revisions are rewritten file by file. */
  readonly modifier?: (Omit<ModifierOptions, 'devino'> & CommitFilterOptions) | undefined
  /** File objects by inode. Files with these inodes are not read. This does not count as a modifier. */
  readonly devino?: DevInoCache | undefined
  /** Ref to set, `NAME` or `REMOTE:NAME`. */
  readonly branch?: string | undefined
  /** Allow a commit without `branch`. The default of `parent` is then `none`. */
  readonly orphan?: boolean | undefined
  /** Default: the current commit of `branch`. */
  readonly parent?: Checksum | 'none' | undefined
  /** Keys to copy from the parent's metadata. */
  readonly keepMetadata?: readonly string[] | undefined
  /** Write ref and collection bindings into the metadata. Default true. */
  readonly bindings?: boolean | undefined
  /** Further refs to bind the commit to. */
  readonly bindRefs?: readonly string[] | undefined
  /** Write the release of the kernel into the metadata. The tree must have exactly one kernel. */
  readonly bootable?: boolean | undefined
  /** Write the fs-verity digest of the tree's composefs image into the metadata. All content of the tree is read. */
  readonly composefs?: boolean | undefined
  /**
   * Write the sizes of all objects into the metadata, in archive repositories only. Counts as a modifier. The default of
   * `exactCompression` is then true, so that the commit is the same as ostree's with zlib. Files that are stored already
   * count with the size that they have.
   */
  readonly generateSizes?: boolean | undefined
  /** Detached metadata to write for the commit. */
  readonly detachedMetadata?: Vardict | undefined
  /** Sign the commit with each of them, in this order. The branch is not set when one fails. */
  readonly signers?: readonly Signer[] | undefined
  /**
   * Returns the policy for SELinux labels. Called once, after `base` is read and before the trees are. Counts as a
   * modifier, even if it returns `undefined`.
   */
  readonly sePolicy?: (() => MaybePromise<CommitPolicy | undefined>) | undefined
  /** Write no commit if the tree is that of the parent. */
  readonly skipIfUnchanged?: boolean | undefined
  /** Delete the committed directories after the commit. */
  readonly consume?: boolean | undefined
}

/** What `commit` did. */
export interface CommitResult {
  /** The new commit, or the parent if the commit was skipped. */
  readonly commit: Checksum
  /** With `skipIfUnchanged`, nothing had changed. */
  readonly skipped: boolean
  readonly stats: TransactionStats
}

/**
 * Commits trees and sets the branch, in one transaction.
 *
 * @example
 * const trees = [{ directory: createDirectorySource('rootfs') }]
 * const result = await commit(repo, { trees, branch: 'main', subject: 'First', timestamp: 0n })
 * console.log(result.commit)
 * @throws {UsageError} with ostree's wording when options are missing or exclude each other, or an entry of a skip list
 *   or of `statOverrides.add` matched nothing
 * @throws {RefNotFoundError} or {InvalidNameError} when a revision cannot be resolved, or the branch is not a valid
 *   name
 * @throws {NotFoundError} when a key to keep, or the kernel of a bootable commit, is missing
 * @throws {TarFormatError} when a tar stream is malformed
 * @throws {UnsupportedError} when labels are to be set in a repository that cannot store them
 */
export async function commit(repo: Repo, options: CommitOptions): Promise<CommitResult> {
  const parent = await findParent(repo, options)
  const metadata = await givenMetadata(repo, parent, options)
  const modifier = modifierOf(repo, options)
  const withSizes = options.generateSizes === true && repo.mode === 'archive'
  const { exactCompression = withSizes } = options
  const tx = await repo.begin({ ...options, exactCompression })
  try {
    const recorder = withSizes ? new SizeRecorder(tx) : undefined
    const writer = new CommitWriter(repo, tx, recorder, modifier, options)
    const tree = await writer.overlayTrees()
    requireAllMatched(options.modifier)
    const root = await writeTree(recorder ?? tx, tree)
    if (options.skipIfUnchanged && parent !== undefined && (await hasRoot(repo, parent, root))) {
      writer.consume()
      return { commit: parent, skipped: true, stats: tx.stats }
    }
    const bootable = options.bootable ? await withBootable(metadata, tree) : metadata
    const described = options.composefs ? await withComposefs(repo, tx, root, bootable, options.signal) : bootable
    const sizes = recorder === undefined ? undefined : encodeSizes(await recorder.sizes(repo, exactCompression))
    const all: Vardict = sizes === undefined ? described : [...described, [SIZES_KEY, sizes]]
    const checksum = await writeCommit(tx, { ...options, root, parent, metadata: all })
    const attached = await detachedMetadata(repo, tx, checksum, options)
    if (attached !== undefined) await tx.writeAttached('commitmeta', checksum, vardict.encode(attached))
    if (options.branch !== undefined) setBranch(tx, options.branch, checksum)
    const stats = await tx.commit()
    reportObjects(tx, options)
    writer.consume()
    return { commit: checksum, skipped: false, stats }
  } finally {
    await tx[Symbol.asyncDispose]()
  }
}

/** Returns the detached metadata to write: what was given, and signatures. They join those that the commit has already. */
async function detachedMetadata(
  repo: Repo,
  tx: Transaction,
  commit: Checksum,
  { detachedMetadata: given, signers = [] }: CommitOptions,
): Promise<Vardict | undefined> {
  if (signers.length === 0) return given
  const bytes = await tx.readMeta('commit', commit)
  return addSignatures(given ?? (await repo.readDetachedMetadata(commit)), bytes, signers)
}

async function findParent(repo: Repo, { branch, orphan, parent }: CommitOptions): Promise<Checksum | undefined> {
  if (branch === undefined && !orphan) throw new UsageError('A branch must be specified with --branch, or use --orphan')
  if (parent !== undefined) return parent === 'none' ? undefined : parent
  if (orphan || branch === undefined) return undefined
  try {
    return await repo.tryResolve(branch)
  } catch (error) {
    // The branch is the name of a directory of refs, which is reported when the ref is written.
    if (error instanceof ConflictError) return undefined
    throw error
  }
}

/** Returns the metadata without `ostree.bootable` and `ostree.sizes`: given entries, kept ones, and bindings. */
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

/** Returns the modifier; `undefined` if no option or property of the repository requires one. */
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

/**
 * Requires that all modes to add and all paths to skip have matched a file. Those that have not stay in the caller's
 * collections, so that it can list them.
 */
function requireAllMatched(rules: CommitFilterOptions | undefined): void {
  if ((rules?.statOverrides?.add.size ?? 0) > 0) throw new UsageError('Unmatched statoverride paths')
  if ((rules?.skipList?.size ?? 0) > 0) throw new UsageError('Unmatched skip-list paths')
}

/** Tells whether a commit has the given tree. */
async function hasRoot(repo: Repo, checksum: Checksum, root: TreeRoot): Promise<boolean> {
  const { rootTree, rootMeta } = await repo.readCommit(checksum)
  return rootTree === root.tree && rootMeta === root.meta
}

function setBranch(tx: Transaction, branch: string, checksum: Checksum): void {
  const refspec = parseRefspec(branch)
  validateNewRef(refspec)
  tx.setRef(pathOf(refspec), { commit: checksum })
}

/** Overlays the trees of one commit. */
class CommitWriter {
  readonly #repo: Repo
  readonly #tx: Transaction
  /** The same object as `#tx` if sizes are recorded, else `undefined`. */
  readonly #recorder: SizeRecorder | undefined
  readonly #modifier: CommitModifier | undefined
  readonly #options: CommitOptions
  readonly #consumed: [DirectorySource, ConsumedPath[]][] = []
  /** Directories that will be deleted; `undefined` if there is only one directory, so that it cannot be in another. */
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

  /** Reads all trees, and writes their files and dirmetas. @returns the merged tree, without its dirtrees */
  async overlayTrees(): Promise<MutableTree> {
    const { base, trees } = this.#options
    const tree = new MutableTree()
    if (base !== undefined) tree.fillEmpty(this.#repo.objects, await this.#rootOf(base))
    if (this.#modifier !== undefined) this.#modifier.sePolicy = await this.#policy()
    for (const input of trees) {
      this.#options.signal?.throwIfAborted()
      this.#recorder?.forget()
      if ('directory' in input) await this.#overlayDirectory(tree, input.directory)
      else if ('tar' in input) await this.#overlayTar(tree, input)
      else await this.#overlayRev(tree, input.rev)
    }
    return tree
  }

  async #policy(): Promise<CommitPolicy | undefined> {
    const policy = await this.#options.sePolicy?.()
    const { mode, settings } = this.#repo
    if (policy !== undefined && (mode === 'bare-user-only' || settings.disableXattrs)) {
      // ostree writes objects there that do not match their checksums.
      throw new UnsupportedError('SELinux', 'SELinux labels cannot be kept in a repository without extended attributes')
    }
    return policy
  }

  /** Deletes the committed directories, with the option `consume`. */
  consume(): void {
    for (const [source, consumed] of this.#consumed) source.remove?.(consumed)
  }

  async #overlayDirectory(tree: MutableTree, source: DirectorySource): Promise<void> {
    const consumed: ConsumedPath[] | undefined = this.#options.consume ? [] : undefined
    const modifier = this.#modifier ?? new CommitModifier(this.#repo, { devino: this.#options.devino })
    await overlayDirectory(this.#tx, tree, source, modifier, { ...this.#options, consumed, gone: this.#gone })
    if (consumed !== undefined) this.#consumed.push([source, consumed])
  }

  async #overlayTar(tree: MutableTree, input: Extract<TreeInput, { tar: unknown }>): Promise<void> {
    const options = { ...input.options, modifier: this.#modifier, into: await tree.loadAll() }
    await importTar(this.#repo, this.#tx, input.tar, options, this.#options)
  }

  async #overlayRev(tree: MutableTree, rev: string): Promise<void> {
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
 * Reads a tar or cpio stream into a tree, and writes its files and dirmetas. The dirtrees are not written.
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
      stopAtEnd: options.stopAtEnd,
    })
    return await builder.finish()
  } catch (error) {
    builder.abort()
    throw error
  }
}
