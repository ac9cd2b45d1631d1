/** Hints about repositories that cannot be opened or written, and about refs and paths that are not in them. */
import { existsSync } from 'node:fs'
import { IoError, PathNotFoundError, RefNotFoundError, UnsupportedError, UsageError } from '../../errors.ts'
import type { Repo } from '../../repo/index.ts'
import { isSqlitePath } from '../../repo/local.ts'
import { isImageName } from '../image-revision.ts'
import { didYouMean } from './command-hints.ts'
import { findPositional, type Rule } from './failure.ts'
import { nearestNames } from './nearest.ts'

/** Most names that a hint lists. */
const MAX_LISTED = 5

/** Joins names for a hint: at most five of them. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).join(', ')
  return names.length > MAX_LISTED ? `${shown} and ${names.length - MAX_LISTED} more` : shown
}

/** Tells whether a path is a repository: a SQLite file, or a directory with `objects` and `config`. */
export function isRepo(path: string): boolean {
  return isSqlitePath(path) ? existsSync(path) : existsSync(`${path}/objects`) && existsSync(`${path}/config`)
}

/** Tells whether a path is a directory in the OCI image layout. */
export function isLayout(path: string): boolean {
  return existsSync(`${path}/oci-layout`) || existsSync(`${path}/index.json`)
}

const noRepo: Rule = (failure) => {
  if (failure.error.message !== 'Command requires a --repo argument') return undefined
  const given = findPositional(failure, isRepo)
  if (given !== undefined) return `did you mean \`--repo=${given}\`?`
  return 'name the repository with `--repo=PATH`, or set OSTREE_REPO'
}

const cannotOpen: Rule = ({ error, values, positionals, repoPath }) => {
  if (!(error instanceof IoError) || error.data.errno !== 'ENOENT') return undefined
  if (!/^(?:opening repo|loading sysroot): /.test(error.message) || values['sysroot'] !== undefined) return undefined
  const [, named] = /^opening repo: open(?:dir)?\((\/[^()]*)\): /.exec(error.message) ?? []
  const path = named ?? (repoPath !== undefined && !isRepo(repoPath) ? repoPath : positionals[0])
  if (path === undefined) return undefined
  const [image] = path === '' ? [] : [path].filter(isLayout)
  if (image !== undefined) {
    return `${path} is an image layout, not a repository: \`ostree-ts container image pull images.sqlite oci:${path}\` stores its image`
  }
  if (isRepo(`${path}/ostree/repo`)) return `${path} is a sysroot; its repository is ${path}/ostree/repo`
  const mode = isSqlitePath(path) ? '' : ' --mode=bare-user-only'
  return `\`ostree-ts init --repo=${path}${mode}\` creates a repository there`
}

/** Advice for users who may not set owners. */
const WITHOUT_ROOT =
  'mode bare needs root; `ostree-ts init --mode=bare-user-only`, or a path that ends in .sqlite, makes a repository for which no privileges are needed'

const notRoot: Rule = ({ error, found }) => {
  if (!(error instanceof IoError) || error.data.errno !== 'EPERM' || !/chown/.test(error.message)) return undefined
  if (found.path.at(-1) === 'checkout') return 'only root may set the owners of files; `--user-mode` (`-U`) leaves them'
  return WITHOUT_ROOT
}

const XATTRS = /xattr/i

const noXattrs: Rule = ({ error }) => {
  const isErrno = error instanceof IoError && ['ENOTSUP', 'EOPNOTSUPP'].includes(error.data.errno)
  const isMissing = error instanceof UnsupportedError && XATTRS.test(`${error.message} ${error.data.feature}`)
  if (!isMissing && !(isErrno && XATTRS.test(error.message))) return undefined
  return 'use another file system, or a repository that needs no extended attributes: `ostree-ts init --mode=bare-user-only`, `--mode=archive`, or a path that ends in .sqlite'
}

const noRef: Rule = async ({ error, found, repoPath, openRepo }) => {
  const rev = error instanceof RefNotFoundError ? error.data.rev : /^Invalid refspec (.*)$/s.exec(error.message)?.[1]
  if (rev === undefined) return undefined
  if (found.path.join(' ') === 'diff' && existsSync(rev)) return `write a directory with its path: \`./${rev}\``
  if (repoPath === undefined || !isRepo(repoPath)) return undefined
  const repo = await openRepo(repoPath)
  try {
    return await nearRef(repo, rev, repoPath)
  } finally {
    await repo.close()
  }
}

async function nearRef(repo: Repo, rev: string, repoPath: string): Promise<string | undefined> {
  const { BASE_IMAGE_PREFIX, IMAGE_PREFIX, LAYER_PREFIX, listImages } = await import('../../container/index.ts')
  const images = await listImages(repo, () => {})
  if (isImageName(rev)) {
    const near = nearestNames(rev, images)
    if (near.length > 0) return didYouMean(near)
    const pull = `\`ostree-ts container image pull ${repoPath} ${rev}\` stores it`
    return images.length === 0 ? `no image is stored here; ${pull}` : `images here: ${listNames(images)}; ${pull}`
  }
  const ours = [BASE_IMAGE_PREFIX, IMAGE_PREFIX, LAYER_PREFIX]
  const refs = (await repo.listRefs(undefined, { allowDangling: true }))
    .map(({ name }) => name)
    .filter((name) => !ours.some((prefix) => name.startsWith(`${prefix}/`)))
  const names = [...refs, ...images]
  if (names.length === 0) return 'the repository has no refs yet'
  return didYouMean(nearestNames(rev, names)) ?? `refs here: ${listNames(names)}`
}

const noPath: Rule = ({ error, positionals }) => {
  if (!(error instanceof PathNotFoundError)) return undefined
  const asked = positionals.find((text) => /^\/?etc(?:\/|$)/.test(text))
  if (asked === undefined || !/^\/?etc(?:\/|$)/.test(error.data.path)) return undefined
  return `commits keep the files of /etc in /usr/etc: try \`/usr/${asked.replace(/^\//, '')}\``
}

const targetExists: Rule = ({ error, found, positionals }) => {
  if (found.path.join(' ') !== 'checkout' || !/mkdirat: File exists$/.test(error.message)) return undefined
  return `${positionals[1] ?? 'the destination'} exists: choose another directory, or add to it with \`--union\``
}

const noLinks: Rule = ({ error, found }) => {
  const isCheckout = found.path.join(' ') === 'checkout'
  if (!isCheckout || !(error instanceof UsageError || error instanceof UnsupportedError)) return undefined
  return / has no files that could be linked$/.test(error.message)
    ? 'check out without `-H`, to copy the files'
    : undefined
}

export const REPO_RULES: readonly Rule[] = [noRepo, cannotOpen, notRoot, noXattrs, noRef, noPath, targetExists, noLinks]
