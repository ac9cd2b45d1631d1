import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../../../src/bytes.ts'
import { InvalidNameError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import {
  collectionRefPath,
  createMemoryStorage,
  formatRefspec,
  parseRefspec,
  Repo,
  refPath,
  refspecOf,
  validateRefName,
  validateRemoteName,
} from '../../../src/repo/index.ts'
import { readRef } from '../../../src/repo/internal.ts'
import { listRefs, refNameFromBytes } from '../../../src/repo/refs/refs.ts'

const A = 'a'.repeat(64) as Checksum
const B = 'b'.repeat(64) as Checksum

function memory() {
  return createMemoryStorage({ platform: nodePlatform })
}

describe('refspecs', () => {
  test.each([
    ['main', undefined, 'main', 'heads/main'],
    ['a/b/c', undefined, 'a/b/c', 'heads/a/b/c'],
    ['origin:main', 'origin', 'main', 'remotes/origin/main'],
    ['o:a/b', 'o', 'a/b', 'remotes/o/a/b'],
    ['ünï/日本', undefined, 'ünï/日本', 'heads/ünï/日本'],
    ['b..c', undefined, 'b..c', 'heads/b..c'],
    ['_-./0', undefined, '_-./0', 'heads/_-./0'],
  ])('the refspec %s has the remote %s and the ref %s', (text, remote, name, path) => {
    expect(parseRefspec(text)).toEqual({ remote, name })
    expect(formatRefspec({ remote, name })).toBe(text)
    expect(refPath(text)).toBe(path)
    expect(refspecOf(path)).toBe(text)
  })

  // `ostree rev-parse` refuses each of them with the same message.
  test.each([
    '',
    ':x',
    'r:',
    'a:b:c',
    'a//b',
    '/b',
    'b/',
    '.b',
    '-b',
    'a/.b',
    'sp ace',
    '../x',
    'a/../b',
    'a/./b',
    'a\0b',
    'a\n\n',
    '\na',
  ])('the refspec %j is refused', (text) => {
    expect(() => parseRefspec(text)).toThrow(new InvalidNameError(text, `Invalid refspec ${text}`))
  })

  test('the path of any refspec stays in its folder', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', ':', '-', '\\', '\0', 'é') }), (text) => {
        let path: string
        try {
          path = refPath(text)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidNameError)
          return
        }
        expect(path.split('/').some((part) => part === '' || part === '.' || part === '..')).toBe(false)
        expect(path).toMatch(/^(heads|remotes)\//)
      }),
    )
  })
})

describe('names of remotes, refs and collections', () => {
  test('a remote name with a slash is refused', () => {
    validateRemoteName('origin-1')
    expect(() => validateRemoteName('a/b')).toThrow('Invalid remote name a/b')
  })

  test('a ref name that is not UTF-8 or that has a space is refused', () => {
    expect(refNameFromBytes(new TextEncoder().encode('ü'))).toBe('ü')
    expect(() => refNameFromBytes(Uint8Array.of(0xff))).toThrow('Invalid ref name: not valid UTF-8')
    expect(() => validateRefName('a b')).toThrow('Invalid ref name a b')
  })

  test('refs of a collection are in a folder of mirrors, and those of the own collection in heads', () => {
    expect(collectionRefPath('org.x', 'main')).toBe('mirrors/org.x/main')
    expect(collectionRefPath('org.x', 'main', 'org.x')).toBe('heads/main')
    expect(() => collectionRefPath('org', 'main')).toThrow('Invalid collection ID org')
  })
})

describe('listRefs', () => {
  async function filled() {
    const { refs } = memory()
    for (const path of ['heads/b', 'heads/a/x', 'heads/a/y', 'remotes/o/main', 'remotes/o/a/z', 'remotes/p/q']) {
      await refs.write(path, { commit: A })
    }
    await refs.write('mirrors/org.x/m', { commit: A })
    await refs.write('heads/alias', { alias: 'heads/b' })
    return refs
  }

  test.each<[string | undefined, boolean, string[]]>([
    [undefined, false, ['a/x', 'a/y', 'alias', 'b', 'o:a/z', 'o:main', 'p:q']],
    ['a', true, ['x', 'y']],
    ['a', false, ['a/x', 'a/y']],
    ['a/x', true, ['a/x']],
    ['o:', true, ['o:a/z', 'o:main']],
    ['o:a', true, ['o:z']],
    ['o:a', false, ['o:a/z']],
    ['o:a/z', false, ['o:a/z']],
    ['nothing', true, []],
  ])('refs below the prefix %s are listed, with cutPrefix: %s', async (prefix, cutPrefix, names) => {
    const listed = await listRefs(await filled(), prefix, { cutPrefix })
    expect(listed.map((ref) => ref.name)).toEqual(names)
  })

  test('a ref is listed with its path', async () => {
    expect(await listRefs(await filled(), 'o:a')).toEqual([{ name: 'o:a/z', path: 'remotes/o/a/z' }])
  })

  test('an invalid prefix is refused', async () => {
    await expect(listRefs(await filled(), 'é/')).rejects.toThrow('Listing refs: Invalid refspec é/')
    await expect(listRefs(await filled(), '')).rejects.toThrow('Listing refs: Invalid refspec ')
  })
})

describe('aliases', () => {
  test('an alias leads to the commit of its target, also through another alias', async () => {
    const { refs } = memory()
    await refs.write('heads/main', { commit: A })
    await refs.write('heads/one', { alias: 'heads/main' })
    await refs.write('heads/two', { alias: 'heads/one' })
    expect(await readRef(refs, 'heads/two')).toBe(A)
    await refs.write('heads/main', { commit: B })
    expect(await readRef(refs, 'heads/two')).toBe(B)
  })

  test('an alias to a ref that does not exist is undefined', async () => {
    const { refs } = memory()
    await refs.write('heads/one', { alias: 'heads/main' })
    expect(await readRef(refs, 'heads/one')).toBeUndefined()
  })

  test('aliases in a circle are refused', async () => {
    const { refs } = memory()
    await refs.write('heads/one', { alias: 'heads/two' })
    await refs.write('heads/two', { alias: 'heads/one' })
    await expect(readRef(refs, 'heads/one')).rejects.toThrow(
      'openat(refs/heads/one): Too many levels of symbolic links',
    )
  })
})

describe('setRef', () => {
  async function repository() {
    return Repo.open(memory(), nodePlatform)
  }

  test('a ref is set, and `undefined` deletes it, also if it does not exist', async () => {
    const repo = await repository()
    await repo.setRef('o:main', A)
    expect(await repo.resolve('o:main')).toBe(A)
    await repo.setRef('o:main', undefined)
    await repo.setRef('o:main', undefined)
    expect(await repo.tryResolve('o:main')).toBeUndefined()
  })

  test('a name that looks like a checksum, an invalid one, and that of a directory of refs are refused', async () => {
    const repo = await repository()
    await expect(repo.setRef(A, A)).rejects.toThrow(`Rev name '${A}' looks like a checksum`)
    await expect(repo.setRef('sp ace', A)).rejects.toThrow('Invalid refspec sp ace')
    await repo.setRef('a/b', A)
    await expect(repo.setRef('a', A)).rejects.toThrow('Conflict: b exists under a when attempting write')
  })
})
