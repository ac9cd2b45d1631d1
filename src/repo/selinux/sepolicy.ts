/**
 * The SELinux policy of a tree: which label each path gets.
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

import { type Checksum, type Content, displayUtf8, EMPTY_BYTES, readAll } from '../../bytes.ts'
import { FormatError, LimitError, OstreeError, UnsupportedError, withContext } from '../../errors.ts'
import type { Platform } from '../../platform/index.ts'
import { FileContexts } from '../../selinux/index.ts'
import type { ObjectReader } from '../core/interface.ts'
import { commitRoot, followPath, lookupFile, lookupPath } from '../core/path.ts'
import { readDirTree } from '../core/read-metadata.ts'
import type { TreeRoot } from '../core/tree.ts'

export interface SePolicy {
  /** As SELINUXTYPE has it. */
  readonly name: string
  /**
   * @param path absolute, in the tree as it is deployed
   * @param mode full st_mode
   * @returns the context; `undefined` when such a file gets none
   * @throws {LimitError} when labels take too long to find
   */
  label(path: string, mode: number): string | undefined
  /** Of the newest binary policy. */
  checksum(platform: Platform): Promise<Checksum>
}

/** The directory of `config`, wherever it is kept. */
export interface SePolicyFiles {
  /** A regular file, links followed. @returns `undefined` when there is none */
  read(path: string): Promise<Content | undefined>
  /** What is in a directory; nothing when there is none. */
  list(path: string): Promise<string[]>
}

/** The first that is there is asked, whatever is in it. */
export const SELINUX_DIRECTORIES: readonly string[] = ['/etc/selinux', '/usr/etc/selinux']

/** Bytes of one file of a policy, but for the binary one. The largest has half a million. */
export const MAX_POLICY_TEXT: number = 1 << 24

/** @returns `undefined` when the tree has no policy, or one that is disabled. @throws as `parseSePolicy` */
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

/** The policy a commit brings along, in `/usr/etc/selinux`. @returns and throws as `findSePolicy` */
export async function findSePolicyOfCommit(reader: ObjectReader, commit: Checksum): Promise<SePolicy | undefined> {
  return findSePolicy(reader, await commitRoot(reader, commit), ['/usr/etc/selinux'])
}

/** The policy by which `/usr/etc`, and what is in it, gets the labels of `/etc`: labelling epoch 1 of ostree. */
export function withEtcLabels(policy: Pick<SePolicy, 'label'>): Pick<SePolicy, 'label'> {
  return {
    label: (path, mode) => policy.label(/^\/usr\/etc(\/|$)/.test(path) ? path.slice('/usr'.length) : path, mode),
  }
}

/** @param directory that of `config`. @throws as `parseSePolicy` */
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
 * @param where names the directory in errors
 * @returns `undefined` when the policy is disabled
 * @throws {FormatError} when the policy that is asked for is not there or broken; {UnsupportedError} when its file
 *   contexts are only there in compiled form, or use what cannot be read; {LimitError}
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
    // What is mounted there labels itself; what is below has to be labelled as a place to mount.
    label: (path, mode) => contexts.lookup(path === '/proc' ? '/mnt' : path, mode),
    checksum: async (platform) => hash((await files.read(binary)) ?? EMPTY_BYTES, platform),
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
      'contexts/files/file_contexts is only there in compiled form, which cannot be read',
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

/** Of a file that is read as text: its first bytes are no UTF-8. */
const COMPILED_MAGIC = '\ufffd\ufffd|\ufffd'

function policyName(config: string): string | undefined {
  const lines = config.split('\n')
  const enabled = lines.some((line) => /^SELINUX=(?:enforcing|permissive)/i.test(line) && line.startsWith('SELINUX='))
  const name = lines.findLast((line) => line.startsWith('SELINUXTYPE='))?.slice('SELINUXTYPE='.length)
  return enabled ? name?.trim() || undefined : undefined
}

async function findBinaryPolicy(files: SePolicyFiles, name: string): Promise<string> {
  const version = (file: string) => Number(/^policy\.(\d+)$/.exec(file)?.[1] ?? 0)
  const [newest] = (await files.list(`${name}/policy`)).toSorted((a, b) => version(b) - version(a))
  if (newest !== undefined && version(newest) > 0) return `${name}/policy/${newest}`
  throw new FormatError('SELinux policy', 'While calculating SELinux checksum: Could not find binary policy file')
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

/** Nothing there, a file where a directory was looked for, a ring of links. An object that is gone is another matter. */
async function unlessMissing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof OstreeError && (error.name === 'PathNotFoundError' || error.code === 'io')) return undefined
    throw error
  }
}
