/**
 * Reads the SELinux policy of a tree, which gives the label of each path.
 *
 * ```
 * /etc/selinux, else /usr/etc/selinux
 *   config                               SELINUX=enforcing|permissive, SELINUXTYPE=targeted
 *   targeted/contexts/files/file_contexts{,.homedirs,.local,.subs,.subs_dist}
 *   targeted/policy/policy.33
 * ```
 *
 * Source: libostree, ostree-sepolicy.c.
 */

import { type Checksum, type Content, displayUtf8, EMPTY_BYTES, encodeUtf8, readAll } from '../../bytes.ts'
import { FormatError, LimitError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { FileContexts } from '../../selinux/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { commitRoot, followPath, lookupFile, lookupPath } from '../core/path.ts'
import { readDirTree } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'

/** An SELinux policy, as far as it labels files. */
export interface SePolicy {
  /** The value of SELINUXTYPE, such as `targeted`. */
  readonly name: string
  /**
   * Returns the label of a file.
   * @param path absolute path in the deployed tree
   * @param mode full `st_mode`, with the file type
   * @returns the security context; `undefined` when the policy gives this file none
   * @throws {LimitError} when the patterns take too long to match
   */
  label(path: string, mode: number): string | undefined
  /** Returns the SHA-256 checksum of the newest binary policy. */
  checksum(platform: Platform): Promise<Checksum>
  /** Returns the SHA-256 checksum of the file contexts: policies for which it is equal give the same labels. */
  contextsChecksum(platform: Platform): Promise<Checksum>
}

/** Access to the directory that holds `config`, in a commit or on disk. */
export interface SePolicyFiles {
  /** Reads a regular file, following symlinks. @returns `undefined` when it does not exist */
  read(path: string): Promise<Content | undefined>
  /** Lists the names in a directory; empty when it does not exist. */
  list(path: string): Promise<string[]>
}

/** Directories of a tree that may have a policy. The first one that exists is used, even if it has none. */
export const SELINUX_DIRECTORIES: readonly string[] = ['/etc/selinux', '/usr/etc/selinux']

/** Maximum size in bytes of a file of a policy, except the binary one. The largest known has about 500 kB. */
export const MAX_POLICY_TEXT: number = 1 << 24

/**
 * Reads the policy of a tree.
 * @param directories where to look; the first that exists is used
 * @returns `undefined` when the tree has no policy, or it is disabled
 * @throws {FormatError}, {UnsupportedError} or {LimitError} as `parseSePolicy` does
 */
export async function findSePolicy(
  reader: ObjectReader,
  root: TreeRoot,
  directories: readonly string[] = SELINUX_DIRECTORIES,
): Promise<SePolicy | undefined> {
  for (const path of directories) {
    const entry = await unlessMissing(() => followPath(reader, root, path))
    if (entry !== undefined) return entry.kind === 'directory' ? readSePolicy(reader, entry, path) : undefined
  }
  return undefined
}

/** Reads the policy of a commit, in `/usr/etc/selinux`. Results and errors are those of `findSePolicy`. */
export async function findSePolicyOfCommit(reader: ObjectReader, commit: Checksum): Promise<SePolicy | undefined> {
  return findSePolicy(reader, await commitRoot(reader, commit), ['/usr/etc/selinux'])
}

/** A policy that labels the trees of a commit. */
export interface CommitPolicy extends Pick<SePolicy, 'label'> {
  /** The policy for entries of tar archives, if that is another one. */
  readonly forArchives?: Pick<SePolicy, 'label'> | undefined
}

/**
 * Returns a policy that labels `/usr/etc` and everything in it like `/etc`: ostree's labeling epoch 1. As in ostree, it has
 * no effect on tar archives.
 */
export function withEtcLabels(policy: Pick<SePolicy, 'label'>): CommitPolicy {
  return {
    forArchives: policy,
    label: (path, mode) => policy.label(/^\/usr\/etc(\/|$)/.test(path) ? path.slice('/usr'.length) : path, mode),
  }
}

/**
 * Reads a policy from a directory of a tree. Results and errors are those of `parseSePolicy`.
 * @param directory the directory that holds `config`
 * @param where its path, for error messages
 */
export function readSePolicy(reader: ObjectReader, directory: TreeRoot, where: string): Promise<SePolicy | undefined> {
  const files: SePolicyFiles = {
    read: async (path) => {
      const entry = await unlessMissing(() => lookupFile(reader, directory, path))
      return entry === undefined ? undefined : (await reader.readFile(entry.checksum)).body
    },
    list: async (path) => {
      const entry = await unlessMissing(() => lookupPath(reader, directory, path))
      const found = entry?.kind === 'directory' ? (await readDirTree(reader, entry.tree)).files : []
      return found.map(({ name }) => name)
    },
  }
  return parseSePolicy(files, where)
}

/**
 * Reads a policy.
 * @param where path of the directory, for error messages
 * @returns `undefined` when `config` does not exist or disables SELinux
 * @throws {FormatError} when the policy named in `config` is missing or malformed
 * @throws {UnsupportedError} when its file contexts exist only in compiled form, or have patterns that are not
 *   supported
 * @throws {LimitError} when a file is larger than MAX_POLICY_TEXT
 */
export async function parseSePolicy(files: SePolicyFiles, where: string): Promise<SePolicy | undefined> {
  const name = policyName((await readText(files, 'config')) ?? '')
  if (name === undefined) return undefined
  let contexts: FileContexts
  try {
    contexts = await readContexts(files, `${name}/contexts/files/file_contexts`)
  } catch (error) {
    throw withContext(`With policy root '${where}/${name}'`, error)
  }
  const binary = await findBinaryPolicy(files, name)
  return {
    name,
    // As in ostree, /proc is labelled as a mount point: the file system mounted there has its own labels.
    label: (path, mode) => contexts.lookup(path === '/proc' ? '/mnt' : path, mode),
    checksum: async (platform) => hash((await files.read(binary)) ?? EMPTY_BYTES, platform),
    contextsChecksum: (platform) => hashContexts(files, `${name}/contexts/files/file_contexts`, platform),
  }
}

async function readContexts(files: SePolicyFiles, path: string): Promise<FileContexts> {
  const fileContexts = await readText(files, path)
  if (fileContexts === undefined || fileContexts.startsWith(COMPILED_MAGIC)) {
    if (fileContexts === undefined && (await files.read(`${path}.bin`)) === undefined) {
      throw new FormatError('SELinux policy', 'selabel_open(SELABEL_CTX_FILE): No such file or directory')
    }
    throw new UnsupportedError(
      'SELinux policy',
      'contexts/files/file_contexts exists only in compiled form, which is not supported',
    )
  }
  const contexts = new FileContexts({
    fileContexts,
    homedirs: await readText(files, `${path}.homedirs`),
    local: await readText(files, `${path}.local`),
    subs: await readText(files, `${path}.subs`),
    subsDist: await readText(files, `${path}.subs_dist`),
  })
  if (contexts.lookup('/', 0) === undefined) {
    throw new FormatError('SELinux policy', 'Failed to look up context of /: No such file or directory')
  }
  return contexts
}

/** The first bytes of a compiled file, decoded as UTF-8 with replacement characters. */
const COMPILED_MAGIC = '\ufffd\ufffd|\ufffd'

/** Returns SELINUXTYPE of the file `config`; `undefined` when it is not set or SELinux is disabled. */
function policyName(config: string): string | undefined {
  const lines = config.split('\n')
  const enabled = lines.some((line) => /^SELINUX=(?:enforcing|permissive)/i.test(line) && line.startsWith('SELINUX='))
  const name = lines.findLast((line) => line.startsWith('SELINUXTYPE='))?.slice('SELINUXTYPE='.length)
  return enabled ? name?.trim() || undefined : undefined
}

/** Returns the path of the file `policy.N` with the highest N. @throws {FormatError} when there is none */
async function findBinaryPolicy(files: SePolicyFiles, name: string): Promise<string> {
  const version = (file: string) => Number(/^policy\.(\d+)$/.exec(file)?.[1] ?? 0)
  const [newest] = (await files.list(`${name}/policy`)).toSorted((a, b) => version(b) - version(a))
  if (newest !== undefined && version(newest) > 0) return `${name}/policy/${newest}`
  throw new FormatError('SELinux policy', 'While calculating SELinux checksum: Could not find binary policy file')
}

/** The files beside `file_contexts`. */
const MORE_CONTEXTS = ['.homedirs', '.local', '.subs', '.subs_dist']

/** Hashes the file contexts, each after its length in decimal and a space, or after a line feed if it does not exist. */
async function hashContexts(files: SePolicyFiles, path: string, platform: Platform): Promise<Checksum> {
  const hasher = platform.createSha256()
  for (const suffix of ['', ...MORE_CONTEXTS]) {
    const text = await readText(files, `${path}${suffix}`)
    const bytes = text === undefined ? undefined : encodeUtf8(text)
    hasher.update(encodeUtf8(bytes === undefined ? '\n' : `${bytes.length} `))
    if (bytes !== undefined) hasher.update(bytes)
  }
  return hasher.digest()
}

async function hash(body: Content, platform: Platform): Promise<Checksum> {
  if (body instanceof Uint8Array) return platform.sha256(body)
  const hasher = platform.createSha256()
  for await (const chunk of body) hasher.update(chunk)
  return hasher.digest()
}

async function readText(files: SePolicyFiles, path: string): Promise<string | undefined> {
  const body = await files.read(path)
  if (body === undefined) return undefined
  const tooLong = (limit: number) => new LimitError('size of a file of the SELinux policy', limit, undefined, path)
  return displayUtf8(await readAll(body, MAX_POLICY_TEXT, tooLong))
}

/**
 * Returns `undefined` when a path does not exist, leads through a file, or is a loop of symlinks. Other errors, such as
 * a missing object, are thrown.
 */
async function unlessMissing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof OstreeError && (error.name === 'PathNotFoundError' || error.code === 'io')) return undefined
    throw error
  }
}
