/**
 * A commit as a new deployment, the one that is booted by default.
 *
 * Source: ostree-sysroot-deploy.c (ostree_sysroot_deploy_tree, ostree_sysroot_simple_write_deployment);
 * ostree-ext, container::deploy.
 */

import { lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { UsageError, withContext } from '../errors.ts'
import type { KeyFile } from '../keyfile/index.ts'
import { checkout, type Difference, type Repo } from '../repo/index.ts'
import { createCheckoutTarget } from '../repo/local.ts'
import { splitKernelArgs, withoutKernelArg } from './boot-entry.ts'
import { createEtc, mergeEtc } from './etc.ts'
import { setImmutable } from './files.ts'
import { findKernel } from './kernel.ts'
import {
  type Deployment,
  deploymentPath,
  deploymentsPath,
  namesIn,
  originPath,
  readOrigin,
  readSysroot,
  requireStateroot,
} from './layout.ts'
import { prettyName } from './os-release.ts'
import { cleanUp, writeDeployments } from './write-deployments.ts'

/** Says that `/var` has its labels; without a policy there are none to give. */
const LABELLED = '.ostree-selabeled'

export interface DeployOptions {
  readonly stateroot: string
  readonly commit: Checksum
  readonly origin: KeyFile
  /** Arguments of the kernel. Default: those of the deployment before. */
  readonly kernelArgs?: readonly string[] | undefined
  /** Leave deployments, kernels and objects that are needed no more. */
  readonly noClean?: boolean | undefined
}

export interface Deployed {
  readonly deployment: Deployment
  /** Its directory. */
  readonly path: string
  /** What was changed in `/etc` and is so again; `undefined` when there is no deployment before. */
  readonly etc: Difference | undefined
}

/**
 * Changes of the default deployment of the stateroot in `/etc` are carried over, and it stays to fall back to; older ones
 * of the stateroot go, but for pinned ones. Nobody else may work on the sysroot meanwhile.
 * @param repo that of the sysroot
 * @throws {UnsupportedError} on the running system; {NotFoundError} without the stateroot, or a kernel in the commit;
 *   {ConflictError} when changes cannot be carried over
 */
export async function deployCommit(sysroot: string, repo: Repo, options: DeployOptions): Promise<Deployed> {
  const { stateroot, commit, origin } = options
  requireStateroot(sysroot, stateroot)
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
  return { deployment: state.deployments[0] as Deployment, path, etc } // it was put there
}

/** The files of a deployment; after a failure there are none. */
async function writeTree(repo: Repo, commit: Checksum, path: string, previous: string | undefined) {
  try {
    try {
      await checkout(repo, commit, createCheckoutTarget(path))
    } catch (error) {
      throw withContext('Checking out deployment tree', error)
    }
    const { checksum: bootChecksum } = findKernel(path)
    prettyName(path) // or there would be no title
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

/** The first that no deployment of the commit has, or had and left a directory. */
function nextSerial(sysroot: string, stateroot: string, commit: Checksum): number {
  const serials = namesIn(deploymentsPath(sysroot, stateroot)).flatMap((name) => {
    const [, found, serial] = /^([0-9a-f]{64})\.([0-9]+)$/.exec(name) ?? []
    return found === commit ? Number(serial) : []
  })
  return Math.max(-1, ...serials) + 1
}
