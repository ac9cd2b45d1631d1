/**
 * A sysroot: the repository, deployments, and what the boot loader reads.
 *
 * ```
 * ostree/repo                                        mode bare
 * ostree/deploy/NAME/var                             a stateroot
 * ostree/deploy/NAME/deploy/CHECKSUM.SERIAL          a deployment, and CHECKSUM.SERIAL.origin
 * ostree/boot.1 -> boot.1.0                          by what the kernel is told,
 * ostree/boot.1.0/NAME/BOOTCHECKSUM/0                ... a link to the deployment
 * boot/loader -> loader.1
 * boot/loader.1/entries/ostree-1-NAME.conf           an entry a deployment, the highest number first
 * boot/ostree/NAME-BOOTCHECKSUM/vmlinuz-…            kernels
 * ```
 *
 * The boot loader moves from `loader.0` to `loader.1` and back at once, when the one link does. Where entries stay as
 * they are only `boot.N.0` and `boot.N.1` change places.
 *
 * Source: ostree-sysroot.c, ostree-sysroot-deploy.c.
 */

import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Checksum } from '../bytes.ts'
import { FormatError, NotFoundError, UnsupportedError } from '../errors.ts'
import { KeyFile } from '../keyfile/index.ts'
import { isChecksum } from '../objects/index.ts'
import { type BootEntry, kernelArg, parseBootEntry, splitKernelArgs } from './boot-entry.ts'

export type BootVersion = 0 | 1

export interface Deployment {
  readonly stateroot: string
  readonly commit: Checksum
  readonly serial: number
  readonly bootChecksum: Checksum
  /** Arguments of its kernel, with `ostree=`, once it has an entry. */
  readonly entry: BootEntry
}

export interface SysrootState {
  readonly bootVersion: BootVersion
  readonly subBootVersion: BootVersion
  /** The one that is booted by default first. */
  readonly deployments: readonly Deployment[]
}

export function deploymentsPath(sysroot: string, stateroot: string): string {
  return join(sysroot, 'ostree/deploy', stateroot, 'deploy')
}

export function deploymentPath(
  sysroot: string,
  { stateroot, commit, serial }: Omit<Deployment, 'bootChecksum' | 'entry'>,
) {
  return join(deploymentsPath(sysroot, stateroot), `${commit}.${serial}`)
}

export function originPath(sysroot: string, deployment: Deployment): string {
  return `${deploymentPath(sysroot, deployment)}.origin`
}

export function bootFolder({ stateroot, bootChecksum }: Deployment): string {
  return `${stateroot}-${bootChecksum}`
}

/** @throws {FormatError} on an entry or link that names no deployment */
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

/** Of the link `NAME -> NAME.0` or `NAME.1`. */
function versionOf(link: string, name: string): BootVersion | undefined {
  if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined
  const target = readlinkSync(link)
  if (target === `${name}.0`) return 0
  if (target === `${name}.1`) return 1
  throw new FormatError(link, `Invalid target '${target}' of ${link}`)
}

export function namesIn(path: string): string[] {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(path) : []
}

export function readOrigin(sysroot: string, deployment: Deployment): KeyFile {
  const path = originPath(sysroot, deployment)
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return KeyFile.parse('', path)
  return KeyFile.parse(readFileSync(path, 'utf8'), path)
}

/**
 * @throws {UnsupportedError} on the root of the running system, whose deployments are staged and not written;
 *   {NotFoundError} when there is no such stateroot
 */
export function requireStateroot(sysroot: string, stateroot: string): void {
  if (resolve(sysroot) === '/' || isBooted(sysroot)) {
    throw new UnsupportedError('staging', 'Deployments of the running system cannot be made; give --sysroot')
  }
  if (
    !/^[^/\s]+$/.test(stateroot) ||
    stateroot.startsWith('.') ||
    !isDirectory(join(sysroot, 'ostree/deploy', stateroot, 'var'))
  ) {
    throw new NotFoundError(stateroot, `No stateroot "${stateroot}" in ${sysroot}; ostree admin os-init makes one`)
  }
}

function isBooted(sysroot: string): boolean {
  const root = statSync('/')
  const at = statSync(sysroot, { throwIfNoEntry: false })
  return at !== undefined && at.dev === root.dev && at.ino === root.ino
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
