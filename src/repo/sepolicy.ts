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

import { type Checksum, displayUtf8, readAll } from '../bytes.ts'
import { FormatError, LimitError, OstreeError, UnsupportedError, withContext } from '../errors.ts'
import type { Platform } from '../platform/index.ts'
import { FileContexts } from '../selinux/index.ts'
import type { ObjectReader } from './interface.ts'
import { followPath, lookupFile, lookupPath } from './path.ts'
import { readDirTree } from './read-metadata.ts'
import type { TreeRoot } from './tree.ts'

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

/** The first that is there is asked, whatever is in it. */
export const SELINUX_DIRECTORIES: readonly string[] = ['/etc/selinux', '/usr/etc/selinux']

/** Bytes of one file of a policy, but for the binary one. The largest has half a million. */
export const MAX_POLICY_TEXT: number = 1 << 24

/** @returns `undefined` when the tree has no policy, or one that is disabled. @throws as `readSePolicy` */
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

/**
 * @param directory that of `config`
 * @param where names the directory in errors
 * @throws {FormatError} when the policy that is asked for is not there or broken; {UnsupportedError} when its file
 *   contexts are only there in compiled form, or use what cannot be read; {LimitError}
 */
export async function readSePolicy(
  reader: ObjectReader,
  directory: TreeRoot,
  where: string,
): Promise<SePolicy | undefined> {
  const read = (path: string) => readText(reader, directory, path)
  const name = policyName((await read('config')) ?? '')
  if (name === undefined) return undefined
  try {
    const files = `${name}/contexts/files/file_contexts`
    const fileContexts = await read(files)
    if (fileContexts === undefined || fileContexts.startsWith(COMPILED_MAGIC)) {
      if (fileContexts === undefined && (await findFile(reader, directory, `${files}.bin`)) === undefined) {
        throw new FormatError('SELinux policy', `selabel_open(SELABEL_CTX_FILE): No such file or directory`)
      }
      throw new UnsupportedError('SELinux policy', `${files} is only there in compiled form, which cannot be read`)
    }
    const contexts = new FileContexts({
      fileContexts,
      homedirs: await read(`${files}.homedirs`),
      local: await read(`${files}.local`),
      subs: await read(`${files}.subs`),
      subsDist: await read(`${files}.subs_dist`),
    })
    if (contexts.lookup('/', 0) === undefined) {
      throw new FormatError('SELinux policy', 'Failed to look up context of /: No such file or directory')
    }
    const binary = await findBinaryPolicy(reader, directory, name)
    return {
      name,
      // What is mounted there labels itself; what is below has to be labelled as a place to mount.
      label: (path, mode) => contexts.lookup(path === '/proc' ? '/mnt' : path, mode),
      checksum: (platform) => hashFile(reader, binary, platform),
    }
  } catch (error) {
    throw withContext(`With policy root '${where}'`, error)
  }
}

/** Of a file that is read as text: its first bytes are no UTF-8. */
const COMPILED_MAGIC = '\ufffd\ufffd|\ufffd'

function policyName(config: string): string | undefined {
  const lines = config.split('\n')
  const enabled = lines.some((line) => /^SELINUX=(?:enforcing|permissive)/i.test(line) && line.startsWith('SELINUX='))
  const name = lines.findLast((line) => line.startsWith('SELINUXTYPE='))?.slice('SELINUXTYPE='.length)
  return enabled ? name?.trim() || undefined : undefined
}

async function findBinaryPolicy(reader: ObjectReader, directory: TreeRoot, name: string): Promise<Checksum> {
  const entry = await unlessMissing(() => lookupPath(reader, directory, `${name}/policy`))
  const files = entry?.kind === 'directory' ? (await readDirTree(reader, entry.tree)).files : []
  const version = (file: string) => Number(/^policy\.(\d+)$/.exec(file)?.[1] ?? 0)
  const [newest] = files.toSorted((a, b) => version(b.name) - version(a.name))
  if (newest !== undefined && version(newest.name) > 0) return newest.checksum
  throw new FormatError('SELinux policy', 'While calculating SELinux checksum: Could not find binary policy file')
}

async function hashFile(reader: ObjectReader, file: Checksum, platform: Platform): Promise<Checksum> {
  const { body } = await reader.readFile(file)
  if (body instanceof Uint8Array) return platform.sha256(body)
  const hasher = platform.createSha256()
  for await (const chunk of body) hasher.update(chunk)
  return hasher.digest()
}

async function readText(reader: ObjectReader, root: TreeRoot, path: string): Promise<string | undefined> {
  const entry = await findFile(reader, root, path)
  if (entry === undefined) return undefined
  const { body } = await reader.readFile(entry.checksum)
  const tooLong = (limit: number) => new LimitError('size of a file of the SELinux policy', limit, undefined, path)
  return displayUtf8(await readAll(body, MAX_POLICY_TEXT, tooLong))
}

function findFile(reader: ObjectReader, root: TreeRoot, path: string) {
  return unlessMissing(() => lookupFile(reader, root, path))
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
