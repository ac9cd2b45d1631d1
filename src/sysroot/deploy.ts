/**
 * Deploys a commit: creates a deployment and makes it the default one.
 *
 * Source: ostree-sysroot-deploy.c (ostree_sysroot_deploy_tree, ostree_sysroot_simple_write_deployment);
 * ostree-ext, container::deploy.
 */

import { lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { UnsupportedError, UsageError, withContext } from '../errors.ts'
import type { KeyFile } from '../keyfile/index.ts'
import { checkout, type Difference, type Repo } from '../repo/index.ts'
import { createCheckoutTarget } from '../repo/local.ts'
import { namesIn } from '../system/directories.ts'
import { splitKernelArgs, withoutKernelArg } from './boot-entry.ts'
import { createEtc, mergeEtc } from './etc.ts'
import { setImmutable } from './files.ts'
import { findKernel } from './kernel.ts'
import {
  type Deployment,
  deploymentPath,
  deploymentsPath,
  originPath,
  readOrigin,
  readSysroot,
  requireStateroot,
} from './layout.ts'
import { prettyName } from './os-release.ts'
import { cleanUp, writeDeployments } from './write-deployments.ts'

/** File in `/var` that marks it as labelled. Created at once for commits without a policy, which need no labels. */
const LABELLED = '.ostree-selabeled'

/** Options of `deployCommit`. */
export interface DeployOptions {
  readonly stateroot: string
  readonly commit: Checksum
  readonly origin: KeyFile
  /** Kernel arguments. Default: those of the previous deployment. */
  readonly kernelArgs?: readonly string[] | undefined
  /** Keep deployments, kernels and objects that are no longer needed. */
  readonly noClean?: boolean | undefined
}

/** Result of `deployCommit`. */
export interface Deployed {
  readonly deployment: Deployment
  /** Directory of the deployment. */
  readonly path: string
  /** Local changes of `/etc` that were carried over; `undefined` when the stateroot has no previous deployment. */
  readonly etc: Difference | undefined
}

/**
 * Deploys a commit. Local changes in `/etc` of the stateroot's default deployment are carried over, and that deployment
 * is kept for rollback; older ones of the stateroot are removed unless they are pinned. No other process may change the
 * sysroot at the same time.
 *
 * @example
 * const origin = KeyFile.parse('[origin]\nrefspec=main\n')
 * await deployCommit('/mnt/root', repo, { stateroot: 'default', commit: await repo.resolve('main'), origin })
 * @param repo repository of the sysroot
 * @throws {UnsupportedError} when the sysroot is that of the running system, or its repository requires composefs
 * @throws {NotFoundError} when the stateroot does not exist or the commit has no kernel
 * @throws {ConflictError} when a change in `/etc` cannot be carried over
 * @throws {UsageError} when a kernel argument has a newline or NUL
 */
export async function deployCommit(sysroot: string, repo: Repo, options: DeployOptions): Promise<Deployed> {
  const { stateroot, commit, origin } = options
  requireStateroot(sysroot, stateroot)
  if (repo.settings.composefs === 'yes') {
    // The text of a libostree that is built without composefs, so that the request is not ignored silently.
    throw new UnsupportedError('composefs', 'composefs required, but libostree compiled without support')
  }
  await using _ = await repo.storage.lock('exclusive')
  const broken = options.kernelArgs?.find((arg) => /[\n\r\0]/.test(arg))
  if (broken !== undefined) throw new UsageError(`Invalid kernel argument '${broken}'`, 'karg')
  const before = readSysroot(sysroot)
  const previous = before.deployments.find((one) => one.stateroot === stateroot)
  const place = { stateroot, commit, serial: nextSerial(sysroot, stateroot, commit) }
  const path = deploymentPath(sysroot, place)
  mkdirSync(deploymentsPath(sysroot, stateroot), { recursive: true })
  const { bootChecksum, policy, etc } = await writeTree(
    repo,
    commit,
    path,
    previous && deploymentPath(sysroot, previous),
  )
  const kernelArgs = options.kernelArgs ?? withoutKernelArg(argsOf(previous), 'ostree')
  const entry = new Map([...(previous?.entry ?? []), ['options', kernelArgs.join(' ')] as const])
  const deployment: Deployment = { ...place, bootChecksum, entry }
  writeFileSync(originPath(sysroot, deployment), origin.toString())
  const stamp = join(sysroot, 'ostree/deploy', stateroot, 'var', LABELLED)
  if (policy === undefined && lstatSync(stamp, { throwIfNoEntry: false }) === undefined) writeFileSync(stamp, '')
  setImmutable(path, true)

  const kept = before.deployments.filter(
    (one) => previous === undefined || one === previous || one.stateroot !== stateroot || isPinned(sysroot, one),
  )
  const state = await writeDeployments(sysroot, repo, before, [deployment, ...kept])
  if (options.noClean !== true) await cleanUp(sysroot, repo, state)
  return { deployment: state.deployments[0] as Deployment, path, etc } // put first above
}

/** Creates the files of a deployment; removes them again on failure. */
async function writeTree(repo: Repo, commit: Checksum, path: string, previous: string | undefined) {
  try {
    try {
      await checkout(repo, commit, createCheckoutTarget(path))
    } catch (error) {
      throw withContext('Checking out deployment tree', error)
    }
    const { checksum: bootChecksum } = findKernel(path)
    prettyName(path) // fails early when the boot entry would have no title
    const policy = await createEtc(repo, commit, path)
    const etc = previous === undefined ? undefined : await mergeEtc(repo, previous, path)
    return { bootChecksum, policy, etc }
  } catch (error) {
    rmSync(path, { recursive: true, force: true })
    throw error
  }
}

function argsOf(deployment: Deployment | undefined): string[] {
  return splitKernelArgs(deployment?.entry.get('options') ?? '')
}

function isPinned(sysroot: string, deployment: Deployment): boolean {
  return readOrigin(sysroot, deployment).getBoolean('libostree-transient', 'pinned', false)
}

/** Returns the first serial above those of all deployments of the commit, including leftover directories. */
function nextSerial(sysroot: string, stateroot: string, commit: Checksum): number {
  let next = 0
  for (const name of namesIn(deploymentsPath(sysroot, stateroot))) {
    const [, found, serial] = /^([0-9a-f]{64})\.([0-9]+)$/.exec(name) ?? []
    if (found === commit) next = Math.max(next, Number(serial) + 1)
  }
  return next
}
