/** `ostree checkout`. Source: ot-builtin-checkout.c. */

import { resolve } from 'node:path'
import { type Checksum, decodeUtf8 } from '../../bytes.ts'
import { FormatError, IoError, PathNotFoundError, UsageError, withContext } from '../../errors.ts'
import {
  type CheckoutOptions,
  checkout as checkoutTree,
  composefsImage,
  type OverwriteMode,
  type Repo,
  type SePolicy,
  skipListFilter,
  type UncompressedCache,
  verifiedComposefsImage,
} from '../../repo/index.ts'
import { parseSkipList } from '../../repo/internal.ts'
import {
  createCheckoutTarget,
  createUncompressedCache,
  readLocalSePolicy,
  writeComposefsFile,
} from '../../repo/local.ts'
import { command } from '../command.ts'
import { imageRevision } from '../image-revision.ts'
import type { OptionTable, OptionValues } from '../options.ts'
import { ObjectCounter } from '../text/object-counter.ts'
import { parseFsync, readBytes, readTextFile } from '../values.ts'

const OPTIONS = {
  'user-mode': { type: 'flag', short: 'U', help: 'Do not change file ownership or initialize extended attributes' },
  'disable-cache': {
    type: 'flag',
    help: 'Do not update or use the internal repository uncompressed object cache',
  },
  subpath: { type: 'string', raw: true, arg: 'PATH', help: 'Checkout sub-directory PATH' },
  union: { type: 'flag', help: 'Keep existing directories, overwrite existing files' },
  'union-add': { type: 'flag', help: 'Keep existing files/directories, only add new' },
  'union-identical': {
    type: 'flag',
    help: 'When layering checkouts, error out if a file would be replaced with a different version, but add new files and directories',
  },
  whiteouts: { type: 'flag', help: "Process 'whiteout' (Docker style) entries" },
  'process-passthrough-whiteouts': {
    type: 'flag',
    help: 'Enable overlayfs whiteout extraction into char 0:0 devices',
  },
  'allow-noent': { type: 'flag', help: 'Do nothing if specified path does not exist' },
  'from-stdin': { type: 'flag', help: 'Process many checkouts from standard input' },
  'from-file': { type: 'string', arg: 'FILE', help: 'Process many checkouts from input file' },
  fsync: { type: 'string', arg: 'POLICY', help: 'Specify how to invoke fsync()' },
  'require-hardlinks': { type: 'flag', short: 'H', help: 'Do not fall back to full copies if hardlinking fails' },
  'force-copy-zerosized': { type: 'flag', short: 'z', hidden: true },
  'force-copy': { type: 'flag', short: 'C', help: 'Never hardlink (but may reflink if available)' },
  'bareuseronly-dirs': {
    type: 'flag',
    short: 'M',
    help: 'Suppress mode bits outside of 0775 for directories (suid, world writable, etc.)',
  },
  'skip-list': { type: 'string', raw: true, arg: 'FILE', help: 'File containing list of files to skip' },
  'selinux-policy': {
    type: 'string',
    raw: true,
    arg: 'PATH',
    help: 'Set SELinux labels based on policy in root filesystem PATH (may be /); implies --force-copy',
  },
  'selinux-prefix': {
    type: 'string',
    arg: 'PREFIX',
    help: 'When setting SELinux labels, prefix all paths by PREFIX',
  },
  etc: { type: 'flag', added: true, help: 'Put /usr/etc at /etc' },
  composefs: { type: 'flag', help: 'Only create a composefs blob' },
  'composefs-noverity': { type: 'flag', help: 'Only create a composefs blob, and disable fsverity' },
} as const satisfies OptionTable

type Options = OptionValues<typeof OPTIONS>

export const checkout = command({
  name: 'checkout',
  summary: 'Check out a commit into a filesystem tree',
  usage: 'COMMIT [DESTINATION]',
  repo: true,
  rawArgs: true,
  long: true,
  options: OPTIONS,
  async run({ options, args, err, repo: openRepo, usageError }) {
    const fsync = parseFsync(options.fsync) ?? false
    const repo = await openRepo()
    const [first, second] = args
    if (first === undefined) throw usageError('COMMIT must be specified')
    const counter = new ObjectCounter(err, 'Checking out')
    const onProgress = counter.listen
    const run = async (rev: string, destination: string, subpath: string | undefined): Promise<void> => {
      try {
        await checkoutOne(
          repo,
          rev,
          destination,
          { ...(await optionsOf(options)), fsync, subpath, onProgress },
          options,
        )
      } finally {
        counter.end()
      }
    }

    const list = options['from-stdin'] ? 0 : options['from-file']
    if (list === undefined) return run(first, second ?? first, options.subpath)
    const records = readBytes(list, (reason) => `Error opening file ${resolve(String(list))}: ${reason}`)
    for (const { rev, subpath } of parseRecords(records)) {
      const commit = await repo.resolve(await imageRevision(repo, rev))
      try {
        await run(commit, first, subpath)
      } catch (error) {
        throw withContext(`Processing tree ${commit}`, error)
      }
    }
  },
})

/**
 * Tells whether an option is given that ostree passes to its newer function, `ostree_repo_checkout_at`. Without any,
 * ostree calls the older one, which uses the cache of uncompressed objects.
 */
function isExtended(options: Options): boolean {
  return (
    options['disable-cache'] ||
    options.etc ||
    options.whiteouts ||
    options['require-hardlinks'] ||
    options['union-add'] ||
    options['force-copy'] ||
    options['force-copy-zerosized'] ||
    options['bareuseronly-dirs'] ||
    options['union-identical'] ||
    options['process-passthrough-whiteouts'] ||
    options['skip-list'] !== undefined ||
    options['selinux-policy'] !== undefined ||
    options['selinux-prefix'] !== undefined
  )
}

/** Converts the options. @throws {UsageError} when options exclude each other; {IoError} when a file cannot be read */
async function optionsOf(options: Options): Promise<CheckoutOptions> {
  const skipList = options['skip-list']
  const policy = options['selinux-policy']
  const prefix = options['selinux-prefix']
  if (prefix !== undefined && policy === undefined) {
    throw new UsageError('Cannot specify --selinux-prefix without --selinux-policy')
  }
  const requireHardlinks = options['require-hardlinks']
  if (requireHardlinks && policy !== undefined)
    throw new UsageError('Cannot specify both --require-hardlinks and --force-copy')
  // ostree crashes on an empty prefix and on a relative one.
  if (prefix !== undefined && !prefix.startsWith('/')) throw new UsageError(`Invalid SELinux prefix '${prefix}'`)
  return {
    mode: options['user-mode'] ? 'user' : 'none',
    overwrite: overwriteOf(options),
    requireHardlinks,
    forceCopy: options['force-copy'] || policy !== undefined,
    ...(policy !== undefined && { sePolicy: await readPolicy(policy), sePolicyPrefix: prefix }),
    whiteouts: options.whiteouts,
    etc: options.etc ? 'restore' : 'keep',
    passthroughWhiteouts: options['process-passthrough-whiteouts'],
    bareUserOnlyDirs: options['bareuseronly-dirs'],
    filter: skipList === undefined ? undefined : skipListFilter(parseSkipList(readTextFile(skipList))),
  }
}

/**
 * Reads the SELinux policy of a directory.
 * @returns `undefined` when it has none; ostree crashes on such a directory
 */
async function readPolicy(path: string): Promise<SePolicy | undefined> {
  try {
    return await readLocalSePolicy(path)
  } catch (error) {
    throw withContext('selinux-policy: ', error)
  }
}

function overwriteOf(options: Options): OverwriteMode {
  const { union } = options
  const add = options['union-add']
  const identical = options['union-identical']
  if (union && add) throw new UsageError('Cannot specify both --union and --union-add')
  if (union && identical) throw new UsageError('Cannot specify both --union and --union-identical')
  if (add && identical) throw new UsageError('Cannot specify both --union-add and --union-identical')
  return union ? 'union-files' : add ? 'add' : identical ? 'union-identical' : 'none'
}

async function checkoutOne(
  repo: Repo,
  rev: string,
  destination: string,
  checkoutOptions: CheckoutOptions,
  options: Options,
): Promise<void> {
  const commit = await repo.resolve(await imageRevision(repo, rev))
  if (isImage(options)) return checkoutImage(repo, commit, destination, options)
  // `resolve('')` would give the current directory. ostree passes a null pointer.
  if (destination === '' && !isExtended(options)) throw new IoError('mkdirat: Bad address', 'EFAULT', destination)
  const cache = isExtended(options) ? undefined : cacheOf(repo, checkoutOptions)
  try {
    await checkoutTree(repo, commit, createCheckoutTarget(isExtended(options) ? destination : resolve(destination)), {
      ...checkoutOptions,
      cache,
    })
  } catch (error) {
    const isMissing = error instanceof PathNotFoundError && checkoutOptions.subpath !== undefined
    if (!(isMissing && options['allow-noent'] && !isExtended(options))) throw error
  }
}

/** Tells whether a composefs image is to be written instead of a tree. A list of commits is checked out as trees. */
function isImage(options: Options): boolean {
  const isList = options['from-stdin'] || options['from-file'] !== undefined
  return !isList && (options.composefs || options['composefs-noverity'])
}

/** Writes the composefs image of a commit, which is compared with the digest in the commit unless it is without verity. */
async function checkoutImage(repo: Repo, commit: Checksum, destination: string, options: Options): Promise<void> {
  if (isExtended(options)) throw new UsageError('Specified options are incompatible with --composefs')
  const image = options['composefs-noverity']
    ? await composefsImage(repo, commit, { verity: false })
    : await verifiedComposefsImage(repo, commit)
  writeComposefsFile(image, destination)
}

/**
 * Returns the cache of uncompressed objects, which ostree uses to check out an archive repository in user mode. As in
 * ostree, files that no checkout links to any more stay in it.
 */
function cacheOf(repo: Repo, { mode }: CheckoutOptions): UncompressedCache | undefined {
  if (repo.mode !== 'archive' || mode !== 'user' || repo.storage.directory === undefined) return undefined
  return repo.storage.writable ? createUncompressedCache(repo) : undefined
}

/** Parses records of the form `REV NUL SUBPATH NUL`; an empty REV ends them. @throws {FormatError} when the list is not UTF-8 */
function parseRecords(bytes: Uint8Array): { rev: string; subpath: string | undefined }[] {
  const text = decodeUtf8(bytes)
  if (text === undefined) throw new FormatError('checkouts', 'Invalid UTF-8 in list of checkouts')
  const fields = text.split('\0')
  if (fields.at(-1) === '') fields.pop()
  const records: { rev: string; subpath: string | undefined }[] = []
  for (let i = 0; i < fields.length && fields[i] !== ''; i += 2) {
    records.push({ rev: fields[i] as string, subpath: fields[i + 1] })
  }
  return records
}
