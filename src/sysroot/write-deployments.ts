/**
 * Writes the boot loader entries of a list of deployments, and removes what the list no longer needs.
 *
 * Source: ostree-sysroot-deploy.c (ostree_sysroot_write_deployments_with_options, install_deployment_kernel),
 * ostree-sysroot-cleanup.c.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { lookup, string } from '../gvariant/index.ts'
import { type PruneResult, prune, type RefPath, type Repo } from '../repo/index.ts'
import { loadNative } from '../repo/local.ts'
import { namesIn } from '../system/directories.ts'
import { formatBootEntry, splitKernelArgs, withKernelArg, withoutKernelArg } from './boot-entry.ts'
import { install, replaceLink, setImmutable } from './files.ts'
import { findKernel } from './kernel.ts'
import {
  type BootVersion,
  bootFolder,
  type Deployment,
  deploymentPath,
  deploymentsPath,
  originPath,
  type SysrootState,
} from './layout.ts'
import { prettyName } from './os-release.ts'

const REFS: RefPath = 'heads/ostree'

/**
 * Makes `deployments` the ones that the boot loader offers, the first as default. The change takes effect atomically.
 * @param before state that `readSysroot` returned
 * @returns the new state, with the written boot loader entries
 */
export async function writeDeployments(
  sysroot: string,
  repo: Repo,
  before: SysrootState,
  deployments: readonly Deployment[],
): Promise<SysrootState> {
  const swap = await needsNewEntries(repo, before.deployments, deployments)
  const bootVersion: BootVersion = swap ? other(before.bootVersion) : before.bootVersion
  // The new version was not in use before, so its sub-version can be fixed.
  const subBootVersion: BootVersion = swap ? 1 : other(before.subBootVersion)
  const serials = bootSerials(deployments)
  let written = deployments
  if (swap) {
    written = await writeEntries(sysroot, repo, bootVersion, deployments, serials)
  }
  writeBootLinks(sysroot, { bootVersion, subBootVersion, deployments: written }, serials)
  await flush(sysroot)
  replaceLink(`boot.${bootVersion}.${subBootVersion}`, join(sysroot, `ostree/boot.${bootVersion}`))
  if (swap) replaceLink(`loader.${bootVersion}`, join(sysroot, 'boot/loader'))
  await flush(sysroot)
  return { bootVersion, subBootVersion, deployments: written }
}

/** Removes deployments, entries, links and kernels that `state` does not need, then prunes the repository. */
export async function cleanUp(sysroot: string, repo: Repo, state: SysrootState): Promise<PruneResult> {
  const { bootVersion, subBootVersion, deployments } = state
  const kept = new Set(deployments.flatMap((one) => [deploymentPath(sysroot, one), originPath(sysroot, one)]))
  for (const stateroot of namesIn(join(sysroot, 'ostree/deploy'))) {
    const folder = deploymentsPath(sysroot, stateroot)
    for (const path of namesIn(folder).map((name) => join(folder, name))) {
      if (kept.has(path)) continue
      setImmutable(path, false)
      rmSync(path, { recursive: true, force: true })
    }
  }
  const gone = [`boot/loader.${other(bootVersion)}`, `ostree/boot.${other(bootVersion)}`]
  gone.push(`ostree/boot.${other(bootVersion)}.0`, `ostree/boot.${other(bootVersion)}.1`)
  gone.push(`ostree/boot.${bootVersion}.${other(subBootVersion)}`)
  const kernels = new Set(deployments.map(bootFolder))
  for (const name of namesIn(join(sysroot, 'boot/ostree'))) if (!kernels.has(name)) gone.push(`boot/ostree/${name}`)
  for (const path of gone) rmSync(join(sysroot, path), { recursive: true, force: true })
  await writeRefs(repo, state)
  return prune(repo, { refsOnly: true, depth: 0 })
}

/** Tests whether new entries are needed: the number of deployments, or a kernel, argument or version has changed. */
async function needsNewEntries(
  repo: Repo,
  before: readonly Deployment[],
  after: readonly Deployment[],
): Promise<boolean> {
  if (before.length !== after.length) return true
  for (const [i, one] of after.entries()) {
    const old = before[i] as Deployment // both lists have the same length
    if (bootFolder(old) !== bootFolder(one) || argsOf(old) !== argsOf(one)) return true
    if ((await versionOf(repo, old)) !== (await versionOf(repo, one))) return true
  }
  return false
}

function argsOf({ entry }: Deployment): string {
  return withoutKernelArg(splitKernelArgs(entry.get('options') ?? ''), 'ostree').join(' ')
}

async function versionOf(repo: Repo, { commit }: Deployment): Promise<string> {
  return lookup((await repo.readCommit(commit)).metadata, 'version', string) ?? ''
}

/** Numbers the deployments that share a kernel, across stateroots. */
function bootSerials(deployments: readonly Deployment[]): number[] {
  const next = new Map<Checksum, number>()
  return deployments.map(({ bootChecksum }) => {
    const serial = next.get(bootChecksum) ?? 0
    next.set(bootChecksum, serial + 1)
    return serial
  })
}

async function writeEntries(
  sysroot: string,
  repo: Repo,
  bootVersion: BootVersion,
  deployments: readonly Deployment[],
  serials: readonly number[],
): Promise<Deployment[]> {
  const loader = join(sysroot, `boot/loader.${bootVersion}`)
  rmSync(loader, { recursive: true, force: true })
  mkdirSync(join(loader, 'entries'), { recursive: true })
  // With this link the paths in entries are valid whether or not /boot is a separate file system.
  if (!namesIn(join(sysroot, 'boot')).includes('boot')) replaceLink('.', join(sysroot, 'boot/boot'))
  const isNamed = new Set(deployments.map(({ stateroot }) => stateroot)).size > 1
  const written: Deployment[] = []
  for (const [index, deployment] of deployments.entries()) {
    const { stateroot, bootChecksum } = deployment
    const version = deployments.length - index
    const place = `${isNamed ? `${stateroot}:` : ''}${index}`
    const entry = new Map(deployment.entry)
    const target = `/ostree/boot.${bootVersion}/${stateroot}/${bootChecksum}/${serials[index]}`
    const args = withKernelArg(splitKernelArgs(entry.get('options') ?? ''), 'ostree', target)
    entry.set('title', `${await titleOf(sysroot, repo, deployment)} (ostree:${place})`)
    entry.set('version', String(version))
    entry.set('options', args.join(' '))
    installKernel(sysroot, deployment, entry)
    writeWhole(join(loader, `entries/ostree-${version}-${stateroot}.conf`), formatBootEntry(entry))
    written.push({ ...deployment, entry })
  }
  return written
}

async function titleOf(sysroot: string, repo: Repo, deployment: Deployment): Promise<string> {
  const name = prettyName(deploymentPath(sysroot, deployment))
  const version = await versionOf(repo, deployment)
  const title = version === '' || name.includes(version) ? name : `${name} ${version}`
  // Control characters in the name must not add lines to the entry.
  return title.replaceAll(/[\n\r\0]/g, ' ')
}

function installKernel(sysroot: string, deployment: Deployment, entry: Map<string, string>): void {
  const { kernel, initramfs, devicetree, hmac } = findKernel(deploymentPath(sysroot, deployment))
  const folder = `ostree/${bootFolder(deployment)}`
  mkdirSync(join(sysroot, 'boot', folder), { recursive: true })
  const files = { linux: kernel, initrd: initramfs, devicetree }
  for (const [key, file] of Object.entries(files)) {
    if (file === undefined) entry.delete(key)
    else {
      install(file.path, join(sysroot, 'boot', folder, file.name))
      entry.set(key, `/${folder}/${file.name}`)
    }
  }
  if (hmac !== undefined) install(hmac.path, join(sysroot, 'boot', folder, hmac.name))
}

function writeBootLinks(
  sysroot: string,
  { bootVersion, subBootVersion, deployments }: SysrootState,
  serials: readonly number[],
): void {
  const folder = join(sysroot, `ostree/boot.${bootVersion}.${subBootVersion}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [index, { stateroot, bootChecksum, commit, serial }] of deployments.entries()) {
    const place = join(folder, stateroot, bootChecksum)
    mkdirSync(place, { recursive: true })
    replaceLink(`../../../deploy/${stateroot}/deploy/${commit}.${serial}`, join(place, String(serials[index])))
  }
}

/** Sets a ref for each deployment, which protects it from pruning: `ostree/BOOTVERSION/SUBBOOTVERSION/INDEX`. */
async function writeRefs(repo: Repo, { bootVersion, subBootVersion, deployments }: SysrootState): Promise<void> {
  const wanted = new Map<RefPath, Checksum>(
    deployments.map(({ commit }, index) => [`${REFS}/${bootVersion}/${subBootVersion}/${index}` as RefPath, commit]),
  )
  await repo.transaction(async (tx) => {
    for (const { name } of await repo.listRefs('ostree')) {
      const path = `heads/${name}` as RefPath
      if (/^heads\/ostree\/[01]\/[01]\/[0-9]+$/.test(path) && !wanted.has(path)) tx.setRef(path, undefined)
    }
    for (const [path, commit] of wanted) tx.setRef(path, { commit })
  })
}

function other(version: BootVersion): BootVersion {
  return version === 0 ? 1 : 0
}

function writeWhole(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Flushes the file systems of the root and of /boot, before and after the links of the boot loader are replaced. */
async function flush(sysroot: string): Promise<void> {
  for (const path of [sysroot, join(sysroot, 'boot')]) {
    const fd = openSync(path, 'r')
    try {
      await loadNative()?.syncfs(fd)
    } finally {
      closeSync(fd)
    }
  }
}
