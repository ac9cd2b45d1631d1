/**
 * Layout of a sysroot: the repository, the deployments, and the files that the boot loader reads.
 *
 * ```
 * ostree/repo                                        mode bare
 * ostree/deploy/NAME/var                             a stateroot
 * ostree/deploy/NAME/deploy/CHECKSUM.SERIAL          a deployment, and CHECKSUM.SERIAL.origin
 * ostree/boot.1 -> boot.1.0                          the kernel argument `ostree=` is a path below it:
 * ostree/boot.1.0/NAME/BOOTCHECKSUM/0                ... a link to the deployment
 * boot/loader -> loader.1
 * boot/loader.1/entries/ostree-1-NAME.conf           one entry per deployment, the highest number is the default
 * boot/ostree/NAME-BOOTCHECKSUM/vmlinuz-…            kernels
 * ```
 *
 * Replacing the link `boot/loader` switches all entries at once between `loader.0` and `loader.1`. When the entries do
 * not change, only `ostree/boot.N` is switched between `boot.N.0` and `boot.N.1`.
 *
 * Source: ostree-sysroot.c, ostree-sysroot-deploy.c.
 */

import { lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { FormatError, NotFoundError, UnsupportedError } from '../errors.ts'
import { KeyFile } from '../keyfile/index.ts'
import { isChecksum } from '../objects/index.ts'
import { isDirectory, namesIn } from '../system/directories.ts'
import { type BootEntry, kernelArg, parseBootEntry, splitKernelArgs } from './boot-entry.ts'

/** Number of one of two alternating directories. */
export type BootVersion = 0 | 1

/** A deployed commit. */
export interface Deployment {
  readonly stateroot: string
  readonly commit: Checksum
  /** Distinguishes deployments of the same commit. */
  readonly serial: number
  /** Checksum of kernel, initramfs and device tree. */
  readonly bootChecksum: Checksum
  /** Boot loader entry. Its `options` are the kernel arguments, including `ostree=` once the entry is written. */
  readonly entry: BootEntry
}

/** Deployments of a sysroot, and the directories in use. */
export interface SysrootState {
  /** N of `boot/loader.N` and `ostree/boot.N`. */
  readonly bootVersion: BootVersion
  /** M of `ostree/boot.N.M`. */
  readonly subBootVersion: BootVersion
  /** The default deployment comes first. */
  readonly deployments: readonly Deployment[]
}

/** Returns the directory of a stateroot's deployments. */
export function deploymentsPath(sysroot: string, stateroot: string): string {
  return join(sysroot, 'ostree/deploy', stateroot, 'deploy')
}

/** Returns the directory of a deployment. */
export function deploymentPath(
  sysroot: string,
  { stateroot, commit, serial }: Omit<Deployment, 'bootChecksum' | 'entry'>,
) {
  return join(deploymentsPath(sysroot, stateroot), `${commit}.${serial}`)
}

/** Returns the path of a deployment's origin file. */
export function originPath(sysroot: string, deployment: Deployment): string {
  return `${deploymentPath(sysroot, deployment)}.origin`
}

/** Returns the name of the directory of a deployment's kernel, below `boot/ostree`. */
export function bootFolder({ stateroot, bootChecksum }: Deployment): string {
  return `${stateroot}-${bootChecksum}`
}

/** Reads the deployments of a sysroot. @throws {FormatError} when an entry or link does not lead to a deployment */
export function readSysroot(sysroot: string): SysrootState {
  const bootVersion = versionOf(join(sysroot, 'boot/loader'), 'loader') ?? 0
  const subBootVersion = versionOf(join(sysroot, `ostree/boot.${bootVersion}`), `boot.${bootVersion}`) ?? 0
  const folder = join(sysroot, `boot/loader.${bootVersion}/entries`)
  const entries = namesIn(folder)
    .filter((name) => name.startsWith('ostree-') && name.endsWith('.conf'))
    .map((name) => parseBootEntry(readFileSync(join(folder, name), 'utf8')))
    .sort((a, b) => Number(b.get('version') ?? 0) - Number(a.get('version') ?? 0))
  return { bootVersion, subBootVersion, deployments: entries.map((entry) => deploymentOf(sysroot, entry)) }
}

function deploymentOf(sysroot: string, entry: BootEntry): Deployment {
  const target = kernelArg(splitKernelArgs(entry.get('options') ?? ''), 'ostree') ?? ''
  const [, stateroot, bootChecksum] = /^\/ostree\/boot\.[01]\/([^/]+)\/([0-9a-f]{64})\/[0-9]+$/.exec(target) ?? []
  if (stateroot === undefined || bootChecksum === undefined || !isChecksum(bootChecksum)) {
    throw new FormatError('boot/loader', `Invalid ostree= argument '${target}' in a boot loader entry`)
  }
  const link = readlinkSync(join(sysroot, target))
  const [, commit, serial] = /^([0-9a-f]{64})\.([0-9]+)$/.exec(basename(link)) ?? []
  if (commit === undefined || serial === undefined || !isChecksum(commit)) {
    throw new FormatError(target, `Invalid deployment '${link}'`)
  }
  return { stateroot, commit, serial: Number(serial), bootChecksum, entry }
}

/** Reads the version from a link `NAME -> NAME.0` or `NAME -> NAME.1`; `undefined` when there is no link. */
function versionOf(link: string, name: string): BootVersion | undefined {
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined
  const target = readlinkSync(link)
  if (target === `${name}.0`) return 0
  if (target === `${name}.1`) return 1
  throw new FormatError(link, `Invalid target '${target}' of ${link}`)
}

/**
 * Reads the origin file of a deployment; a missing file gives an empty one.
 * @throws {FormatError} when it is malformed
 */
export function readOrigin(sysroot: string, deployment: Deployment): KeyFile {
  const path = originPath(sysroot, deployment)
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return KeyFile.parse('', path)
  return KeyFile.parse(readFileSync(path, 'utf8'), path)
}

/**
 * Checks that deployments can be created in a stateroot.
 * @throws {UnsupportedError} when the sysroot is the running system, for which ostree stages deployments until shutdown
 * @throws {NotFoundError} when the stateroot does not exist
 */
export function requireStateroot(sysroot: string, stateroot: string): void {
  if (resolve(sysroot) === '/' || isBooted(sysroot)) {
    throw new UnsupportedError('staging', 'Deploying on the running system is not supported; give --sysroot')
  }
  if (
    !/^[^/\s]+$/.test(stateroot) ||
    stateroot.startsWith('.') ||
    !isDirectory(join(sysroot, 'ostree/deploy', stateroot, 'var'))
  ) {
    throw new NotFoundError(stateroot, `No stateroot "${stateroot}" in ${sysroot}; ostree admin os-init creates one`)
  }
}

function isBooted(sysroot: string): boolean {
  const root = statSync('/')
  const at = statSync(sysroot, { throwIfNoEntry: false })
  return at !== undefined && at.dev === root.dev && at.ino === root.ino
}
