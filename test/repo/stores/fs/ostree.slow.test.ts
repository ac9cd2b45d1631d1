/** Repositories that one of ostree and ostree-ts writes and the other reads. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Checksum, encodeUtf8, readAll } from '../../../../src/bytes.ts'
import { checksumFile, encodeTombstone, type MetaType, verifyFile, Xattrs } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { loadNative } from '../../../../src/system/native.ts'
import { linkTo, regular, type TreeFile, writeFlatCommit } from '../../../support/flat-commits.ts'
import { isRoot } from '../../../support/machine.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const platform = nodePlatform
const root = temporaryFolder()
const MODES = ['archive', 'bare-user-only', 'bare-user', ...(isRoot ? (['bare'] as const) : [])] as const
type Mode = (typeof MODES)[number]

function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    bytes[i] = state >>> 16
  }
  return bytes
}

/** Makes files with all metadata that a mode can store. */
function filesFor(mode: Mode): TreeFile[] {
  const plain: TreeFile[] = [
    { name: 'empty', header: regular(0o644), body: new Uint8Array(0) },
    { name: 'script', header: regular(0o755), body: encodeUtf8('#!/bin/sh\n') },
    { name: 'secret', header: regular(0o600), body: encodeUtf8('x') },
    { name: 'group', header: regular(0o664), body: encodeUtf8('y') },
    { name: 'block', header: regular(0o644), body: noise(65536, 1) },
    { name: 'large', header: regular(0o644), body: noise(3_500_000, 2) },
    { name: 'zeros', header: regular(0o644), body: new Uint8Array(2_000_000) },
    { name: 'link', header: linkTo('../nowhere/ünï'), body: new Uint8Array(0) },
  ]
  if (mode === 'bare-user-only') return plain
  const owner = { uid: 1000, gid: 1001 }
  const xattrs = [
    [encodeUtf8('user.a'), encodeUtf8('1')],
    [encodeUtf8('user.b'), Uint8Array.of(255, 0, 1)],
  ] as const
  return [
    ...plain,
    { name: 'suid', header: regular(0o4755, owner), body: encodeUtf8('suid') },
    { name: 'sticky', header: regular(0o1777), body: encodeUtf8('sticky') },
    { name: 'owned-link', header: linkTo('x', owner), body: new Uint8Array(0) },
    { name: 'xattrs', header: regular(0o640, { ...owner, xattrs }), body: encodeUtf8('xattrs') },
    { name: 'large-xattrs', header: regular(0o4750, { ...owner, xattrs }), body: noise(1_500_000, 3) },
    { name: 'unreadable', header: regular(0), body: encodeUtf8('nobody') },
  ]
}

describeReference('ostree', 'a repository directory of ostree-ts', () => {
  test.each(MODES)('ostree finds no errors, and lists the refs and files that were written: mode %s', async (mode) => {
    const path = join(root, `ours-${mode}`)
    const storage = await initFsStorage(path, { mode, platform })
    const tx = await storage.begin()
    const files = filesFor(mode)
    const commit = await writeFlatCommit(tx, files, 'dir/main')
    tx.setRef('heads/alias', { alias: 'heads/dir/main' })
    tx.setRef('heads/dir/back', { alias: 'heads/alias' })
    tx.setRef('remotes/origin/main', { commit })
    await tx.writeAttached('commitmeta', commit, new Uint8Array(0))
    await tx.commit()
    await storage[Symbol.asyncDispose]()

    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
    expect(
      run('ostree', ['refs', `--repo=${path}`])
        .split('\n')
        .sort(),
    ).toEqual(['', 'alias', 'dir/back', 'dir/main', 'origin:main'].sort())
    expect(
      run('ostree', ['refs', '-A', `--repo=${path}`])
        .split('\n')
        .sort(),
    ).toEqual(['', 'alias -> dir/main', 'dir/back -> alias'].sort())
    for (const ref of ['alias', 'dir/back', 'origin:main'])
      expect(run('ostree', ['rev-parse', `--repo=${path}`, ref]).trim()).toBe(commit)
    const listed = run('ostree', ['ls', '-R', '-C', `--repo=${path}`, commit])
      .trimEnd()
      .split('\n')
      .slice(1)
    expect(listed).toHaveLength(files.length)
    for (const { name, header, body } of files) {
      const line = listed.find((each) => each.includes(` /${name}`)) ?? ''
      const permissions = (header.mode & 0o7777).toString(8).padStart(5, '0')
      expect(line).toContain(`${permissions} ${header.uid} ${header.gid} `)
      if (header.target === '') {
        const cat = spawnSync('ostree', ['cat', `--repo=${path}`, commit, `/${name}`], { maxBuffer: 1 << 24 })
        expect(Buffer.compare(cat.stdout, body)).toBe(0)
      } else {
        expect(line).toContain(`-> ${header.target}`)
      }
    }
  })

  test('a new repository has the directories, files and permissions of one of ostree', async () => {
    const [ours, theirs] = [join(root, 'init-ours'), join(root, 'init-theirs')] as const
    for (const mode of ['archive', 'bare', 'bare-user', 'bare-user-only'] as const) {
      const storage = await initFsStorage(`${ours}-${mode}`, { mode, platform, collectionId: 'org.example.C' })
      await storage[Symbol.asyncDispose]()
      run('ostree', ['init', `--repo=${theirs}-${mode}`, `--mode=${mode}`, '--collection-id=org.example.C'])
      const look = (path: string) =>
        readdirSync(path, { recursive: true, encoding: 'utf8' })
          .sort()
          .map((name) => {
            const stat = lstatSync(join(path, name))
            return [name, stat.mode.toString(8), stat.isFile() ? readFileSync(join(path, name), 'utf8') : undefined]
          })
      // ostree creates tmp/cache when it opens the repository for the first time.
      run('ostree', ['refs', `--repo=${theirs}-${mode}`])
      expect(look(`${ours}-${mode}`)).toEqual(look(`${theirs}-${mode}`))
    }
  })

  test.each([0o077, 0o002, 0o027])(
    'files and directories have the permissions of those of ostree under umask %o',
    async (umask) => {
      const source = join(root, `umask-tree-${umask}`)
      mkdirSync(source)
      for (const [name, mode] of [
        ['a', 0o644],
        ['b', 0o775],
        ['c', 0o600],
      ] as const) {
        writeFileSync(join(source, name), name)
        chmodSync(join(source, name), mode)
      }
      const before = process.umask(umask)
      try {
        for (const mode of ['archive', 'bare-user-only', 'bare-user'] as const) {
          const theirs = join(root, `umask-theirs-${mode}-${umask}`)
          const ours = join(root, `umask-ours-${mode}-${umask}`)
          run('ostree', ['init', `--repo=${theirs}`, `--mode=${mode}`])
          const canonical = mode === 'bare-user-only' ? ['--canonical-permissions'] : []
          run('ostree', ['commit', `--repo=${theirs}`, '-b', 'dir/main', `--tree=dir=${source}`, ...canonical])
          const from = await openFsStorage(theirs, { platform })
          const storage = await initFsStorage(ours, { mode, platform })
          const tx = await storage.begin()
          for await (const { type, checksum } of from.objects.list()) {
            if (type === 'file') await tx.writeFile(await from.objects.readFile(checksum), checksum)
            else await tx.writeMeta(type as MetaType, await from.objects.readMeta(type as MetaType, checksum), checksum)
          }
          const target = await from.refs.read('heads/dir/main')
          tx.setRef('heads/dir/main', target)
          await tx.commit()
          for (const each of [from, storage]) await each[Symbol.asyncDispose]()
          const look = (path: string) =>
            readdirSync(path, { recursive: true, encoding: 'utf8' })
              .sort()
              .map((name) => `${lstatSync(join(path, name)).mode.toString(8)} ${name}`)
          expect(look(ours)).toEqual(look(theirs))
        }
      } finally {
        process.umask(before)
      }
    },
  )

  test('ostree recognises partial and deleted commits', async () => {
    const path = join(root, 'states')
    const storage = await initFsStorage(path, { mode: 'archive', platform })
    let tx = await storage.begin()
    const commit = await writeFlatCommit(tx, filesFor('bare-user-only').slice(0, 3), 'main')
    tx.setCommitState(commit, 'partial')
    await tx.commit()
    const fsck = spawnSync('ostree', ['fsck', `--repo=${path}`])
    expect(`${fsck.stdout}${fsck.stderr}`).toContain('1 partial commits not verified')
    await storage.objects.setCommitState(commit, 'fsck-partial')
    expect(spawnSync('ostree', ['fsck', `--repo=${path}`]).stderr.toString()).toContain(
      '1 partial commits from fsck-detected corruption',
    )
    await storage.objects.setCommitState(commit, 'complete')
    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')

    await storage.refs.write('heads/main', undefined)
    await storage.objects.delete({ checksum: commit, type: 'commit' })
    await storage.objects.writeAttached('tombstone-commit', commit, encodeTombstone(commit))
    tx = await storage.begin()
    await writeFlatCommit(tx, filesFor('bare-user-only').slice(0, 3), 'main')
    await tx.commit()
    expect(await storage.objects.has({ checksum: commit, type: 'tombstone-commit' })).toBe(false)
    expect(run('ostree', ['fsck', `--repo=${path}`])).toContain('no errors found')
    await storage[Symbol.asyncDispose]()
  })
})

/** Creates a directory with the files of `filesFor`. */
function makeTree(path: string): void {
  mkdirSync(join(path, 'sub/deep'), { recursive: true })
  for (const [i, { name, header, body }] of filesFor(isRoot ? 'bare' : 'bare-user-only').entries()) {
    const file = join(path, i % 2 === 0 ? 'sub' : 'sub/deep', name)
    if (header.target !== '') {
      symlinkSync(header.target, file)
      continue
    }
    writeFileSync(file, body)
    if (isRoot) chownSync(file, header.uid, header.gid)
    spawnSync('chmod', [(header.mode & 0o7777).toString(8), file])
    for (const [key, value] of header.xattrs) loadNative()?.setXattr(file, key, value)
    utimesSync(file, 1, 1)
  }
}

describeReference('ostree', 'a repository directory of ostree', () => {
  test.each(MODES)('every object is read and verified: mode %s', async (mode) => {
    const tree = join(root, `tree-${mode}`)
    makeTree(tree)
    const path = join(root, `theirs-${mode}`)
    run('ostree', ['init', `--repo=${path}`, `--mode=${mode}`])
    const canonical = mode === 'bare-user-only' ? ['--canonical-permissions', '--no-xattrs'] : []
    run('ostree', ['commit', `--repo=${path}`, '-b', 'some/branch', `--tree=dir=${tree}`, ...canonical])

    const storage = await openFsStorage(path, { platform })
    const target = await storage.refs.read('heads/some/branch')
    expect(target).toEqual({ commit: run('ostree', ['rev-parse', `--repo=${path}`, 'some/branch']).trim() })
    const counts: Record<string, number> = {}
    for await (const { type, checksum } of storage.objects.list()) {
      counts[type] = (counts[type] ?? 0) + 1
      if (type === 'file') {
        const { header, size, body } = await storage.objects.readFile(checksum)
        const content = await readAll(body)
        expect(content.length).toBe(size)
        verifyFile(platform, header, content, checksum)
        expect(await storage.objects.statFile(checksum)).toEqual({ header, size })
      } else if (type === 'dirtree' || type === 'dirmeta' || type === 'commit') {
        expect(platform.sha256(await storage.objects.readMeta(type, checksum))).toBe(checksum)
      }
      const loose = storage.objects.loose?.path({ type, checksum })
      expect(loose === undefined ? -1 : lstatSync(loose).size).toBe(
        await storage.objects.storageSize({ type, checksum }),
      )
    }
    expect(counts['commit']).toBe(1)
    expect(counts['dirtree']).toBe(3)
    expect(counts['file']).toBeGreaterThan(7)

    // All files exist under the same names, so nothing is written.
    const tx = await storage.begin()
    for await (const { checksum } of storage.objects.list('file')) {
      const { header, size, body } = await storage.objects.readFile(checksum)
      expect(await tx.writeFile({ header, size, body }, checksum)).toBe(checksum)
    }
    expect((await tx.commit()).contentWritten).toBe(0)
    await storage[Symbol.asyncDispose]()
  })

  test('aliases, refs of remotes and refs of collections are listed', async () => {
    const path = join(root, 'refs')
    run('ostree', ['init', `--repo=${path}`, '--mode=archive'])
    mkdirSync(join(root, 'refs-tree'))
    const args = ['commit', `--repo=${path}`, '-b', 'main', `--tree=dir=${join(root, 'refs-tree')}`]
    const commit = run('ostree', args).trim() as Checksum
    run('ostree', ['refs', `--repo=${path}`, '-A', '--create=a/b/alias', 'main'])
    run('ostree', ['refs', `--repo=${path}`, '--create=origin:x', 'main'])
    run('ostree', ['refs', `--repo=${path}`, '-c', '--create=org.example.C:main', 'main'])
    const storage = await openFsStorage(path, { platform })
    expect(await storage.refs.list('heads')).toEqual(['heads/a/b/alias', 'heads/main'])
    expect(await storage.refs.read('heads/a/b/alias')).toEqual({ alias: 'heads/main' })
    expect(await storage.refs.read('remotes/origin/x')).toEqual({ commit })
    expect(await storage.refs.list('mirrors')).toEqual(['mirrors/org.example.C/main'])
    await storage.refs.write('heads/a/b/ours', { alias: 'heads/main' })
    expect(readlinkSync(join(path, 'refs/heads/a/b/ours'))).toBe(readlinkSync(join(path, 'refs/heads/a/b/alias')))
    await storage[Symbol.asyncDispose]()
  })
})

describeReference('ostree', 'errors of ostree and of ostree-ts', () => {
  test.each([
    ['a directory that does not exist', (path: string) => path],
    [
      'a directory without objects',
      (path: string) => {
        mkdirSync(path)
        return path
      },
    ],
    [
      'a directory without a config',
      (path: string) => {
        mkdirSync(join(path, 'objects'), { recursive: true })
        return path
      },
    ],
    [
      'a file',
      (path: string) => {
        writeFileSync(path, '')
        return path
      },
    ],
    ...['[core]\nrepo_version=1\nmode=foo\n', '[core]\nrepo_version=2\nmode=bare\n', 'x', '[core]\nmode=bare\n'].map(
      (config) =>
        [
          `a config of ${JSON.stringify(config)}`,
          (path: string) => {
            mkdirSync(join(path, 'objects'), { recursive: true })
            writeFileSync(join(path, 'config'), config)
            return path
          },
        ] as const,
    ),
  ] as const)('both refuse to open with the same message: %s', async (title, make) => {
    const path = make(join(root, title.replaceAll(/[^a-z0-9]+/g, '-')))
    const theirs = spawnSync('ostree', ['refs', `--repo=${path}`])
    const message = theirs.stderr
      .toString()
      .replace(/^error: /, '')
      .trimEnd()
    await expect(openFsStorage(path, { platform })).rejects.toThrow(message)
  })

  test.each([
    ['in a directory that does not exist', 'no/where'],
    ['in place of a file', 'a-file'],
  ])('both refuse to create a repository %s with the same message', async (_, name) => {
    writeFileSync(join(root, 'a-file'), '')
    const path = join(root, name)
    const theirs = spawnSync('ostree', ['init', `--repo=${path}`])
    const message = theirs.stderr
      .toString()
      .replace(/^error: /, '')
      .trimEnd()
    await expect(initFsStorage(path, { mode: 'archive', platform })).rejects.toThrow(message)
  })

  test('both refuse content with the same message when there is too little free space', async () => {
    const path = join(root, 'space')
    run('ostree', ['init', `--repo=${path}`, '--mode=archive'])
    mkdirSync(join(root, 'space-tree'))
    writeFileSync(join(root, 'space-tree/file'), noise(10_000, 9))
    // The maximum is 99 percent, which an almost empty file system has.
    const { bfree, blocks } = statfsSync(root)
    for (const [key, value] of [
      ['min-free-space-percent', '99'],
      ['min-free-space-size', '900TB'],
    ] as const) {
      if (key === 'min-free-space-percent' && bfree / blocks > 0.985) continue
      run('ostree', ['config', 'set', `--repo=${path}`, `core.${key}`, value])
      const theirs = spawnSync('ostree', [
        'commit',
        `--repo=${path}`,
        '-b',
        'x',
        `--tree=dir=${join(root, 'space-tree')}`,
      ])
      const message = theirs.stderr
        .toString()
        .replace(/^error: /, '')
        .trimEnd()
      expect(message).toMatch(/would be exceeded, at least/)
      const storage = await openFsStorage(path, { platform })
      const tx = await storage.begin()
      await tx.writeMeta('dirmeta', new Uint8Array(100_000))
      expect(() => tx.writeFile({ header: regular(0o644), size: 10_000, body: noise(10_000, 9) })).toThrow(message)
      await tx[Symbol.asyncDispose]()
      expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
      await storage[Symbol.asyncDispose]()
    }
  })
})

describe('mode bare-split-xattrs', () => {
  test('xattrs are read from the object beside each file, and content cannot be written', async () => {
    const path = join(root, 'split')
    const storage = await initFsStorage(path, { mode: 'bare-split-xattrs', platform })
    const tx = await storage.begin()
    await tx.writeMeta('dirmeta', new Uint8Array(12))
    const file = { header: regular(0o644), size: 1, body: encodeUtf8('x') }
    expect(() => tx.writeFile(file)).toThrow('Writing content object: Not allowed due to repo mode')
    await tx.commit()

    const { uid, gid } = lstatSync(path)
    const body = encodeUtf8('content')
    const header = regular(0o640, { uid, gid, xattrs: [[encodeUtf8('user.a'), encodeUtf8('1')]] })
    const checksum = checksumFile(platform, header, body)
    const directory = join(path, 'objects', checksum.slice(0, 2))
    mkdirSync(directory, { recursive: true })
    const loose = join(directory, `${checksum.slice(2)}.file`)
    writeFileSync(loose, body)
    chmodSync(loose, 0o640)
    const shown = `${checksum.slice(0, 2)}/${checksum.slice(2)}.file-xattrs-link`
    expect(() => storage.objects.statFile(checksum)).toThrow(`openat(${shown}): No such file or directory`)
    writeFileSync(`${loose}-xattrs-link`, Xattrs.encode(header.xattrs))
    expect(await storage.objects.statFile(checksum)).toEqual({ header, size: body.length })
    expect(await storage.objects.readFile(checksum)).toEqual({ header, size: body.length, body })
    await storage[Symbol.asyncDispose]()
  })
})
