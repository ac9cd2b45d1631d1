/**
 * Reads the settings in the key file `config` of a repository.
 *
 * Source: ostree-repo.c, reload_core_config and ostree_repo_create_at.
 */

import { FormatError, UnsupportedError, withContext } from '../../errors.ts'
import { KeyFile } from '../../keyfile/index.ts'
import type { RepoMode } from './interface.ts'

/** Defaults of settings, as in ostree. */
export const DEFAULT_TMP_EXPIRY_SECS = 86400
export const DEFAULT_LOCK_TIMEOUT_SECS = 300
export const DEFAULT_MIN_FREE_SPACE_PERCENT = 3
export const DEFAULT_ZLIB_LEVEL = 6

const MODES: Readonly<Record<string, RepoMode>> = {
  bare: 'bare',
  'bare-user': 'bare-user',
  'bare-user-only': 'bare-user-only',
  'bare-split-xattrs': 'bare-split-xattrs',
  archive: 'archive',
  'archive-z2': 'archive',
}

const UNITS: Readonly<Record<string, number>> = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** The settings of a repository, validated and with defaults. */
export interface RepoSettings {
  readonly mode: RepoMode
  /** Path of the parent repository, which is read for objects and refs that this one lacks. */
  readonly parent: string | undefined
  readonly collectionId: string | undefined
  readonly fsync: boolean
  readonly perObjectFsync: boolean
  /** Never read or write extended attributes. */
  readonly disableXattrs: boolean
  readonly locking: boolean
  /** Seconds to wait for a lock; 0 does not wait, -1 waits forever. */
  readonly lockTimeout: number
  /** Seconds after which leftovers in `tmp/` are deleted. */
  readonly tmpExpiry: number
  /** Percentage of the file system to keep free; 0 disables the check. Ignored when `minFreeSpaceBytes` is above 0. */
  readonly minFreeSpacePercent: number
  readonly minFreeSpaceBytes: number
  readonly enableUncompressedCache: boolean
  /** Leave a tombstone for each deleted commit. */
  readonly tombstoneCommits: boolean
  /** Regenerate the summary whenever a ref changes. */
  readonly autoUpdateSummary: boolean
  /** Compression level of files in archive repositories, 1 to 9. */
  readonly zlibLevel: number
  /**
   * Whether object files get fs-verity: `maybe` where the file system supports it. No store here can enable fs-verity, so
   * with `yes` a repository can be read, but new objects are refused.
   */
  readonly fsverity: TriState
  /** Whether deployments are mounted as composefs images. */
  readonly composefs: TriState
}

/** A setting of `[ex-integrity]`: `maybe` means where it is supported. */
export type TriState = 'no' | 'maybe' | 'yes'

/** Parses a repository mode. @throws {FormatError} `Invalid mode '…' in repository configuration` when it is unknown */
export function parseRepoMode(text: string): RepoMode {
  const mode = Object.hasOwn(MODES, text) ? MODES[text] : undefined
  if (mode === undefined) throw new FormatError('config', `Invalid mode '${text}' in repository configuration`)
  return mode
}

/** Returns the text of the key file of a new repository. */
export function initialConfig(mode: RepoMode, collectionId?: string): string {
  const collection = collectionId === undefined ? '' : `collection-id=${collectionId}\n`
  return `[core]\nrepo_version=1\nmode=${mode === 'archive' ? 'archive-z2' : mode}\n${collection}`
}

/**
 * Reads the settings from a key file.
 * @throws {FormatError} when a value is invalid, or the version is not 1
 * @throws {UnsupportedError} when it is an archive repository of version 0
 * @throws {NotFoundError} when there is no version
 */
export function readSettings(config: KeyFile): RepoSettings {
  const core = (key: string): string | undefined => config.get('core', key)
  const flag = (key: string, absent: boolean): boolean => config.getBoolean('core', key, absent)
  const version = config.getString('core', 'repo_version')
  if (version !== '1') throw new FormatError('config', `Invalid repository version '${version}'`)
  if (flag('archive', false)) {
    throw new UnsupportedError(
      'archive repositories of version 0',
      'This version of OSTree no longer supports "archive" repositories; use archive-z2 instead',
    )
  }
  // Some settings are not used, but an invalid value is refused, as by ostree.
  flag('add-remotes-config-dir', false)
  const settings: RepoSettings = {
    mode: parseRepoMode(core('mode') ?? 'bare'),
    parent: core('parent') || undefined,
    collectionId: core('collection-id'),
    fsync: flag('fsync', true),
    perObjectFsync: flag('per-object-fsync', false),
    disableXattrs: flag('disable-xattrs', false),
    locking: flag('locking', true),
    lockTimeout: integer(config, 'core', 'lock-timeout-secs', DEFAULT_LOCK_TIMEOUT_SECS),
    tmpExpiry: integer(config, 'core', 'tmp-expiry-secs', DEFAULT_TMP_EXPIRY_SECS),
    ...freeSpace(core('min-free-space-percent'), core('min-free-space-size')),
    enableUncompressedCache: flag('enable-uncompressed-cache', true),
    tombstoneCommits: flag('tombstone-commits', false),
    // commit-update-summary is the older name of the setting.
    autoUpdateSummary: flag('auto-update-summary', flag('commit-update-summary', false)),
    zlibLevel: Math.min(Math.max(integer(config, 'archive', 'zlib-level', DEFAULT_ZLIB_LEVEL), 1), 9),
    ...integrity(config),
  }
  requireFinders(config.getList('core', 'default-repo-finders', undefined))
  requireSysrootSettings(config)
  return settings
}

const TRI_STATES: Readonly<Record<string, TriState>> = {
  no: 'no',
  false: 'no',
  '0': 'no',
  maybe: 'maybe',
  yes: 'yes',
  true: 'yes',
  '1': 'yes',
}

function triState(config: KeyFile, key: string, absent: TriState): TriState {
  const text = config.get('ex-integrity', key)
  if (text === undefined) return absent
  const value = Object.hasOwn(TRI_STATES, text) ? TRI_STATES[text] : undefined
  if (value === undefined) throw new FormatError('config', `Invalid tri-state value: ${text}`)
  return value
}

/** Reads `[ex-integrity]`, and the older `[ex-fsverity]`, which counts when `fsverity` is `no`. */
function integrity(config: KeyFile): { fsverity: TriState; composefs: TriState } {
  const composefs = triState(config, 'composefs', 'no')
  const fsverity = triState(config, 'fsverity', composefs === 'no' ? 'no' : 'maybe')
  if (fsverity !== 'no') return { fsverity, composefs }
  const required = config.getBoolean('ex-fsverity', 'required', false)
  const opportunistic = config.getBoolean('ex-fsverity', 'opportunistic', false)
  return { fsverity: required ? 'yes' : opportunistic ? 'maybe' : 'no', composefs }
}

const BOOT_LOADERS: readonly string[] = ['auto', 'none', 'grub2', 'syslinux', 'uboot', 'zipl', 'aboot']

const MAX_BOOT_COUNTING_TRIES = 5

/** Refuses the values of `[sysroot]` that ostree refuses when it opens a repository. */
function requireSysrootSettings(config: KeyFile): void {
  const bootloader = config.get('sysroot', 'bootloader') ?? 'auto'
  if (!BOOT_LOADERS.includes(bootloader)) {
    throw new FormatError('config', `Invalid bootloader configuration: '${bootloader}'`)
  }
  config.getBoolean('sysroot', 'bootprefix', false)
  const tries = config.get('sysroot', 'boot-counting-tries')
  const problem = tries === undefined ? undefined : problemOfTries(tries)
  if (problem !== undefined) throw new FormatError('config', `Parsing sysroot.boot-counting-tries: ${problem}`)
  const appended = config.getList('sysroot', 'bls-append-except-default', [])
  if (appended.some((pair) => !pair.includes('='))) {
    throw new FormatError('config', 'bls-append-except-default key must be of the form "key1=value1;key2=value2..."')
  }
}

/** Returns the error of `g_ascii_string_to_unsigned`, if any. */
function problemOfTries(text: string): string | undefined {
  if (text === '') return 'Empty string is not a number'
  if (!/^[0-9]+$/.test(text)) return `“${text}” is not an unsigned number`
  return Number(text) > MAX_BOOT_COUNTING_TRIES
    ? `Number “${text}” is out of bounds [0, ${MAX_BOOT_COUNTING_TRIES}]`
    : undefined
}

const FINDERS: readonly string[] = ['config', 'lan', 'mount']

function requireFinders(names: readonly string[] | undefined): void {
  if (names?.length === 0) throw new FormatError('config', 'Invalid empty default-repo-finders configuration')
  const unknown = names?.find((name) => !FINDERS.includes(name))
  if (unknown !== undefined) throw new FormatError('config', `Invalid configured repo-finder '${unknown}'`)
}

/** Reads a number as libostree does: the leading digits; 0 when there are none. @param absent value of a missing key */
function integer(config: KeyFile, group: string, key: string, absent: number): number {
  const text = config.get(group, key)
  if (text === undefined) return absent
  const value = Number.parseInt(text, 10)
  return Number.isSafeInteger(value) ? value : 0
}

function freeSpace(percent: string | undefined, size: string | undefined) {
  const match = size === undefined ? undefined : /^([0-9]+)([GMT])B$/.exec(size)
  if (match === null) {
    throw new FormatError(
      'config',
      `Invalid min-free-space-size '${size}': It should be of the format '123MB', '123GB' or '123TB'`,
    )
  }
  if (percent !== undefined && !/^[0-9]*$/.test(percent)) {
    throw new FormatError('config', `Invalid min-free-space-percent '${percent}': must be a number`)
  }
  // The default holds only when neither key exists: a size of 0 leaves a percentage that is set in force.
  const minFreeSpacePercent =
    percent === undefined ? (size === undefined ? DEFAULT_MIN_FREE_SPACE_PERCENT : 0) : Number(percent)
  if (minFreeSpacePercent > 99) throw new FormatError('config', `Invalid min-free-space-percent '${percent}'`)
  return {
    minFreeSpaceBytes: match === undefined ? 0 : Number(match[1]) * (UNITS[match[2] as string] as number),
    minFreeSpacePercent,
  }
}

/**
 * Parses the key file of a repository.
 * @throws {FormatError} when the text is not a key file, or a value is invalid
 * @throws {UnsupportedError} or {NotFoundError} as `readSettings` does
 */
export function parseConfig(text: string): { config: KeyFile; settings: RepoSettings } {
  let config: KeyFile
  try {
    config = KeyFile.parse(text, 'config')
  } catch (error) {
    throw withContext("Couldn't parse config file", error)
  }
  return { config, settings: readSettings(config) }
}
