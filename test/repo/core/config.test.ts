import { describe, expect, test } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, initialConfig, parseConfig, parseRepoMode, Repo } from '../../../src/repo/index.ts'

const settings = (lines: string) => parseConfig(`[core]\nrepo_version=1\n${lines}\n`).settings

describe('the configuration of a repository', () => {
  test('the initial configuration is the one that ostree writes', () => {
    expect(initialConfig('archive')).toBe('[core]\nrepo_version=1\nmode=archive-z2\n')
    expect(initialConfig('bare-user', 'org.x')).toBe('[core]\nrepo_version=1\nmode=bare-user\ncollection-id=org.x\n')
  })

  test('missing settings have the defaults of ostree', () => {
    expect(settings('')).toEqual({
      mode: 'bare',
      parent: undefined,
      collectionId: undefined,
      fsync: true,
      perObjectFsync: false,
      disableXattrs: false,
      locking: true,
      lockTimeout: 300,
      tmpExpiry: 86400,
      minFreeSpacePercent: 3,
      minFreeSpaceBytes: 0,
      enableUncompressedCache: true,
      tombstoneCommits: false,
      autoUpdateSummary: false,
      zlibLevel: 6,
      fsverity: 'no',
      composefs: 'no',
    })
  })

  test('settings are read', () => {
    const text = 'mode=archive-z2\nparent=../p\nfsync=false\nlocking=0\nlock-timeout-secs=-1\n[archive]\nzlib-level=12'
    expect(settings(text)).toMatchObject({
      mode: 'archive',
      parent: '../p',
      fsync: false,
      locking: false,
      lockTimeout: -1,
      zlibLevel: 9,
    })
  })

  test.each([
    ['min-free-space-size=2GB', 2 ** 31, 0],
    ['min-free-space-size=1MB\nmin-free-space-percent=50', 2 ** 20, 50],
    ['min-free-space-size=0TB', 0, 0],
    ['min-free-space-size=0MB\nmin-free-space-percent=50', 0, 50],
    ['min-free-space-percent=0', 0, 0],
    ['min-free-space-percent=', 0, 0],
    ['min-free-space-percent=050', 0, 50],
  ])('the settings for free space are read as by ostree: %s', (text, minFreeSpaceBytes, minFreeSpacePercent) => {
    expect(settings(text)).toMatchObject({ minFreeSpaceBytes, minFreeSpacePercent })
  })

  test.each([
    ['mode=nonsense', "Invalid mode 'nonsense' in repository configuration"],
    ['archive=true', 'This version of OSTree no longer supports "archive" repositories; use archive-z2 instead'],
    ['add-remotes-config-dir=x', 'Key file contains key “add-remotes-config-dir” which has a value that cannot'],
    ['default-repo-finders=', 'Invalid empty default-repo-finders configuration'],
    ['default-repo-finders=config;x', "Invalid configured repo-finder 'x'"],
    ['default-repo-finders=mount;;lan', "Invalid configured repo-finder ''"],
    ['min-free-space-percent=100', "Invalid min-free-space-percent '100'"],
    ['min-free-space-percent=99999999999999999999', "Invalid min-free-space-percent '99999999999999999999'"],
    ['min-free-space-percent=-1', "Invalid min-free-space-percent '-1': must be a number"],
    ['min-free-space-percent=5x', "Invalid min-free-space-percent '5x': must be a number"],
    ['min-free-space-percent=+5', "Invalid min-free-space-percent '+5': must be a number"],
    ['min-free-space-percent=7.5%', "Invalid min-free-space-percent '7.5%': must be a number"],
    ['min-free-space-size=5MB\nmin-free-space-percent=5x', "Invalid min-free-space-percent '5x': must be a number"],
    ['[ex-integrity]\nfsverity=Yes', 'Invalid tri-state value: Yes'],
    ['[ex-integrity]\nfsverity=', 'Invalid tri-state value: '],
    ['[ex-integrity]\ncomposefs=none', 'Invalid tri-state value: none'],
    ['[ex-fsverity]\nrequired=bogus', 'Key file contains key “required” which has a value that cannot be interpreted.'],
    ['[ex-fsverity]\nopportunistic=', 'Key file contains key “opportunistic” which has a value that cannot be'],
    ['[sysroot]\nbootloader=bogus', "Invalid bootloader configuration: 'bogus'"],
    ['[sysroot]\nbootprefix=x', 'Key file contains key “bootprefix” which has a value that cannot be interpreted.'],
    [
      '[sysroot]\nbls-append-except-default=a=b;c',
      'bls-append-except-default key must be of the form "key1=value1;key2=value2..."',
    ],
    ['[sysroot]\nboot-counting-tries=', 'Parsing sysroot.boot-counting-tries: Empty string is not a number'],
    ['[sysroot]\nboot-counting-tries=-1', 'Parsing sysroot.boot-counting-tries: “-1” is not an unsigned number'],
    ['[sysroot]\nboot-counting-tries=6', 'Parsing sysroot.boot-counting-tries: Number “6” is out of bounds [0, 5]'],
    ['fsync=x', 'Key file contains key “fsync” which has a value that cannot be interpreted.'],
    [
      'min-free-space-size=9X',
      "Invalid min-free-space-size '9X': It should be of the format '123MB', '123GB' or '123TB'",
    ],
  ])('%s is refused with the message of ostree', (text, message) => {
    expect(() => settings(text)).toThrow(message)
  })

  test.each([
    ['[ex-integrity]\nfsverity=1', 'yes'],
    ['[ex-integrity]\nfsverity=false', 'no'],
    ['[ex-integrity]\ncomposefs=maybe', 'maybe'],
    ['[ex-integrity]\ncomposefs=yes', 'maybe'],
    ['[ex-integrity]\ncomposefs=yes\nfsverity=no', 'no'],
    ['[ex-fsverity]\nrequired=true', 'yes'],
    ['[ex-fsverity]\nopportunistic=1', 'maybe'],
    ['[ex-integrity]\nfsverity=no\n[ex-fsverity]\nrequired=true', 'yes'],
    ['[ex-integrity]\nfsverity=maybe\n[ex-fsverity]\nrequired=bogus', 'maybe'],
  ])('the setting for fs-verity is read as by ostree: %s', (text, fsverity) => {
    expect(settings(text).fsverity).toBe(fsverity)
  })

  test('another version, and an invalid file, are refused', () => {
    expect(() => parseConfig('[core]\nrepo_version=2\n')).toThrow("Invalid repository version '2'")
    expect(() => parseConfig('[core]\nmode=bare\n')).toThrow(
      'Key file does not have key “repo_version” in group “core”',
    )
    expect(() => parseConfig('junk')).toThrow(
      "Couldn't parse config file: Key file contains line “junk” which is not a key-value pair, group, or comment",
    )
    expect(() => parseRepoMode('constructor')).toThrow("Invalid mode 'constructor' in repository configuration")
  })

  test('an invalid configuration is not written', async () => {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const before = await repo.storage.readConfig()
    await expect(repo.writeConfig('[core]\nrepo_version=1\nmode=x\n')).rejects.toThrow("Invalid mode 'x'")
    expect(await repo.storage.readConfig()).toBe(before)
    await repo.writeConfig(`${before}fsync=false\n`)
    expect(repo.settings.fsync).toBe(false)
    expect(repo.config.get('core', 'fsync')).toBe('false')
    expect(await repo.storage.readConfig()).toBe(`${before}fsync=false\n`)
  })
})
