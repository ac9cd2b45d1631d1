import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { UsageError } from '../../../src/errors.ts'
import { DirMeta, type FileHeader, S_IFLNK, S_IFREG } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { overlayDirectory } from '../../../src/repo/commit/directory.ts'
import { createCommitFilter } from '../../../src/repo/commit/modifier.ts'
import { createTreeSource } from '../../../src/repo/commit/tree-source.ts'
import {
  type ConsumedPath,
  createMemoryStorage,
  type DirectorySource,
  type ModifierOptions,
  MutableTree,
  Repo,
  type RepoMode,
  type Transaction,
  type TreeRoot,
  writeTree,
} from '../../../src/repo/index.ts'
import { CommitModifier, parseSkipList, parseStatOverrides } from '../../../src/repo/internal.ts'
import { anyTree, storeTree } from '../../../src/testing/index.ts'
import { directory, file, link, type MemoryNode, memoryDirectory, xattr } from '../../support/memory-directory.ts'
import { asSource } from '../../support/random-trees.ts'

interface Written {
  readonly repo: Repo
  readonly tx: Transaction
  readonly root: TreeRoot
  /** Owner, mode and names of xattrs by path, as `uid:gid mode xattr`. */
  readonly listing: Readonly<Record<string, string>>
}

async function write(
  source: DirectorySource | readonly DirectorySource[],
  options: ModifierOptions = {},
  mode: RepoMode = 'archive',
  consumed?: ConsumedPath[],
): Promise<Written> {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform, mode }), nodePlatform)
  const tx = await repo.begin()
  const tree = new MutableTree()
  for (const each of [source].flat()) {
    await overlayDirectory(tx, tree, each as DirectorySource, new CommitModifier(repo, options), { consumed })
  }
  const root = await writeTree(tx, tree)
  const listing: Record<string, string> = {}
  await list(tx, tree, '/', listing)
  return { repo, tx, root, listing }
}

async function list(tx: Transaction, tree: MutableTree, path: string, into: Record<string, string>): Promise<void> {
  const { uid, gid, mode, xattrs } = DirMeta.decode(await tx.readMeta('dirmeta', tree.meta as Checksum))
  into[path] = show({ uid, gid, mode, xattrs, target: '' })
  const prefix = path === '/' ? '/' : `${path}/`
  for (const [name, checksum] of tree.files) into[prefix + name] = show((await tx.statFile(checksum)).header)
  for (const [name, child] of tree.dirs) await list(tx, child, prefix + name, into)
}

function show({ uid, gid, mode, xattrs }: FileHeader): string {
  const names = xattrs.map(([name]) => ` ${new TextDecoder().decode(name)}`)
  return `${uid}:${gid} ${mode.toString(8)}${names.join('')}`
}

const sample: Record<string, MemoryNode> = {
  '': directory({ uid: 1, gid: 2 }),
  f: file('x', { uid: 3, gid: 4, mode: S_IFREG | 0o4777, xattrs: [xattr('user.a', '1')] }),
  l: link('f', { uid: 3 }),
  d: directory({ mode: 0o042777, xattrs: [xattr('user.d', '2')] }),
  'd/e': file(''),
}

describe('overlayDirectory', () => {
  test('a tree has the owners, modes and xattrs of a directory', async () => {
    const { listing } = await write(memoryDirectory(sample))
    expect(listing).toEqual({
      '/': '1:2 40755',
      '/f': '3:4 104777 user.a',
      '/l': '3:0 120777',
      '/d': '0:0 42777 user.d',
      '/d/e': '0:0 100644',
    })
  })

  test('any directory gives the tree with its files', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree(), async (tree) => {
        const { tx, root } = await write(asSource(tree))
        expect(root).toEqual(await storeTree(tx, tree))
      }),
      { numRuns: 100 },
    )
  })

  test('the tree does not depend on the order in which names are listed', async () => {
    const { root } = await write(memoryDirectory(sample))
    const names = Object.keys(sample)
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(names, { minLength: names.length }), async (order) => {
        const shuffled = Object.fromEntries(order.map((name) => [name, sample[name] as MemoryNode]))
        expect((await write(memoryDirectory(shuffled))).root).toEqual(root)
      }),
      { numRuns: 20 },
    )
  })

  test('canonical permissions remove owners, xattrs and special bits, as mode bare-user-only does', async () => {
    const { listing } = await write(memoryDirectory(sample), { canonicalPermissions: true })
    const canonical = {
      '/': '0:0 40755',
      '/f': '0:0 100755',
      '/l': '0:0 120777',
      '/d': '0:0 40755',
      '/d/e': '0:0 100644',
    }
    expect(listing).toEqual(canonical)
    expect((await write(memoryDirectory(sample), {}, 'bare-user-only')).listing).toEqual(canonical)
  })

  test('mode bare-user-only gives symbolic links the mode 0777', async () => {
    const nodes = { l: link('x', { mode: S_IFLNK | 0o644 }) }
    expect((await write(memoryDirectory(nodes), {}, 'bare-user-only')).listing['/l']).toBe('0:0 120777')
    expect((await write(memoryDirectory(nodes), { canonicalPermissions: true })).listing['/l']).toBe('0:0 120644')
  })

  test('a modifier removes or replaces xattrs', async () => {
    const plain = await write(memoryDirectory(sample), { noXattrs: true })
    expect([plain.listing['/f'], plain.listing['/d']]).toEqual(['3:4 104777', '0:0 42777'])
    const seen: string[] = []
    const labelled = await write(memoryDirectory(sample), {
      xattrs: (path, { mode }) => {
        seen.push(`${path} ${mode.toString(8)}`)
        return [xattr('user.z', ''), xattr('user.b', '')]
      },
    })
    expect(labelled.listing['/l']).toBe('3:0 120777 user.b user.z')
    expect(seen.sort()).toEqual(['/ 40755', '/d 42777', '/d/e 100644', '/f 104777', '/l 120777'])
  })

  test('a directory is added to the tree of the one before', async () => {
    const below = memoryDirectory({ 'd/x': file('1'), 'd/e': file('old'), g: file('2') })
    const { listing, root, repo, tx } = await write([below, memoryDirectory(sample)])
    expect(Object.keys(listing).sort()).toEqual(['/', '/d', '/d/e', '/d/x', '/f', '/g', '/l'])
    expect(listing['/d']).toBe('0:0 42777 user.d')
    await tx.commit()
    // The directory is added to the stored tree, of which only the directories of the new files are read.
    await repo.transaction(async (again) => {
      const tree = MutableTree.from(repo.objects, root)
      await overlayDirectory(again, tree, memoryDirectory(sample), new CommitModifier(repo))
      expect(await writeTree(again, tree)).toEqual(root)
    })
  })

  test.each([
    ['a pipe', 0o010644],
    ['a socket', 0o140644],
    ['a device', 0o060644],
  ])('a directory with %s is refused', async (_, mode) => {
    const source = memoryDirectory({ 'd/p': { mode } })
    await expect(write(source)).rejects.toMatchObject({
      message: 'Not a regular file or symlink: p',
      data: { argument: 'd/p' },
    })
    // It is refused also if a filter leaves it out.
    await expect(write(source, { filter: (path) => path !== '/d/p' })).rejects.toThrow(UsageError)
  })

  test('a stored tree is added like a directory', async () => {
    const first = await write(memoryDirectory(sample))
    const again = new MutableTree()
    await overlayDirectory(first.tx, again, createTreeSource(first.tx, first.root, 'x'), new CommitModifier(first.repo))
    expect(await writeTree(first.tx, again)).toEqual(first.root)
    const owned = new MutableTree()
    const modifier = new CommitModifier(first.repo, { filter: createCommitFilter({ ownerUid: 9 }) })
    await overlayDirectory(first.tx, owned, createTreeSource(first.tx, first.root, 'x'), modifier)
    const listing: Record<string, string> = {}
    await list(first.tx, owned, '/', listing)
    expect(Object.values(listing).every((shown) => shown.startsWith('9:'))).toBe(true)
    expect(Object.keys(listing).length).toBe(5)
  })
})

describe('filters of a commit', () => {
  test('a filter is called once for the root and files, and twice for other directories, with the original inode', async () => {
    const calls: string[] = []
    await write(memoryDirectory(sample), {
      filter: (path, inode) => {
        calls.push(`${path} ${inode.uid}`)
        inode.uid = 77
        return true
      },
    })
    expect(calls.sort()).toEqual(['/ 1', '/d 0', '/d 0', '/d/e 0', '/f 3', '/l 3'])
  })

  test('a filter leaves out files and whole directories', async () => {
    const { listing } = await write(memoryDirectory(sample), { filter: (path) => path !== '/d' && path !== '/f' })
    expect(Object.keys(listing)).toEqual(['/', '/l'])
    await expect(write(memoryDirectory(sample), { filter: () => false })).rejects.toThrow("Can't commit an empty tree")
  })

  test.each(['-1 /f', '=-1 /f', '=4755 /f', '4096 /f', '=99999999999 /f'])(
    'a statoverride that is not between 0 and 07777 is refused: %s',
    (line) => {
      expect(() => parseStatOverrides(`${line}\n`)).toThrow('is not between 0 and 07777')
    },
  )

  test('a statoverride adds or sets bits of modes, and those added to a directory below the root are lost', async () => {
    const statOverrides = parseStatOverrides('2048 /f\n=448 /d\n7 /d/e\n=0x1ff /l\n\n2 /\n1024 /d\n')
    const { listing } = await write(memoryDirectory(sample), { filter: createCommitFilter({ statOverrides }) })
    expect(listing).toMatchObject({
      '/': '1:2 40757',
      '/f': '3:4 104777 user.a',
      '/d': '0:0 40700 user.d',
      '/d/e': '0:0 100647',
      '/l': '3:0 120777',
    })
    expect(statOverrides.add.size).toBe(0)
    const onlyAdd = parseStatOverrides('1024 /d\n1 /none')
    const added = await write(memoryDirectory(sample), { filter: createCommitFilter({ statOverrides: onlyAdd }) })
    expect(added.listing['/d']).toBe('0:0 42777 user.d')
    expect([...onlyAdd.add.keys()]).toEqual(['/none'])
    expect(() => parseStatOverrides('123')).toThrow('Malformed statoverride file (no space found)')
  })

  test('a skip list leaves out files, and removes the entries it has used', async () => {
    const skipList = parseSkipList('/d\n/f\n\n/nothing\n/l/')
    const { listing } = await write(memoryDirectory(sample), { filter: createCommitFilter({ skipList }) })
    expect(Object.keys(listing)).toEqual(['/', '/l'])
    expect([...skipList]).toEqual(['/nothing', '/l/'])
  })

  test('`readOnlyExecutables` removes write permission from executable files', async () => {
    const { listing } = await write(memoryDirectory(sample), {
      filter: createCommitFilter({ readOnlyExecutables: true, ownerGid: 0 }),
    })
    expect(listing).toMatchObject({ '/f': '3:0 104555 user.a', '/d': '0:0 42777 user.d', '/d/e': '0:0 100644' })
  })

  test('createCommitFilter returns undefined without options', () => {
    expect(createCommitFilter({})).toBeUndefined()
    expect(createCommitFilter({ ownerUid: 0 })).toBeDefined()
  })
})

describe('files with a known inode', () => {
  /** Commits `sample`, then a directory whose file `f` has the inode of one of its objects and another owner. */
  async function checkedOut(options: ModifierOptions) {
    const { repo, tx, root } = await write(memoryDirectory(sample))
    await tx.commit()
    const known = (await repo.readDirTree(root.tree)).files.find(({ name }) => name === 'f')?.checksum as Checksum
    const source: DirectorySource = {
      ...memoryDirectory({ f: file('x', { uid: 50 }), g: file('new') }),
      identity: (path) => (path === 'f' ? '1:2' : '1:3'),
    }
    const again = await repo.begin()
    const tree = new MutableTree()
    const modifier = new CommitModifier(repo, { devino: new Map([['1:2', known]]), ...options })
    await overlayDirectory(again, tree, source, modifier)
    return { known, found: tree.files.get('f') as Checksum, stats: again.stats, tx: again }
  }

  test('the file becomes its object without being read', async () => {
    const { known, found, stats } = await checkedOut({})
    expect(found).toBe(known)
    expect(stats).toMatchObject({ contentCacheHits: 1, contentTotal: 1 })
  })

  test('the file becomes a new object with the metadata of its object if a modifier changes something', async () => {
    const { tx, found, stats } = await checkedOut({ filter: createCommitFilter({ ownerGid: 8 }) })
    expect(show((await tx.statFile(found)).header)).toBe('3:8 104777 user.a')
    expect(stats).toMatchObject({ contentCacheHits: 0, contentTotal: 2 })
    const plain = await checkedOut({ noXattrs: true })
    expect(show((await plain.tx.statFile(plain.found)).header)).toBe('3:4 104777')
  })

  test('the file becomes its object whatever a modifier changes, if `devinoCanonical` is set', async () => {
    const { known, found } = await checkedOut({ filter: createCommitFilter({ ownerGid: 8 }), devinoCanonical: true })
    expect(found).toBe(known)
  })

  test('a filter leaves the file out', async () => {
    const { found } = await checkedOut({ filter: (path) => path !== '/f' })
    expect(found).toBeUndefined()
  })
})

test('overlayDirectory records all paths for `consume`, parents first and with those that were left out', async () => {
  const consumed: ConsumedPath[] = []
  await write(
    memoryDirectory({ ...sample, 's/t': file('') }),
    { filter: (path) => !['/s', '/f'].includes(path) },
    'archive',
    consumed,
  )
  expect(consumed).toEqual([
    { path: '', kind: 'directory' },
    { path: 'f', kind: 'skipped' },
    { path: 'l', kind: 'file' },
    { path: 's', kind: 'skipped' },
    { path: 'd', kind: 'directory' },
    { path: 'd/e', kind: 'file' },
  ])
})

test('overlayDirectory reports its progress, and stops at an abort signal', async () => {
  const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
  const tx = await repo.begin()
  const told: unknown[] = []
  const modifier = new CommitModifier(repo)
  await overlayDirectory(tx, new MutableTree(), memoryDirectory(sample), modifier, {
    onProgress: (event) => told.push(event),
  })
  expect(told.at(-1)).toEqual({ kind: 'objects', written: 5, reused: 0, bytes: 1 })
  const signal = AbortSignal.abort()
  const stopped = overlayDirectory(tx, new MutableTree(), memoryDirectory(sample), modifier, { signal })
  await expect(stopped).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
})
