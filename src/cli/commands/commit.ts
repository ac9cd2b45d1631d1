/** `ostree commit`. Source: ot-builtin-commit.c. */

import { ConflictError, TarFormatError, UsageError, withContext } from '../../errors.ts'
import { parseChecksum } from '../../objects/index.ts'
import { type CommitOptions, type CommitResult, commit as commitTrees, type Repo } from '../../repo/index.ts'
import { inTableOrder, parseSkipList, parseStatOverrides } from '../../repo/internal.ts'
import { scanHardLinks } from '../../repo/local.ts'
import { type CommandContext, command } from '../command.ts'
import { detachedMetadata, givenMetadata, sePolicyOf, timestampOf, treesOf } from '../commit/inputs.ts'
import { COMMIT_OPTIONS } from '../commit/options.ts'
import { gpgSignersOf } from '../signing/gpg.ts'
import { fileSignersOf, signersOf } from '../signing/keys.ts'
import { editMessage } from '../text/editor.ts'
import { ObjectCounter } from '../text/object-counter.ts'
import type { Output } from '../text/output.ts'
import { parseBoolean, parseFsync, readTextFile } from '../values.ts'

type Context = CommandContext<typeof COMMIT_OPTIONS>

export const commit = command({
  name: 'commit',
  summary: 'Commit a new revision',
  usage: '[PATH]',
  repo: true,
  rawArgs: true,
  long: true,
  options: COMMIT_OPTIONS,
  async run(context) {
    const { options, out, err, env } = context
    const fsync = parseFsync(options.fsync) ?? (options['disable-fsync'] ? false : undefined)
    const repo = await context.repo()
    const modifier = modifierOf(context)
    const parent = await checkParent(context, repo)
    const metadata = givenMetadata(options)
    const attached = detachedMetadata(options)
    refuse(context)
    const sePolicy = await sePolicyOf(context, repo)
    const message = messageOf(context)
    const counter = options.json ? undefined : new ObjectCounter(err, 'Committing')
    let result: CommitResult
    try {
      result = await commitTrees(repo, {
        ...message,
        trees: treesOf(context, repo),
        base: options.base,
        modifier,
        sePolicy,
        devino: options['link-checkout-speedup'] || options['devino-canonical'] ? scanHardLinks(repo) : undefined,
        branch: options.branch,
        orphan: options.orphan,
        parent,
        metadata,
        detachedMetadata: attached,
        signers: [
          ...signersOf(options, options.sign, env),
          ...fileSignersOf(options, options['sign-from-file'], env),
          ...gpgSignersOf(options['gpg-sign'], options['gpg-homedir']),
        ],
        keepMetadata: options['keep-metadata'],
        bindings: !options['no-bindings'],
        bindRefs: options['bind-ref'],
        bootable: options.bootable,
        composefs: options['generate-composefs-metadata'],
        generateSizes: options['generate-sizes'],
        exactCompression: parseBoolean('exact-compression', options['exact-compression']),
        skipIfUnchanged: options['skip-if-unchanged'],
        consume: options.consume,
        timestamp: timestampOf(context),
        fsync,
        signal: context.signal,
        onProgress: counter?.listen,
      })
    } catch (error) {
      counter?.end()
      reportUnmatched(err, modifier, error)
      throw isUnrecognizedArchive(error)
        ? withContext(`archive_read_open_${options.tree.includes('tar=-') ? 'fd' : 'filename'}`, error)
        : error
    }
    counter?.end()
    if (options.json) out.json({ commit: result.commit, skipped: result.skipped, ...result.stats })
    else if (options['table-output']) out.write(formatTable(result))
    else out.line(result.commit)
  },
})

/** Returns the rules that change files while they are committed, or `undefined` when no option asks for any. */
function modifierOf({ options }: Context): CommitOptions['modifier'] {
  const statOverride = options.statoverride
  const skipList = options['skip-list']
  const canonicalDevino = options['devino-canonical']
  const owner = (id: number | undefined): number | undefined => (id === undefined || id < 0 ? undefined : id)
  const rules = {
    statOverrides: statOverride === undefined ? undefined : parseStatOverrides(readTextFile(statOverride)),
    skipList: skipList === undefined ? undefined : parseSkipList(readTextFile(skipList)),
    canonicalPermissions: options['canonical-permissions'] || undefined,
    noXattrs: options['no-xattrs'] || undefined,
    ownerUid: owner(options['owner-uid']),
    ownerGid: owner(options['owner-gid']),
    readOnlyExecutables: options['mode-ro-executables'] || undefined,
    devinoCanonical: canonicalDevino || undefined,
  }
  return Object.values(rules).some((rule) => rule !== undefined) ? rules : undefined
}

/**
 * Checks branch and parent before the metadata, in the order of ostree; the library would report them later.
 * @returns the value of `--parent`
 */
async function checkParent({ options }: Context, repo: Repo): Promise<CommitOptions['parent']> {
  const { branch, orphan, parent } = options
  if (branch === undefined && !orphan) {
    throw new UsageError('A branch must be specified with --branch, or use --orphan')
  }
  if (parent !== undefined) return parent === 'none' ? 'none' : parseChecksum(parent)
  if (orphan || branch === undefined) return undefined
  try {
    await repo.tryResolve(branch)
  } catch (error) {
    // The branch is the name of a directory of refs: reported when the ref is written, as in ostree.
    if (!(error instanceof ConflictError)) throw error
  }
  return undefined
}

/** Refuses invalid and unsupported options. @throws {UsageError} or {UnsupportedError} for the first one */
function refuse({ options }: Context): void {
  if (options['selinux-policy'] !== undefined && options['selinux-policy-from-base']) {
    throw new UsageError('Cannot specify both --selinux-policy and --selinux-policy-from-base')
  }
  const epoch = options['selinux-labeling-epoch']
  if (epoch !== undefined && epoch !== 0 && epoch !== 1) {
    throw new UsageError(`Unknown SELinux labeling epoch: ${epoch}`)
  }
}

function messageOf({ options, env }: Context): { subject: string | undefined; body: string | undefined } {
  const { subject, branch } = options
  const file = options['body-file']
  const body = file === undefined ? options.body : readTextFile(file)
  if (!options.editor) return { subject, body }
  return editMessage({ branch, subject, body, env })
}

/**
 * Prints the entries of the statoverride file or skip list that matched nothing, when `error` reports that there are
 * any.
 */
function reportUnmatched(err: Output, rules: CommitOptions['modifier'], error: unknown): void {
  if (!(error instanceof UsageError)) return
  if (error.message === 'Unmatched statoverride paths') {
    for (const path of inTableOrder(rules?.statOverrides?.add.keys() ?? []))
      err.line(`Unmatched statoverride path: ${path}`)
  } else if (error.message === 'Unmatched skip-list paths') {
    for (const path of inTableOrder(rules?.skipList ?? [])) err.line(`Unmatched skip-list path: ${path}`)
  }
}

/** Tells whether a file is not an archive at all. libarchive reports that when the archive is opened. */
function isUnrecognizedArchive(error: unknown): boolean {
  return error instanceof TarFormatError && error.message === 'Unrecognized archive format' && error.data.offset === 0
}

function formatTable({ commit, stats }: CommitResult): string {
  return [
    `Commit: ${commit}`,
    `Metadata Total: ${stats.metadataTotal}`,
    `Metadata Written: ${stats.metadataWritten}`,
    `Content Total: ${stats.contentTotal}`,
    `Content Written: ${stats.contentWritten}`,
    `Content Cache Hits: ${stats.contentCacheHits}`,
    `Content Bytes Written: ${stats.contentBytesWritten}`,
    '',
  ].join('\n')
}
