/** Hints about image references, and about the registries and files that they name. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { RegistryError } from '../../container/index.ts'
import { InvalidNameError, IoError, NotFoundError, UsageError } from '../../errors.ts'
import { isSqlitePath } from '../../repo/local.ts'
import type { ProxyOptions } from '../container/registry-access.ts'
import { isImageName } from '../image-revision.ts'
import { didYouMean } from './command-hints.ts'
import type { Failure, Rule } from './failure.ts'
import { nearestNames } from './nearest.ts'
import { isLayout, isRepo, listNames } from './repo-hints.ts'

/** Index files larger than this, in bytes, are not read for a hint. */
const MAX_INDEX_SIZE = 4 << 20
const REF_NAME = 'org.opencontainers.image.ref.name'
const TRANSPORTS = '`docker://HOST/NAME:TAG`, `oci:PATH:TAG`, `oci-archive:FILE`, `docker-archive:FILE` or `dir:PATH`'

/** Commands whose arguments are a repository and an image. */
const STORE_FIRST = ['container image pull', 'container image plan']

const badReference: Rule = (failure) => {
  const { error, found, positionals } = failure
  const text = error instanceof InvalidNameError ? error.data.value : undefined
  if (text === undefined || !/^(?:Unknown transport|Invalid transport|Missing ':'|Missing \/\/)/.test(error.message))
    return undefined
  const command = `ostree-ts ${found.path.join(' ')}`
  const [first, second] = positionals
  if (STORE_FIRST.includes(found.path.join(' ')) && second === text && first !== undefined && isImageName(first)) {
    if (isRepo(second) || isSqlitePath(second) || !second.includes(':'))
      return `the repository comes first: \`${command} ${second} ${first}\``
  }
  if (STORE_FIRST.includes(found.path.join(' ')) && positionals.length === 1 && (isRepo(text) || isSqlitePath(text)))
    return `name the image too: \`${command} ${text} IMAGE\`, where IMAGE is ${TRANSPORTS}`
  return didYouMean(suggestTransports(text)) ?? `an image is ${TRANSPORTS}`
}

/** Returns the references that a text without a transport may mean: of files that exist, or else of a registry. */
function suggestTransports(text: string): string[] {
  if (text.startsWith('docker:')) return [`docker://${text.slice('docker:'.length).replace(/^\/+/, '')}`]
  const colon = text.lastIndexOf(':')
  const places = [text, ...(colon > 0 ? [text.slice(0, colon)] : [])]
  for (const path of places) {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats?.isDirectory()) return [isLayout(path) ? `oci:${text}` : `dir:${path}`]
    if (stats?.isFile()) return [`oci-archive:${text}`, `docker-archive:${text}`]
  }
  const isNamed = /^[\w.-]+(?::\d+)?\/[\w./-]+(?::[\w.-]+|@sha256:[0-9a-f]+)?$/.test(text)
  return isNamed && !/^[./]/.test(text) ? [`docker://${text}`] : []
}

const missingTag: Rule = ({ error, positionals, values }) => {
  if (!(error instanceof NotFoundError)) return undefined
  if (!/(?:no descriptor found for reference|more than one image in oci)/.test(error.message)) return undefined
  const references = [...positionals, ...Object.values(values).filter((value) => typeof value === 'string')]
  for (const reference of references) {
    const [, name] = /(?:^|:)oci:(.*)$/s.exec(reference) ?? []
    if (name === undefined) continue
    const path = [name, name.slice(0, Math.max(0, name.lastIndexOf(':')))].find(isLayout)
    const tags = path === undefined ? undefined : tagsOfLayout(path)
    if (path === undefined || tags === undefined) continue
    if (tags.length === 0) return `the images there have no tags: \`oci:${path}:@0\` is the first one`
    return `tags there: ${listNames(tags)}; for example \`oci:${path}:${nearestNames(error.data.what, tags)[0] ?? tags[0]}\``
  }
  return undefined
}

/** Returns the tags of an image layout; `undefined` when they cannot be read. */
function tagsOfLayout(path: string): string[] | undefined {
  const index = `${path}/index.json`
  try {
    if (statSync(index).size > MAX_INDEX_SIZE) return undefined
    const { manifests } = JSON.parse(readFileSync(index, 'utf8')) as { manifests?: unknown }
    if (!Array.isArray(manifests)) return undefined
    const tags = manifests.map(
      (entry: { annotations?: Record<string, unknown> } | null) => entry?.annotations?.[REF_NAME],
    )
    return [...new Set(tags.filter((tag) => typeof tag === 'string'))].map(printableTag)
  } catch {
    return undefined // Reading the image has reported what is wrong with it.
  }
}

/** Replaces control characters of an untrusted name. */
function printableTag(tag: string): string {
  return tag.slice(0, 128).replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
}

/** Most tags that are requested from a registry, and milliseconds to wait for them. */
const MAX_TAGS = 1000
const TAGS_TIMEOUT = 5000

/** Asks a registry for the tags of a repository. @returns `undefined` when it does not tell them at once */
async function tagsOfRegistry(name: string, values: Failure['values']): Promise<string[] | undefined> {
  const { openRepository } = await import('../../container/internal.ts')
  const { nodePlatform } = await import('../../platform/node.ts')
  const { registryOptions } = await import('../container/registry-access.ts')
  const tags: string[] = []
  try {
    const signal = AbortSignal.timeout(TAGS_TIMEOUT)
    const options = { ...(await registryOptions(values as ProxyOptions)), retries: 0, signal, platform: nodePlatform }
    await using repository = openRepository(name, options)
    for await (const tag of repository.tags()) if (tags.push(tag) === MAX_TAGS) break
  } catch {
    return undefined // The error that the hint is about has been reported.
  }
  return tags.map(printableTag)
}

async function missingTagHint(name: string, tag: string, values: Failure['values']): Promise<string> {
  const tags = await tagsOfRegistry(name, values)
  if (tags === undefined || tags.length === 0) return `\`skopeo list-tags docker://${name}\` lists the tags there`
  const near = nearestNames(tag, tags)[0] ?? tags[0]
  return `tags there: ${listNames(tags)}; for example \`docker://${name}:${near}\``
}

const registry: Rule = (failure) => {
  const { error } = failure
  if (!(error instanceof RegistryError)) return undefined
  const { registry: host, status, repository, what } = error.data
  if (status === 401 || status === 403) return deniedHint(failure, host)
  if (status === 404) return missingTagHint(`${host}/${repository}`, what, failure.values)
  if (error.code !== 'network' || status !== undefined) return undefined
  if (/EPROTO|ERR_SSL|wrong version number/i.test(error.message)) {
    return `if ${host} speaks plain HTTP, add \`--insecure-skip-tls-verification\``
  }
  if (/certificate|CERT_|SELF_SIGNED|UNABLE_TO_/i.test(error.message)) {
    return `name the directory of the registry's certificate with \`--cert-dir=PATH\`, or add \`--insecure-skip-tls-verification\``
  }
  if (/ECONNREFUSED/.test(error.message)) return `check that a registry runs at ${host}`
  if (/ENOTFOUND|EAI_AGAIN/.test(error.message)) return `check the name of the host, ${host}, and the network`
  return undefined
}

function deniedHint({ values }: Failure, host: string): string {
  const login = `\`skopeo login ${host}\` or \`podman login ${host}\``
  if (values['auth-anonymous'] === true) return `log in with ${login}, and run the command without \`--auth-anonymous\``
  const { authfile } = values
  if (typeof authfile === 'string') return `check the user and the password for ${host} in ${authfile}`
  return `log in with ${login}, or name a file with credentials: \`--authfile=PATH\``
}

const missingAuthfile: Rule = ({ error, values: { authfile } }) => {
  if (!(error instanceof IoError) || typeof authfile !== 'string' || error.data.path !== authfile) return undefined
  return `\`skopeo login --authfile=${authfile} HOST\` creates it; \`--auth-anonymous\` sends no credentials`
}

const notStored: Rule = async ({ error, repoPath, openRepo }) => {
  if (!(error instanceof NotFoundError) || !/^(?:No such image|Missing images: )/.test(error.message)) return undefined
  if (repoPath === undefined || !existsSync(repoPath)) return undefined
  const { listImages } = await import('../../container/index.ts')
  await using repo = await openRepo(repoPath)
  const images = await listImages(repo, () => {})
  if (images.length === 0) return 'no image is stored here: `ostree-ts container image pull` stores one'
  return didYouMean(nearestNames(error.data.what, images)) ?? `images here: ${listNames(images)}`
}

const missingFile: Rule = ({ error, positionals }) => {
  const [, place, file] = /(?:^|: )(\/[^:]*): no such file: (index\.json|manifest\.json)$/.exec(error.message) ?? []
  if (place === undefined || !positionals.some(isImageName)) return undefined
  if (!existsSync(place)) return `${place} does not exist`
  const other = file === 'index.json' ? 'dir' : 'oci'
  const isOther = existsSync(`${place}/${file === 'index.json' ? 'manifest.json' : 'index.json'}`)
  return isOther ? didYouMean([`${other}:${place}`]) : `${place} does not hold an image`
}

const missingArguments: Rule = ({ error, found, positionals }) => {
  if (!(error instanceof UsageError) || !STORE_FIRST.includes(found.path.join(' '))) return undefined
  if (positionals.length > 0) return undefined
  return `for example \`ostree-ts ${found.path.join(' ')} images.sqlite docker://HOST/NAME:TAG\``
}

export const IMAGE_RULES: readonly Rule[] = [
  badReference,
  missingTag,
  registry,
  missingAuthfile,
  notStored,
  missingFile,
  missingArguments,
]
