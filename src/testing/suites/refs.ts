/** Tests of refs: names in a tree of directories that point to commits or to other refs. */

import { type Checksum, compareBytes } from '../../bytes.ts'
import { ConflictError } from '../../errors.ts'
import type { RefPath } from '../../repo/index.ts'
import { attempt, type SuiteContext, text } from './kit.ts'

const ONE = { commit: '11'.repeat(32) as Checksum }
const TWO = { commit: '22'.repeat(32) as Checksum }

/** Valid names that careless stores mix up or reject. */
const NAMES: readonly RefPath[] = [
  'heads/main',
  'heads/main-2',
  'heads/main.x',
  'heads/ostree/container/blob/sha256_3A_0123456789abcdef',
  'heads/ostree/container/image/docker_3A__2F__2F_quay_2E_io/x',
  'heads/Fedora/43/x86_64',
  'heads/prüfstand/ä',
  // Two letters whose order in UTF-8 is the reverse of that in UTF-16.
  'heads/\u{10400}',
  'heads/\uff21',
  'heads/_',
  'heads/100._25',
  'remotes/origin/main',
  'remotes/origin-2/main',
  'mirrors/org.example.Collection/main',
]

function byUtf8(a: string, b: string): number {
  return compareBytes(text(a), text(b))
}

/** Registers the tests of refs. */
export function refTests(context: SuiteContext): void {
  const { describe, test, expect } = context

  describe('refs', () => {
    test('refs are set, moved and deleted independently of each other', async () => {
      const storage = await context.create()
      const { refs } = storage
      for (const path of NAMES) {
        expect(await refs.read(path)).toBeUndefined()
        await refs.write(path, ONE)
        expect(await refs.read(path)).toEqual(ONE)
      }
      await refs.write('heads/main', TWO)
      for (const path of NAMES) expect(await refs.read(path)).toEqual(path === 'heads/main' ? TWO : ONE)
      for (const path of NAMES) {
        await refs.write(path, undefined)
        expect(await refs.read(path)).toBeUndefined()
        await refs.write(path, undefined)
      }
      await storage[Symbol.asyncDispose]()
    })

    test('refs below a prefix are listed in byte order', async () => {
      const storage = await context.create()
      const { refs } = storage
      const tx = await storage.begin()
      for (const path of NAMES) tx.setRef(path, ONE)
      await tx.commit()
      const under = (prefix: string) => NAMES.filter((path) => path.startsWith(`${prefix}/`)).toSorted(byUtf8)
      for (const prefix of ['heads', 'remotes', 'remotes/origin', 'mirrors', 'heads/ostree/container', 'heads/Fedora'])
        expect(await refs.list(prefix), prefix).toEqual(under(prefix))
      expect(await refs.list('heads/main')).toEqual(['heads/main'])
      expect(await refs.list('heads/mai')).toEqual([])
      expect(await refs.list('heads/main/x')).toEqual([])
      expect(await refs.list('remotes/missing')).toEqual([])
      await storage[Symbol.asyncDispose]()
    })

    test('a ref and a directory of refs cannot have the same name', async () => {
      const storage = await context.create()
      const { refs } = storage
      for (const area of ['heads', 'remotes/origin', 'mirrors/org.example.C']) {
        await refs.write(`${area}/x/y/z`, ONE)
        await refs.write(`${area}/x/a-b`, ONE)
        for (const [path, message] of [
          ['x', 'Conflict: a-b exists under x when attempting write'],
          ['x/y', 'Conflict: z exists under x/y when attempting write'],
          ['x/y/z/w', `openat(refs/${area}/x/y/z/w): Not a directory`],
          ['x/a-b/c/d', `openat(refs/${area}/x/a-b/c/d): Not a directory`],
        ] as const) {
          const write = attempt(() => refs.write(`${area}/${path}`, TWO))
          await expect(write).rejects.toThrow(ConflictError)
          await expect(write).rejects.toThrow(message)
          expect(await attempt(() => refs.read(`${area}/${path}`)).catch(() => undefined)).toBeUndefined()
          await refs.write(`${area}/${path}`, undefined)
        }
        expect(await refs.list(area)).toEqual([`${area}/x/a-b`, `${area}/x/y/z`])
        await refs.write(`${area}/x/y/z`, undefined)
        await refs.write(`${area}/x/y`, TWO)
        expect(await refs.read(`${area}/x/y`)).toEqual(TWO)
      }
      await storage[Symbol.asyncDispose]()
    })

    test('a name that is only a textual prefix of another does not conflict with it', async () => {
      const storage = await context.create()
      for (const path of ['heads/a', 'heads/a-b', 'heads/a.b', 'heads/a0/b', 'heads/ab/c'])
        await storage.refs.write(path, ONE)
      expect(await storage.refs.list('heads')).toEqual([
        'heads/a',
        'heads/a-b',
        'heads/a.b',
        'heads/a0/b',
        'heads/ab/c',
      ])
      expect(await storage.refs.list('heads/a')).toEqual(['heads/a'])
      await storage[Symbol.asyncDispose]()
    })

    test('a ref may be an alias of a ref in any directory, existing or missing', async () => {
      const storage = await context.create()
      const { refs } = storage
      await refs.write('heads/main', ONE)
      const tx = await storage.begin()
      for (const [path, alias] of [
        ['heads/al', 'heads/main'],
        ['heads/a/b', 'heads/main'],
        ['heads/a/c', 'heads/a/b'],
        ['heads/lost', 'heads/nowhere/at/all'],
      ] as const)
        tx.setRef(path, { alias })
      await tx.commit()
      expect(await refs.read('heads/al')).toEqual({ alias: 'heads/main' })
      expect(await refs.read('heads/a/b')).toEqual({ alias: 'heads/main' })
      expect(await refs.read('heads/a/c')).toEqual({ alias: 'heads/a/b' })
      expect(await refs.read('heads/lost')).toEqual({ alias: 'heads/nowhere/at/all' })
      expect(await refs.list('heads')).toEqual(['heads/a/b', 'heads/a/c', 'heads/al', 'heads/lost', 'heads/main'])

      await refs.write('heads/al', TWO)
      expect(await refs.read('heads/al')).toEqual(TWO)
      expect(await refs.read('heads/main')).toEqual(ONE)
      await refs.write('heads/al', { alias: 'heads/a/b' })
      expect(await refs.read('heads/al')).toEqual({ alias: 'heads/a/b' })
      await refs.write('heads/al', undefined)
      expect(await refs.read('heads/al')).toBeUndefined()
      expect(await refs.read('heads/a/b')).toEqual({ alias: 'heads/main' })
      await storage[Symbol.asyncDispose]()
    })

    test('conflicts between refs of one transaction depend on their final state, not on the order of changes', async () => {
      const storage = await context.create()
      await storage.refs.write('heads/x', ONE)
      await storage.refs.write('heads/y/z', ONE)
      const tx = await storage.begin()
      tx.setRef('heads/x/below', TWO)
      tx.setRef('heads/y', TWO)
      tx.setRef('heads/x', undefined)
      tx.setRef('heads/y/z', undefined)
      tx.setRef('heads/twice', ONE)
      tx.setRef('heads/twice', TWO)
      await tx.commit()
      expect(await storage.refs.list('heads')).toEqual(['heads/twice', 'heads/x/below', 'heads/y'])
      expect(await storage.refs.read('heads/twice')).toEqual(TWO)
      await storage[Symbol.asyncDispose]()
    })
  })
}
