import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Checksum, readAll } from '../../../src/bytes.ts'
import { IoError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { overlayDirectory } from '../../../src/repo/commit/directory.ts'

import { createDirectorySource } from '../../../src/repo/commit/local-directory-source.ts'
import {
  createMemoryStorage,
  type ModifierOptions,
  MutableTree,
  Repo,
  SMALL_FILE,
  writeCommit,
  writeTree,
} from '../../../src/repo/index.ts'
import { CommitModifier } from '../../../src/repo/internal.ts'
import { anyTree } from '../../../src/testing/index.ts'
import { materialise, possible } from '../../support/random-trees.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')

async function commitOf(path: string, options: ModifierOptions = {}): Promise<Checksum> {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  return repo.transaction(async (tx) => {
    const tree = new MutableTree()
    await overlayDirectory(tx, tree, createDirectorySource(path), new CommitModifier(repo, options))
    return writeCommit(tx, { root: await writeTree(tx, tree), timestamp: 0n })
  })
}

const repo = join(folder, 'repo')

/** Commits a directory with ostree. @returns the checksum of the commit */
function theirs(path: string, ...options: string[]): string {
  if (!existsSync(repo)) run('ostree', ['init', '--repo', repo, '--mode=archive'])
  const fixed = ['--orphan', '--no-bindings', '--timestamp=@0', '--fsync=false', `--tree=dir=${path}`]
  return run('ostree', ['commit', '--repo', repo, ...fixed, ...options]).trim()
}

describeReference('ostree', 'createDirectorySource and `ostree commit`', () => {
  test('a random directory has the same commit', async () => {
    let number = 0
    await fc.assert(
      fc.asyncProperty(anyTree().map(possible), async (tree) => {
        const path = join(folder, `tree-${number++}`)
        materialise(path, tree)
        expect(await commitOf(path)).toBe(theirs(path))
        rmSync(path, { recursive: true })
      }),
      { numRuns: 50, endOnFailure: true },
    )
  })

  test('files around the size above which they are streamed have the same commit', async () => {
    const path = join(folder, 'large')
    mkdirSync(path)
    for (const size of [SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1, 3 * SMALL_FILE]) {
      writeFileSync(join(path, `${size}`), new Uint8Array(size).fill(size))
    }
    expect(await commitOf(path)).toBe(theirs(path))
  })
})

describeReference(['ostree', 'getfattr'], 'createDirectorySource and `ostree commit` with xattrs', () => {
  test('xattrs have the same commit, and those without a value are ignored', async () => {
    const path = join(folder, 'xattrs')
    mkdirSync(join(path, 'd'), { recursive: true })
    writeFileSync(join(path, 'f'), 'content')
    for (const [name, value, at] of [
      ['user.z', '1', 'f'],
      ['user.a', '0x00ff', 'f'],
      ['user.empty', '""', 'f'],
      ['user.d', 'value', 'd'],
    ] as const) {
      execFileSync('setfattr', ['-n', name, '-v', value, join(path, at)])
    }
    expect(await commitOf(path)).toBe(theirs(path))
    expect(await commitOf(path, { noXattrs: true })).toBe(theirs(path, '--no-xattrs'))
    expect(await commitOf(path, { canonicalPermissions: true })).toBe(theirs(path, '--canonical-permissions'))
  })
})

describe('createDirectorySource', () => {
  test.each([
    ['nowhere', 'opendir(PATH): No such file or directory'],
    ['file', 'opendir(PATH): Not a directory'],
    ['link', 'opendir(PATH): Not a directory'],
  ])('a path that is not a directory is refused with the message of ostree: %s', async (name, message) => {
    writeFileSync(join(folder, 'file'), '', { flag: 'a' })
    if (!existsSync(join(folder, 'link'))) symlinkSync('.', join(folder, 'link'))
    const path = join(folder, name)
    await expect(commitOf(path)).rejects.toMatchObject({ code: 'io', message: message.replace('PATH', path) })
  })

  test('a directory with a pipe is refused without waiting for the pipe', async () => {
    const path = join(folder, 'pipes')
    mkdirSync(path)
    execFileSync('mkfifo', [join(path, 'p')])
    await expect(commitOf(path)).rejects.toThrow('Not a regular file or symlink: p')
    expect(() => createDirectorySource(path).read('p', 5)).toThrow(IoError)
  })

  test.skipIf(process.platform !== 'linux')(
    'a directory with names or targets that are not UTF-8 is refused',
    async () => {
      const path = join(folder, 'bytes')
      mkdirSync(path)
      const name = Buffer.concat([Buffer.from(`${path}/a`), Buffer.of(0xff)])
      writeFileSync(name, '')
      await expect(commitOf(path)).rejects.toMatchObject({
        code: 'invalid',
        message: 'Invalid UTF-8 in filename a\udcff',
      })
      rmSync(name)
      symlinkSync(Buffer.of(0xfe), join(path, 'l'))
      await expect(commitOf(path)).rejects.toMatchObject({
        code: 'invalid',
        message: 'Invalid UTF-8 in symbolic link target \udcfe',
      })
    },
  )

  test('a file that changes while it is read is refused', async () => {
    const path = join(folder, 'changing')
    mkdirSync(path)
    writeFileSync(join(path, 'f'), '12345')
    const source = createDirectorySource(path)
    expect(await source.read('f', 5)).toEqual(new TextEncoder().encode('12345'))
    expect(() => source.read('f', 4)).toThrow(`${path}/f changed while it was read: it had 4 bytes`)
    expect(() => source.read('f', 6)).toThrow('changed while it was read')
    appendFileSync(join(path, 'f'), new Uint8Array(SMALL_FILE + 5))
    await expect(readAll(await source.read('f', SMALL_FILE + 9))).rejects.toThrow('changed while it was read')
    await expect(readAll(await source.read('f', SMALL_FILE + 11))).rejects.toThrow('changed while it was read')
    expect((await readAll(await source.read('f', SMALL_FILE + 10))).length).toBe(SMALL_FILE + 10)
  })

  test.each(['a link', 'another directory'])(
    'a directory that is replaced by %s while it is read is refused',
    async (what) => {
      const path = join(folder, `swapped ${what}`)
      for (const name of ['top/d/e', 'secret/e']) mkdirSync(join(path, name), { recursive: true })
      writeFileSync(join(path, 'top/d/e/f'), 'mine')
      writeFileSync(join(path, 'secret/e/f'), 'secret')
      const swap = () => {
        renameSync(join(path, 'top/d'), join(path, 'gone'))
        if (what === 'a link') symlinkSync('../secret', join(path, 'top/d'))
        else renameSync(join(path, 'secret'), join(path, 'top/d'))
      }
      let calls = 0
      const filter = (name: string) => {
        if (name === '/d/e' && ++calls === 2) swap()
        return true
      }
      await expect(commitOf(join(path, 'top'), { filter })).rejects.toMatchObject({ code: 'io' })
    },
  )

  test.runIf(process.platform === 'linux')('an open directory is read further although it was renamed', () => {
    const path = join(folder, 'renamed')
    mkdirSync(join(path, 'd'), { recursive: true })
    writeFileSync(join(path, 'd/f'), 'mine')
    const source = createDirectorySource(path)
    source.list('')
    source.list('d')
    renameSync(join(path, 'd'), join(path, 'e'))
    mkdirSync(join(path, 'd'))
    writeFileSync(join(path, 'd/f'), 'else')
    expect(source.read('d/f', 4)).toEqual(new TextEncoder().encode('mine'))
    expect(source.xattrs('d')).toEqual([])
    source.close?.()
  })

  test('hard links of a file have the same identity', async () => {
    const path = join(folder, 'links')
    mkdirSync(path)
    for (const name of ['a', 'b']) writeFileSync(join(path, name), '')
    linkSync(join(path, 'a'), join(path, 'c'))
    const { identity } = createDirectorySource(path)
    const source = createDirectorySource(path)
    const [a, b, c] = ['a', 'b', 'c'].map((name) => identity?.call(source, name))
    expect(a).toMatch(/^\d+:\d+$/)
    expect([c, b === a]).toEqual([a, false])
  })

  test('`remove` deletes only the paths that were consumed', async () => {
    const path = join(folder, 'consumed')
    mkdirSync(join(path, 'd/e'), { recursive: true })
    mkdirSync(join(path, 'skip/below'), { recursive: true })
    for (const name of ['f', 'd/g', 'skip/below/h']) writeFileSync(join(path, name), '')
    const source = createDirectorySource(path)
    const below = [
      { path: 'f', kind: 'file' },
      { path: 'skip', kind: 'skipped' },
      { path: 'd', kind: 'directory' },
      { path: 'd/g', kind: 'file' },
      { path: 'd/e', kind: 'directory' },
    ] as const
    writeFileSync(join(path, 'late'), '')
    expect(() => source.remove?.([{ path: '', kind: 'directory' }, ...below])).toThrow(IoError)
    expect(readdirSync(path)).toEqual(['late'])
    rmSync(join(path, 'late'))
    source.remove?.([{ path: '', kind: 'directory' }])
    expect(existsSync(path)).toBe(false)
  })
})
