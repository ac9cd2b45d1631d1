/**
 * Remotes: named sources of refs and objects. Each is a group of the repository's key file
 *
 *     [remote "origin"]
 *     url=https://example.com/repo
 *     gpg-verify=false
 *
 * or the same in a file of its own, where the storage has a place for those (`/etc/ostree/remotes.d` of a system). What
 * the parent repository has configured counts too, but cannot be changed from here.
 *
 * Source: ostree-repo.c, reload_remote_config, impl_repo_remote_add, impl_repo_remote_delete, impl_repo_remote_replace.
 */

import { compareUtf8, decodeUtf8, EMPTY_BYTES, encodeUtf8 } from '../../bytes.ts'
import { ConflictError, FormatError, NotFoundError } from '../../errors.ts'
import { KeyFile } from '../../keyfile/index.ts'
import type { RepoFiles } from '../core/interface.ts'
import { validateRemoteName } from '../refs/refs.ts'
import type { Repo } from '../repo.ts'
import { editConfig } from '../repo.ts'

const METALINK = 'metalink='
const FILE_SUFFIX = '.conf'

export interface Remote {
  readonly name: string
  /** Where its group stands. Reading it again shows changes made since. */
  readonly config: KeyFile
  readonly group: string
  /** Name in `Storage.remoteFiles`; `undefined` when it is in the key file of the repository. */
  readonly file: string | undefined
}

/** A key and its value; of a list each item is followed by `;` in the file. */
export type RemoteOption = readonly [key: string, value: string | boolean | readonly string[]]

export interface NewRemote {
  readonly name: string
  /** `metalink=URL` and `mirrorlist=URL` say what is to be found there. None where another program fetches. */
  readonly url: string | undefined
  /** Written in this order, behind the URL. */
  readonly options?: readonly RemoteOption[] | undefined
}

function groupOf(name: string): string {
  return `remote "${name}"`
}

/** The remotes of a key file. */
function remotesIn(config: KeyFile, file: string | undefined): Remote[] {
  return config.groups().flatMap((group) => {
    const name = /^remote "(.+)"$/.exec(group)?.[1]
    return name === undefined ? [] : [{ name, config, group, file }]
  })
}

/**
 * What this repository itself has configured, in the order of the files.
 * @throws {FormatError} `Multiple specifications found for remote "…"`
 */
async function ownRemotes(repo: Repo): Promise<Map<string, Remote>> {
  const all = remotesIn(repo.config, undefined)
  const files = repo.storage.remoteFiles
  for (const file of (await files?.list('')) ?? []) {
    if (file.endsWith(FILE_SUFFIX)) all.push(...remotesIn(await readRemoteFile(files as RepoFiles, file), file))
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
  const text = decodeUtf8((await files.read(file)) ?? EMPTY_BYTES)
  if (text === undefined) throw new FormatError(what, `Parsing ${what}: Key file is not valid UTF-8`)
  return KeyFile.parse(text, what)
}

/** Names, in byte order; those of parent repositories too. */
export async function listRemotes(repo: Repo): Promise<string[]> {
  const names = new Set<string>()
  for (let at: Repo | undefined = repo; at !== undefined; at = at.parent) {
    for (const name of (await ownRemotes(at)).keys()) names.add(name)
  }
  return [...names].sort(compareUtf8)
}

/** Here, or else in a parent repository. @throws {NotFoundError} `Remote "…" not found` */
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

/** Where a remote is; a name that is a `file://` URL is its own. @throws {NotFoundError} when there is none */
export async function remoteUrl(repo: Repo, name: string): Promise<string> {
  if (name.startsWith('file://')) return name
  const { config, group } = await findRemote(repo, name)
  const url = config.get(group, 'url')
  if (url === undefined) throw new NotFoundError(name, `No "url" option in remote "${name}"`)
  return url
}

/** Collections of the remotes that name theirs: remote to collection. */
export async function remoteCollections(repo: Repo): Promise<Map<string, string>> {
  const collections = new Map<string, string>()
  for (const { name, config, group } of (await ownRemotes(repo)).values()) {
    const collection = config.get(group, 'collection-id')
    if (collection !== undefined && collection !== '') collections.set(name, collection)
  }
  return collections
}

/**
 * @param existing what to do when there is one of that name: refuse, leave it as it is, or put the new one in its place
 * @throws {InvalidNameError} `Invalid remote name …`; {ConflictError} `Remote configuration for "…" already exists: …`
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
  const wantsFile = repo.config.getBoolean('core', 'add-remotes-config-dir', files !== undefined)
  const file = known === undefined ? (wantsFile ? `${name}${FILE_SUFFIX}` : undefined) : known.file
  if (files === undefined || file === undefined) return editConfig(repo, (config) => put(config, remote))
  const config = known === undefined ? KeyFile.parse('') : known.config
  put(config, remote)
  await files.write(file, encodeUtf8(config.toString()))
}

function placeOf(repo: Repo, { file }: Remote): string {
  return file === undefined ? '(in config)' : `${repo.storage.remoteFiles?.location}/${file}`
}

/** An old group goes with all it held; the new one is the last of the file. */
function put(config: KeyFile, { name, url, options = [] }: NewRemote): void {
  const group = groupOf(name)
  config.removeGroup(group)
  if (url?.startsWith(METALINK)) config.set(group, 'metalink', url.slice(METALINK.length))
  else if (url !== undefined) config.set(group, 'url', url)
  for (const [key, value] of options) {
    if (Array.isArray(value)) config.setList(group, key, value)
    else config.set(group, key, value as string | boolean) // no list: asked just now
  }
}

/** Takes its keys along. @throws {NotFoundError} `Remote "…" not found`, unless that is no matter */
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
