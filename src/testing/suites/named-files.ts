/** Tests of the files that a storage keeps beside objects and refs, and of the static deltas among them. */

import type { Checksum } from '../../bytes.ts'
import { InvalidNameError, IoError } from '../../errors.ts'
import { modifiedBase64 } from '../../objects/index.ts'
import type { Storage } from '../../repo/index.ts'
import { attempt, noise, type StorageSubject, type SuiteContext, text } from './kit.ts'

const FROM = 'ab'.repeat(32) as Checksum
const TO = 'cd'.repeat(32) as Checksum

function directoryOf(name: string): string {
  return `deltas/${name.slice(0, 2)}/${name.slice(2)}`
}

/** Registers the tests. Those of files pass without a check on a storage that has none. */
export function namedFileTests(context: SuiteContext): void {
  const { describe, test, expect, platform } = context

  /** Runs `work` on a new storage and its files. */
  async function withFiles(
    work: (files: NonNullable<Storage['files']>, storage: Storage) => Promise<void>,
  ): Promise<void> {
    const storage = await context.create()
    if (storage.files !== undefined) await work(storage.files, storage)
    await storage[Symbol.asyncDispose]()
  }

  describe('files beside the objects', () => {
    test('a file is read as it was last written, is listed, and is gone once deleted', async () => {
      await withFiles(async (files) => {
        expect(await files.read('deltas/Ab/x/0')).toBeUndefined()
        expect(await files.list('deltas/Ab')).toEqual([])
        const large = noise(3 << 20)
        const given = text('first')
        await files.write('deltas/Ab/x/0', given)
        given.fill(0)
        expect(new Uint8Array((await files.read('deltas/Ab/x/0')) ?? [])).toEqual(text('first'))
        await files.write('deltas/Ab/x/0', large)
        await files.write('deltas/Ab/x/superblock', new Uint8Array(0))
        await files.write('deltas/Ab/a', text('a'))
        await files.write('deltas/Abc/a', text('a'))
        expect(platform.sha256((await files.read('deltas/Ab/x/0')) ?? new Uint8Array(0))).toBe(platform.sha256(large))
        expect(await files.read('deltas/Ab/x/superblock')).toHaveLength(0)
        expect(await files.list('deltas')).toEqual(['Ab', 'Abc'])
        expect(await files.list('deltas/Ab')).toEqual(['a', 'x'])
        expect(await files.list('')).toContain('deltas')
        expect(await files.delete('deltas/Ab/x/0')).toBe(true)
        expect(await files.delete('deltas/Ab/x/0')).toBe(false)
        expect(await files.list('deltas/Ab/x')).toEqual(['superblock'])
      })
    })

    test('names are sorted by their UTF-8 bytes', async () => {
      await withFiles(async (files) => {
        const names = ['\u{1f600}', '\uffee', 'B', 'a', 'ä']
        for (const name of names) await files.write(`deltas/${name}/superblock`, text(name))
        expect(await files.list('deltas')).toEqual(['B', 'a', 'ä', '\uffee', '\u{1f600}'])
      })
    })

    test('a file and files below its path exclude each other', async () => {
      await withFiles(async (files) => {
        await files.write('deltas/Ab/superblock', text('kept'))
        await expect(attempt(() => files.write('deltas/Ab/superblock/more', text('x')))).rejects.toThrow(IoError)
        await expect(attempt(() => files.write('deltas/Ab', text('x')))).rejects.toThrow(IoError)
        expect(new Uint8Array((await files.read('deltas/Ab/superblock')) ?? [])).toEqual(text('kept'))
      })
    })

    test.each(['', '.', '..', 'a//b', '/a', 'a/', 'a/../b', './a', 'a/.', 'a\0b', '\ud800'])(
      'the path %j is refused',
      async (path) => {
        await withFiles(async (files) => {
          await expect(attempt(() => files.read(path))).rejects.toThrow(InvalidNameError)
          await expect(attempt(() => files.write(path, text('x')))).rejects.toThrow(InvalidNameError)
          await expect(attempt(() => files.delete(path))).rejects.toThrow(InvalidNameError)
          if (path === '') return
          await expect(attempt(() => files.list(path))).rejects.toThrow(InvalidNameError)
        })
      },
    )

    test('a file that is written while a transaction is open stays, also if the transaction is aborted', async () => {
      await withFiles(async (files, storage) => {
        const tx = await storage.begin()
        await files.write('summary', text('now'))
        await tx[Symbol.asyncDispose]()
        expect(new Uint8Array((await files.read('summary')) ?? [])).toEqual(text('now'))
      })
    })

    test('static deltas are those with a superblock, and are deleted with all their parts', async () => {
      await withFiles(async (files, { deltas }) => {
        if (deltas === undefined) return
        const [from, to] = [modifiedBase64(FROM), modifiedBase64(TO)]
        const [step, whole, partial] = [directoryOf(`${from}-${to}`), directoryOf(to), directoryOf(from)]
        for (const path of [
          `${step}/0`,
          `${step}/superblock`,
          `${whole}/superblock`,
          `${partial}/0`,
          'deltas/no/name/superblock',
        ]) {
          await files.write(path, text(path))
        }
        const listed = [...(await deltas.list())]
        expect(listed).toHaveLength(2)
        expect(listed).toEqual(
          expect.arrayContaining([
            { from: FROM, to: TO },
            { from: undefined, to: TO },
          ]),
        )
        await deltas.delete({ from: FROM, to: TO })
        await deltas.delete({ from: FROM, to: TO })
        expect(await deltas.list()).toEqual([{ from: undefined, to: TO }])
        expect(await files.list(step)).toEqual([])
        expect(await files.read(`${whole}/superblock`)).toBeDefined()
      })
    })
  })
}

/** Registers the test that files are there when the storage is opened again. */
export function reopenedFilesTest(context: SuiteContext, reopen: NonNullable<StorageSubject['reopen']>): void {
  const { test, expect } = context

  test('files beside the objects are there when the storage is opened again, and seen by other handles', async () => {
    const first = await context.create()
    await first.files?.write('summary', text('one'))
    const other = await reopen(first)
    await first.files?.write('deltas/Ab/x/superblock', text('two'))
    expect((await other.files?.read('summary'))?.length).toBe(first.files && 3)
    expect(await other.files?.list('deltas/Ab')).toEqual(first.files && ['x'])
    await first[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
    const second = await reopen(first)
    expect((await second.files?.read('deltas/Ab/x/superblock'))?.length).toBe(first.files && 3)
    await second[Symbol.asyncDispose]()
  })
}
