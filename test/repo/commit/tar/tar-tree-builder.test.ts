import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../../src/bytes.ts'
import { OstreeError, TarFormatError } from '../../../../src/errors.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { createCommitFilter } from '../../../../src/repo/commit/modifier.ts'
import { createMemoryStorage, MAX_TREE_DEPTH, Repo, SMALL_FILE } from '../../../../src/repo/index.ts'
import { parseSkipList, parseStatOverrides } from '../../../../src/repo/internal.ts'
import { anyTree, storeCommit } from '../../../../src/testing/index.ts'
import { tarEntries } from '../../../support/random-trees.ts'
import { dir, file, hardlink, symlink, type TarEntry, tarBytes } from '../../../support/tar-bytes.ts'
import { paths, take } from './take-tar.ts'

describe('importTar', () => {
  test('a random archive gives the tree it was made from', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree({ whiteouts: true }), async (tree) => {
        const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
        const expected = await repo.transaction((tx) => storeCommit(tx, tree, { timestamp: 0n }))
        expect((await take(tarEntries(tree))).commit).toBe(expected)
      }),
      { numRuns: 100 },
    )
  })

  test('a tree has the owners, modes and content of the entries', async () => {
    const entries = [
      dir('./', { mode: 0o1777, uid: 1, gid: 2 }),
      file('./f', 'content', { mode: 0o4755, uid: 1000, gid: 1001 }),
      symlink('./l', '../a//b', { uid: 5 }),
      dir('./d/', { mode: 0o2700 }),
      file('./d/empty', ''),
    ]
    expect((await take(entries)).listing).toEqual([
      '41777 1:2 /',
      '104755 1000:1001 /f = content',
      '120777 5:0 /l = ../a//b',
      '42700 0:0 /d',
      '100644 0:0 /d/empty = ',
    ])
  })

  test('the tree is the same in whatever pieces the archive comes', async () => {
    const entries = [file('a', 'abc'), dir('d'), file('d/b', 'y'.repeat(3000)), hardlink('d/c', 'a'), symlink('s', 'a')]
    const whole = await take(entries, { chunk: 1 << 20 })
    for (const chunk of [1, 7, 511, 512, 513, 1000]) expect(await take(entries, { chunk })).toEqual(whole)
  })

  test('the tree is the same for bodies that are streamed and for those that are collected', async () => {
    const sizes = [SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1, 2 * SMALL_FILE + 3]
    const entries = sizes.map((size) => file(`f${size}`, '', { content: new Uint8Array(size).fill(size) }))
    const { commit, listing } = await take(entries, { chunk: 65536 })
    expect(listing.length).toBe(5)
    expect((await take(entries, { chunk: 10 * SMALL_FILE })).commit).toBe(commit)
  })

  test('an entry replaces an earlier one with the same path', async () => {
    expect(await paths([file('f', '1'), symlink('f', 't'), file('f', '3')])).toEqual(['/', '/f = 3'])
    const twice = [dir('d', { mode: 0o700 }), file('d/f'), dir('d', { mode: 0o711, uid: 3 })]
    expect((await take(twice)).listing).toEqual(['40755 0:0 /', '40711 3:0 /d', '100644 0:0 /d/f = x'])
  })

  test('an archive is added to an existing tree', async () => {
    const below = [dir('.'), dir('d'), file('d/old'), file('f', '1')]
    const options = { below, autocreateParents: false }
    expect(await paths([file('d/new'), hardlink('g', 'd/old'), file('f', '2')], options)).toEqual([
      ...['/', '/f = 2', '/g = x'],
      ...['/d', '/d/new = x', '/d/old = x'],
    ])
  })

  test('xattrs are read from all kinds of PAX records, for all types of entries', async () => {
    const pax = [
      ['SCHILY.xattr.user.b', Uint8Array.of(0, 255)],
      ['SCHILY.xattr.user.empty', ''],
      ['LIBARCHIVE.xattr.user%2Ea', 'dHdv'],
      ['LIBARCHIVE.xattr.user.pad', 'dA=='],
      ['LIBARCHIVE.xattr.user.none', '!'],
      ['RHT.security.selinux', 'label\0'],
      ['SCHILY.acl.access', 'user::rwx'],
      ['mtime', '1.5'],
    ] as const
    const all = ' security.selinux:label\0 user.a:two user.b:\0\xff user.empty: user.pad:t'
    const { listing } = await take([dir('.', { pax }), file('f', '', { pax }), symlink('l', 't', { pax })])
    expect(listing).toEqual([`40755 0:0 /${all}`, `100744 0:0 /f${all} = `, `120777 0:0 /l${all} = t`])
  })

  test('the last of several xattrs with the same name is kept', async () => {
    const pax = [
      ['SCHILY.xattr.user.a', '1'],
      ['LIBARCHIVE.xattr.user.a', 'Mg=='],
      ['SCHILY.xattr.user.\xff'.replace('\xff', 'x'), 'y'],
    ] as const
    expect((await take([file('f', '', { pax })])).listing[1]).toBe('100644 0:0 /f user.a:2 user.x:y = ')
  })

  test('owners are read from PAX records', async () => {
    const pax = [
      ['uid', '4294967294'],
      ['gid', '70000'],
    ] as const
    expect((await take([file('f', '', { pax }), file('g', '', { pax })])).listing[2]).toBe(
      '100644 4294967294:70000 /g = ',
    )
  })
})

describe('names in importTar', () => {
  test.each([
    ['./a/./b', ['/', '/a', '/a/b = x']],
    ['a//b', ['/', '/a', '/a/b = x']],
    ['/../a', ['/', '/a = x']],
    ['/./a', ['/', '/a = x']],
    ['.//a', ['/', '/a = x']],
    ['...', ['/', '/... = x']],
    ['ünï/日本', ['/', '/ünï', '/ünï/日本 = x']],
    [`${'n'.repeat(200)}`, ['/', `/${'n'.repeat(200)} = x`]],
  ])('the name %s is normalised', async (name, expected) => {
    expect(await paths([file(name)])).toEqual(expected)
  })

  test.each(['./', '.', '/', '//', './.', '/./'])('the name %j is the root', async (name) => {
    expect((await take([dir(name, { mode: 0o700 })])).listing).toEqual(['40700 0:0 /'])
  })

  test.each([
    ['../a', `While making relative path "../a":Invalid uplink '..' in path ../a`],
    ['/./../../a', `While making relative path "../../a":Invalid uplink '..' in path ../../a`],
    ['a/../b', `While making relative path "a/../b":Invalid uplink '..' in path a/../b`],
    ['/..', `While making relative path "..":Invalid uplink '..' in path ..`],
  ])('the name %s leads out of the tree and is refused', async (name, message) => {
    await expect(take([file('ok'), file(name)])).rejects.toThrow(new TarFormatError(message, 1024, name))
    await expect(take([file('ok'), hardlink('l', name)])).rejects.toThrow(new TarFormatError(message, 1024, 'l'))
  })

  test.each([
    [
      file('a/.'),
      "ostree-tar: Failed to handle file: ostree-tar: Failed to import file: Invalid self-referential filename '.'",
    ],
    [dir('a/.'), "ostree-tar: Failed to handle directory: Invalid self-referential filename '.'"],
    [file(Uint8Array.of(0x61, 0xff)), 'Archive entry pathname is not valid UTF-8'],
    [symlink('l', Uint8Array.of(0xff)), 'Archive entry symlink target is not valid UTF-8'],
    [symlink('l', ''), 'Symlink entry has no target'],
    [hardlink('l', ''), 'Unsupported file type for path "l"'],
  ])('an entry with an invalid name is refused with its offset: $1', async (entry, message) => {
    await expect(take([file('ok', ''), entry])).rejects.toMatchObject({
      name: 'TarFormatError',
      message,
      data: { offset: 512 },
    })
  })

  test('a name that is nested deeper than the limit is refused', async () => {
    const deep = `${'d/'.repeat(MAX_TREE_DEPTH + 1)}f`
    await expect(take([file(deep)])).rejects.toMatchObject({ code: 'limit' })
    expect((await take([file(`${'d/'.repeat(MAX_TREE_DEPTH - 1)}f`)])).commit).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('missing parents in importTar', () => {
  test('parents have the owner of the entry, also those that exist', async () => {
    const entries = [
      dir('.', { mode: 0o700 }),
      dir('d', { mode: 0o700 }),
      file('d/e/f', 'x', { uid: 7, gid: 8, mode: 0o600 }),
    ]
    expect((await take(entries)).listing).toEqual([
      ...['40755 7:8 /', '40755 7:8 /d', '40755 7:8 /d/e', '100600 7:8 /d/e/f = x'],
    ])
  })

  test('parents have the owner of the entry also with canonical permissions', async () => {
    const entries = [file('d/f', 'x', { uid: 7, gid: 8, mode: 0o4777, pax: [['SCHILY.xattr.user.a', '1']] })]
    for (const options of [
      { modifier: { canonicalPermissions: true, noXattrs: true } },
      { mode: 'bare-user-only' as const },
    ]) {
      expect((await take(entries, options)).listing).toEqual(['40755 7:8 /', '40755 7:8 /d', '100755 0:0 /d/f = x'])
    }
  })

  test('a missing parent is refused without `autocreateParents`', async () => {
    const options = { autocreateParents: false }
    await expect(take([dir('.'), file('d/e/f')], options)).rejects.toThrow('No such file or directory: d')
    await expect(take([dir('.'), dir('d'), file('d/e/f')], options)).rejects.toThrow('No such file or directory: e')
    await expect(take([file('f')], options)).rejects.toThrow("Can't commit an empty tree")
  })

  test('a missing root is created, also for an empty archive', async () => {
    expect((await take([])).listing).toEqual(['40755 0:0 /'])
    expect((await take([file('f', 'x', { uid: 7 })])).listing[0]).toBe('40755 0:0 /')
    const modifier = { filter: createCommitFilter({ ownerUid: 7 }) }
    expect((await take([], { modifier })).listing).toEqual(['40755 7:0 /'])
  })
})

describe('hard links in importTar', () => {
  test.each<[string, TarEntry[], string[]]>([
    ['have the content of their target', [file('a'), hardlink('b', 'a')], ['/a = x', '/b = x']],
    ['may come first', [hardlink('b', 'a'), file('a', 'y')], ['/a = y', '/b = y']],
    [
      'have the content that their target has at the end',
      [file('a'), hardlink('b', 'a'), file('a', 'z')],
      ['/a = z', '/b = z'],
    ],
    ['replace a file with their name', [file('a'), hardlink('b', 'a'), file('b', 'z')], ['/a = x', '/b = x']],
    ['may be chained', [hardlink('b', 'c'), hardlink('c', 'd'), file('d')], ['/b = x', '/c = x', '/d = x']],
    ['may point to a symbolic link', [symlink('a', 't'), hardlink('b', 'a')], ['/a = t', '/b = t']],
    ['accept a target with a leading dot', [file('a'), hardlink('b', './a')], ['/a = x', '/b = x']],
    ['accept an absolute target', [file('a'), hardlink('b', '/a')], ['/a = x', '/b = x']],
    ['to themselves have the content of a file with their name', [file('a'), hardlink('a', 'a')], ['/a = x']],
    [
      'in a circle have the content of a file in it',
      [hardlink('a', 'b'), file('b'), hardlink('b', 'a')],
      ['/a = x', '/b = x'],
    ],
    [
      'may have data, which is ignored',
      [hardlink('b', 'a', { content: 'y', pax: [['mtime', '1']] }), file('a')],
      ['/a = x', '/b = x'],
    ],
    ['create their parents', [file('a'), hardlink('d/b', 'a')], ['/a = x', '/d', '/d/b = x']],
    [
      'with the same name replace each other',
      [file('a', '1'), file('b', '2'), hardlink('c', 'a'), hardlink('c', 'b')],
      ['/a = 1', '/b = 2', '/c = 2'],
    ],
  ])('hard links %s', async (_, entries, expected) => {
    expect((await paths(entries)).slice(1)).toEqual(expected)
  })

  const failed = 'ostree-tar: Processing deferred hardlink'
  test.each<[string, TarEntry[], string, number]>([
    [
      'to a missing file',
      [hardlink('b', './nope')],
      `${failed} nope: Failed to find object: No such file or directory: nope`,
      0,
    ],
    [
      'to a missing file in a directory',
      [dir('no'), hardlink('b', 'no/pe')],
      `${failed} no/pe: Failed to find object: No such file or directory: pe`,
      512,
    ],
    [
      'through a file',
      [file('no'), hardlink('b', 'no/pe')],
      `${failed} no/pe: Failed to find object: No such file or directory: no`,
      1024,
    ],
    [
      'to a directory',
      [dir('d'), hardlink('b', 'd')],
      `${failed} d: Failed to find object: Expected hardlink file target at "d" but found a directory`,
      512,
    ],
    [
      'over a directory',
      [file('a'), dir('b'), hardlink('b', 'a')],
      `${failed} a: Failed to replace file: Can't replace directory with file: b`,
      1536,
    ],
    [
      'in a circle without a file',
      [hardlink('a', 'b'), hardlink('b', 'a')],
      `${failed} a: Failed to find object: No such file or directory: a`,
      512,
    ],
  ])('hard links %s are refused', async (_, entries, message, offset) => {
    await expect(take(entries)).rejects.toMatchObject({ name: 'TarFormatError', message, data: { offset } })
  })

  test('hard links that need more memory than the limit are refused', async () => {
    const links = ['a', 'b', 'c'].map((name) => hardlink(name, 'f'))
    await expect(take([file('f'), ...links], { maxLinkMemory: 400 })).rejects.toMatchObject({ code: 'limit' })
    expect((await take([file('f'), ...links], { maxLinkMemory: 410 })).listing.length).toBe(5)
  })

  test('with lastEntryWins, a file replaces all earlier links of its name', async () => {
    const entries = [file('x', '1'), hardlink('a', 'x'), hardlink('a', 'x'), hardlink('b', 'x'), file('a', '2')]
    expect((await paths(entries, { lastEntryWins: true })).slice(1)).toEqual(['/a = 2', '/b = 1', '/x = 1'])
    expect((await paths(entries)).slice(1)).toEqual(['/a = 1', '/b = 1', '/x = 1'])
  })

  test('a message names a link as its entry spells it', async () => {
    const links = [hardlink('d/é', 'f'), hardlink('d//./b', 'nope'), hardlink('d/c', 'f')]
    await expect(take([file('f'), dir('d'), ...links])).rejects.toMatchObject({ data: { path: 'd//./b' } })
    const names = ['k', 'é', 'x'.repeat(200), '€'.repeat(70)].map((name) => hardlink(`d/${name}`, `${name}f`))
    const files = names.map(({ link }) => file(link as string))
    expect((await paths([dir('d'), ...names, ...files])).length).toBe(10)
  })

  test('a chain of 5000 hard links is resolved', async () => {
    const length = 5000
    const links = Array.from({ length }, (_, i) => hardlink(`l${i}`, i === length - 1 ? 'f' : `l${i + 1}`))
    expect((await take([...links, file('f')], { chunk: 1 << 20 })).listing.length).toBe(length + 2)
  })
})

describe('invalid archives in importTar', () => {
  test.each<[TarEntry[], string]>([
    [[{ name: 'p', type: '6' }], 'Unsupported file type for path "p"'],
    [[{ name: 'dev/c', type: '3' }], 'Unsupported file type for path "dev/c"'],
    [[{ name: 'b', type: '4' }], 'Unsupported file type for path "b"'],
    [
      [dir('a'), file('a')],
      "ostree-tar: Failed to handle file: ostree-tar: Failed to import file: Can't replace directory with file: a",
    ],
    [[file('a'), dir('a')], "ostree-tar: Failed to handle directory: Can't replace file with directory: a"],
    [[file('a'), file('a/b')], "Can't replace file with directory: a"],
    [[symlink('a', 'b'), file('a/c/d')], "Can't replace file with directory: a"],
  ])('an archive is refused: $1', async (entries, message) => {
    await expect(take(entries)).rejects.toMatchObject({ name: 'TarFormatError', message })
  })

  test('a damaged or truncated archive is imported, or refused with an OstreeError', async () => {
    const whole = tarBytes([
      file('a', 'y'.repeat(2000)),
      hardlink('b', 'a'),
      file('c', '', { content: new Uint8Array(SMALL_FILE + 9) }),
    ])
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), fc.nat(255), async (at, byte) => {
        const broken = whole.slice()
        broken[at] = byte
        await take(broken, { chunk: 4096 }).catch((error) => expect(error).toBeInstanceOf(OstreeError))
        await take(whole.subarray(0, at)).catch((error) => expect(error).toBeInstanceOf(OstreeError))
      }),
      { numRuns: 40 },
    )
  })
})

describe('modifiers in importTar', () => {
  test('statoverrides, skip lists and owners apply to entries by their path', async () => {
    const statOverrides = parseStatOverrides('=448 /d/f\n1024 /d\n')
    const skipList = parseSkipList('/s\n')
    const modifier = { filter: createCommitFilter({ statOverrides, skipList, ownerGid: 9 }) }
    const entries = [dir('.'), dir('./d/'), file('./d/f'), { name: 's', type: '6' }, file('g')]
    expect((await take(entries, { modifier })).listing).toEqual([
      ...['40755 0:9 /', '100644 0:9 /g = x', '42755 0:9 /d', '100700 0:9 /d/f = x'],
    ])
    expect([statOverrides.add.size, skipList.size]).toEqual([0, 0])
  })

  test('canonical permissions keep xattrs, as in libostree', async () => {
    const pax = [['SCHILY.xattr.user.a', '1']] as const
    const entries = [dir('.'), file('f', '', { mode: 0o7777, uid: 1, pax }), symlink('l', 't', { mode: 0o700, gid: 1 })]
    const canonical = await take(entries, { modifier: { canonicalPermissions: true } })
    expect(canonical.listing).toEqual(['40755 0:0 /', '100755 0:0 /f user.a:1 = ', '120700 0:0 /l = t'])
    const plain = await take(entries, { modifier: { noXattrs: true } })
    expect(plain.listing[1]).toBe('107777 1:0 /f = ')
    const xattrs = (path: string) => [[encodeUtf8(`user${path.replaceAll('/', '.')}`), Uint8Array.of(0x31)]] as const
    expect((await take(entries, { modifier: { xattrs } })).listing[1]).toBe('107777 1:0 /f user.f:1 = ')
  })

  test('`rename` applies to entries and to the targets of hard links', async () => {
    const rename = (path: string) => path.replace(/^etc\//, 'usr/etc/')
    expect(await paths([dir('etc/'), file('/etc/f'), hardlink('l', './etc/f')], { rename })).toEqual([
      ...['/', '/l = x', '/usr', '/usr/etc', '/usr/etc/f = x'],
    ])
    await expect(take([file('f')], { rename: () => 'a/../../f' })).rejects.toThrow(
      "Invalid uplink '..' in path a/../..",
    )
  })

  test('mode bare-user-only gives canonical permissions', async () => {
    const entries = [file('f', '', { mode: 0o7777, uid: 1 }), symlink('l', 't', { mode: 0o644, gid: 1 })]
    expect((await take(entries, { mode: 'bare-user-only' })).listing).toEqual([
      ...['40755 0:0 /', '100755 0:0 /f = ', '120777 0:0 /l = t'],
    ])
  })
})
