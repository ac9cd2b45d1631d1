/**
 * Reads and changes remotes: named sources of refs and objects. Each is a group of the repository's key file
 *
 *     [remote "origin"]
 *     url=https://example.com/repo
 *     gpg-verify=false
 *
 * or of a file of its own, `NAME.conf`, in `/etc/ostree/remotes.d` of a system repository. Remotes of parent
 * repositories can be used too, but not changed.
 *
 * Source: ostree-repo.c, reload_remote_config, impl_repo_remote_add, impl_repo_remote_delete, impl_repo_remote_replace.
 */

import { compareUtf8, decodeUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { ConflictError, FormatError, NotFoundError, withContext } from '../../errors.ts'
import { KeyFile } from '../../keyfile/index.ts'
import type { RepoFiles } from '../core/repo-files.ts'
import { validateRemoteName } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'
import { editConfig } from '../repo.ts'

const METALINK = 'metalink='
const FILE_SUFFIX = '.conf'

/** A configured remote. */
export interface Remote {
  readonly name: string
  /** The key file that has its group. */
  readonly config: KeyFile
  /** Name of the group: `remote "NAME"`. */
  readonly group: string
  /** Name of its file in `Storage.remoteFiles`; `undefined` when it is in the repository's own key file. */
  readonly file: string | undefined
}

/** A key and its value. In the file, each item of a list is followed by `;`. */
export type RemoteOption = readonly [key: string, value: string | boolean | readonly string[]]

/** A remote to add. */
export interface NewRemote {
  readonly name: string
  /** The URL; also `metalink=URL` or `mirrorlist=URL`. Absent when another program fetches from the remote. */
  readonly url: string | undefined
  /** Further settings, written after the URL in this order. */
  readonly options?: readonly RemoteOption[] | undefined
}

function groupOf(name: string): string {
  return `remote "${name}"`
}

/** Returns the remotes of a key file. */
function remotesIn(config: KeyFile, file: string | undefined): Remote[] {
  return config.groups().flatMap((group) => {
    const name = /^remote "(.+)"$/.exec(group)?.[1]
    return name === undefined ? [] : [{ name, config, group, file }]
  })
}

/**
 * Returns the remotes that this repository itself configures, in the order of the files.
 * @throws {FormatError} `Multiple specifications found for remote "…"` when two groups have one name
 */
async function ownRemotes(repo: Repo): Promise<Map<string, Remote>> {
  const all = remotesIn(repo.config, undefined)
  const files = repo.storage.remoteFiles
  for (const file of (await files?.list('')) ?? []) {
    if (!file.endsWith(FILE_SUFFIX)) continue
    for (const remote of remotesIn(await readRemoteFile(files as RepoFiles, file), file)) all.push(remote)
  }
  const remotes = new Map<string, Remote>()
  for (const remote of all) {
    if (remotes.has(remote.name)) {
      throw new FormatError(remote.file ?? 'config', `Multiple specifications found for remote "${remote.name}"`)
    }
    remotes.set(remote.name, remote)
  }
  return remotes
}

async function readRemoteFile(files: RepoFiles, file: string): Promise<KeyFile> {
  const what = `${files.location}/${file}`
  try {
    const text = decodeUtf8((await files.read(file)) ?? EMPTY_BYTES)
    if (text === undefined) throw new FormatError(what, 'Key file is not valid UTF-8')
    return KeyFile.parse(text, what)
  } catch (error) {
    throw withContext(`Failed to parse ${what}`, error)
  }
}

/**
 * Reads the remotes of a repository that has files for them, whose errors are errors of opening the repository.
 * @throws {FormatError}, {IoError} `Reloading remotes: …` when a file cannot be read or parsed
 */
export async function checkRemoteFiles(repo: Repo): Promise<void> {
  if (repo.storage.remoteFiles === undefined) return
  try {
    await ownRemotes(repo)
  } catch (error) {
    throw withContext('Reloading remotes', error)
  }
}

/** Lists the names of all remotes, including those of parent repositories, in byte order. */
export async function listRemotes(repo: Repo): Promise<string[]> {
  const names = new Set<string>()
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    for (const name of (await ownRemotes(at)).keys()) names.add(name)
  }
  return [...names].sort(compareUtf8)
}

/**
 * Finds a remote here, or else in a parent repository.
 * @throws {NotFoundError} `Remote "…" not found` when there is none
 */
export async function findRemote(repo: Repo, name: string): Promise<Remote> {
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    const remote = (await ownRemotes(at)).get(name)
    if (remote !== undefined) return remote
  }
  throw notFound(name)
}

function notFound(name: string): NotFoundError {
  return new NotFoundError(name, `Remote "${name}" not found`)
}

/**
 * Returns the URL of a remote. A name that is a `file://` URL is returned as it is.
 * @throws {NotFoundError} when there is no such remote, or it has no URL
 */
export async function remoteUrl(repo: Repo, name: string): Promise<string> {
  if (name.startsWith('file://')) return name
  const { config, group } = await findRemote(repo, name)
  const url = config.get(group, 'url')
  if (url === undefined) throw new NotFoundError(name, `No "url" option in remote "${name}"`)
  return url
}

/** Returns the collection IDs that are configured for remotes, by remote. */
export async function remoteCollections(repo: Repo): Promise<Map<string, string>> {
  const collections = new Map<string, string>()
  for (const { name, config, group } of (await ownRemotes(repo)).values()) {
    const collection = config.get(group, 'collection-id')
    if (collection !== undefined && collection !== '') collections.set(name, collection)
  }
  return collections
}

/**
 * Adds a remote to the repository's key file, or as a file of its own where the storage supports that.
 * @param existing what to do when a remote of that name exists: fail, keep it unchanged, or replace it
 * @throws {InvalidNameError} `Invalid remote name …` when the name is not valid
 * @throws {ConflictError} `Remote configuration for "…" already exists: …` when it exists and `existing` is `refuse`
 */
export async function addRemote(
  repo: Repo,
  remote: NewRemote,
  existing: 'refuse' | 'keep' | 'replace' = 'refuse',
): Promise<void> {
  const { name } = remote
  validateRemoteName(name)
  const known = (await ownRemotes(repo)).get(name)
  if (known !== undefined && existing === 'keep') return
  if (known !== undefined && existing === 'refuse') {
    throw new ConflictError(name, `Remote configuration for "${name}" already exists: ${placeOf(repo, known)}`)
  }
  const files = repo.storage.remoteFiles
  const wantsFile = files?.takesNew !== false && repo.config.getBoolean('core', 'add-remotes-config-dir', true)
  const file = known === undefined ? (wantsFile ? `${name}${FILE_SUFFIX}` : undefined) : known.file
  if (files === undefined || file === undefined) return editConfig(repo, (config) => put(config, remote))
  const config = known === undefined ? KeyFile.parse('') : known.config
  put(config, remote)
  await files.write(file, encodeUtf8(config.toString()))
}

function placeOf(repo: Repo, { file }: Remote): string {
  return file === undefined ? '(in config)' : `${repo.storage.remoteFiles?.location}/${file}`
}

/** Removes the remote's group, with all its keys, and appends a new one. */
function put(config: KeyFile, { name, url, options = [] }: NewRemote): void {
  const group = groupOf(name)
  config.removeGroup(group)
  if (url?.startsWith(METALINK)) config.set(group, 'metalink', url.slice(METALINK.length))
  else if (url !== undefined) config.set(group, 'url', url)
  for (const [key, value] of options) {
    if (Array.isArray(value)) config.setList(group, key, value)
    else config.set(group, key, value as string | boolean) // Array.isArray does not narrow a readonly array
  }
}

/**
 * Deletes a remote and its keyring.
 * @throws {NotFoundError} `Remote "…" not found` when there is none, unless `mayBeMissing`
 * @throws {InvalidNameError} `Invalid remote name …` when the name is not valid
 */
export async function deleteRemote(repo: Repo, name: string, { mayBeMissing = false } = {}): Promise<void> {
  validateRemoteName(name)
  const remote = (await ownRemotes(repo)).get(name)
  if (remote === undefined) {
    if (mayBeMissing) return
    throw notFound(name)
  }
  const { remoteFiles, files } = repo.storage
  if (remote.file !== undefined) await remoteFiles?.delete(remote.file)
  else await editConfig(repo, (config) => void config.removeGroup(remote.group))
  await files?.delete(`${name}.trustedkeys.gpg`)
}
