/**
 * Creates `/etc` of a deployment: `/usr/etc` of its commit, with the local changes in `/etc` of the previous deployment
 * on top.
 *
 * ```
 * local change       entry in the new default      result
 * modified, added    any                           the local version
 * modified, added    now a directory               an error
 * modified, added    now below a link or file      an error
 * removed            any                           removed
 * ```
 *
 * Source: ostree-sysroot-deploy.c (prepare_deployment_etc, merge_configuration_from).
 */

import { lstatSync, mkdirSync, rmSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { ConflictError, FormatError } from '../errors.ts'
import {
  checkout,
  commitRoot,
  type Difference,
  diffDirectories,
  findSePolicyOfCommit,
  labelTree,
  lookupPath,
  MutableTree,
  type Repo,
  type SePolicy,
  writeCommit,
  writeTree,
} from '../repo/index.ts'
import { createCheckoutTarget, createDiskTree } from '../repo/local.ts'
import { copyDirectory, copyEntry, copyMetadata } from './files.ts'

const DEFAULTS = 'usr/etc'

/**
 * Creates `/etc` of a deployment from its `/usr/etc`, labelled if the commit has an SELinux policy. Does nothing when
 * there is no `/usr/etc`.
 * @returns the policy of the commit; `undefined` when it has none
 * @throws {FormatError} `Tree contains both /etc and /usr/etc`
 */
export async function createEtc(repo: Repo, commit: Checksum, deployment: string): Promise<SePolicy | undefined> {
  const policy = await findSePolicyOfCommit(repo.objects, commit)
  if (!isThere(join(deployment, DEFAULTS))) return policy
  if (isThere(join(deployment, 'etc'))) {
    throw new FormatError(commit, 'Preparing /etc: Tree contains both /etc and /usr/etc')
  }
  const target = createCheckoutTarget(join(deployment, 'etc'))
  if (policy === undefined) {
    await checkout(repo, commit, target, { subpath: `/${DEFAULTS}`, forceCopy: true })
  } else {
    await checkout(repo, await labelledEtc(repo, commit, policy), target, { forceCopy: true })
  }
  return policy
}

/** Writes a commit of the labelled `/usr/etc`. No ref points to it, so the next prune removes it. */
async function labelledEtc(repo: Repo, commit: Checksum, policy: SePolicy): Promise<Checksum> {
  const found = await lookupPath(repo.objects, await commitRoot(repo.objects, commit), `/${DEFAULTS}`)
  if (found.kind !== 'directory') throw new FormatError(commit, `/${DEFAULTS} is not a directory`)
  return repo.transaction(async (tx) => {
    const tree = MutableTree.from(tx, found)
    await labelTree(tx, tree, { label: (path, mode) => policy.label(path === '/' ? '/etc' : `/etc${path}`, mode) })
    return writeCommit(tx, { root: await writeTree(tx, tree), timestamp: 0n })
  })
}

/**
 * Applies the local changes in `/etc` of one deployment to that of another.
 * @param from directory of the previous deployment
 * @param to directory of the new deployment
 * @returns the changes; `undefined` when the previous deployment has no `/usr/etc` or no `/etc`
 * @throws {ConflictError} when a change cannot be applied: `Modified config file newly defaults to directory '…',
 *   cannot merge`, and the like
 */
export async function mergeEtc(repo: Repo, from: string, to: string): Promise<Difference | undefined> {
  if (!isThere(join(from, DEFAULTS)) || !isThere(join(from, 'etc'))) return undefined
  const { platform } = repo
  const [before, now] = [join(from, DEFAULTS), join(from, 'etc')]
  const changes = await diffDirectories(createDiskTree(before, { platform }), createDiskTree(now, { platform }), {
    noXattrs: true,
  })
  const etc = join(to, 'etc')
  for (const path of changes.removed) {
    if (obstacle(etc, path) === undefined) rmSync(join(etc, path), { recursive: true, force: true })
  }
  for (const path of [...changes.modified, ...changes.added]) change(now, etc, path)
  return changes
}

function change(from: string, to: string, path: string): void {
  const [source, target] = [join(from, path), join(to, path)]
  const isDirectory = lstatSync(source).isDirectory()
  const parent = obstacle(to, path)
  if (parent !== undefined) {
    throw new ConflictError(path, `Modified config file '${path}' newly defaults to be below '${parent}', cannot merge`)
  }
  ensureParents(from, to, dirname(path))
  const there = lstatSync(target, { throwIfNoEntry: false })
  if (there?.isDirectory()) {
    if (isDirectory) return
    const message = `Modified config file newly defaults to directory '${path}', cannot merge`
    throw new ConflictError(path, message)
  }
  if (there !== undefined) unlinkSync(target)
  if (isDirectory) copyDirectory(source, target, path)
  else copyEntry(source, target, path)
}

/**
 * Finds what prevents writing below `to`: a link in the new defaults could lead out of it.
 * @returns the first parent of `path` that is not a directory
 */
function obstacle(to: string, path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  for (let count = 1; count < parts.length; count++) {
    const parent = parts.slice(0, count).join('/')
    const stats = lstatSync(join(to, parent), { throwIfNoEntry: false })
    if (stats === undefined) return undefined
    if (!stats.isDirectory()) return parent
  }
  return undefined
}

function ensureParents(from: string, to: string, path: string): void {
  if (path === '.' || isThere(join(to, path))) return
  ensureParents(from, to, dirname(path))
  mkdirSync(join(to, path))
  copyMetadata(join(from, path), join(to, path))
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
