/** Archives in which one header contradicts another are read as libarchive reads them, or refused. */
import { beforeAll, expect, test } from 'vitest'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'
import { SMUGGLED } from './smuggling.ts'
import { listGnuTar, listLibarchive, listOurs, listPython } from './smuggling-readers.ts'

/** The archives that are accepted although libarchive 3.6 reads other entries, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'a GNU long link of a symbolic link without a target': 'GNU tar and Python read it; libarchive loses the target',
  'a sparse map in the header of a file that is not sparse':
    'old builders wrote the prefix of ustar into the place of the map; all readers but libarchive ignore it',
  'a volume label with a size': 'libarchive 3.6 reads the data of a label as headers; GNU tar and Python skip it',
  'a continuation of another volume': 'the type differs only in the list: imports refuse both',
}

let folder = ''
beforeAll(() => {
  folder = temporaryFolder()
})

test.each(SMUGGLED.map(({ title, bytes, read }) => [title, bytes, read] as const))('%s', (_, bytes, read) => {
  expect(listOurs(bytes).join(', ')).toBe(read.ours)
})

const archives = SMUGGLED.map(({ bytes }) => bytes)
const expected = (reader: 'gnu' | 'libarchive' | 'python') =>
  Object.fromEntries(SMUGGLED.map(({ title, read }) => [title, read[reader]]))
const found = (lists: readonly (readonly string[])[]) =>
  Object.fromEntries(SMUGGLED.map(({ title }, i) => [title, lists[i]?.join(', ')]))

test('where libarchive sees other entries, all but these archives are refused', () => {
  const others = SMUGGLED.filter(({ read }) => read.ours !== read.libarchive && read.ours !== '!')
  expect(others.map(({ title }) => title)).toEqual(Object.keys(DIFFERENT))
})

describeReference(['python3', 'ostree'], 'other readers', () => {
  test('libarchive', () => {
    expect(found(listLibarchive(archives))).toEqual(expected('libarchive'))
  })
})

describeReference('tar', 'other readers', () => {
  test('GNU tar', () => {
    expect(found(listGnuTar(archives, folder))).toEqual(expected('gnu'))
  })
})

describeReference('python3', 'other readers', () => {
  test('the module tarfile of Python 3.11', ({ skip }) => {
    if (!run('python3', ['--version']).startsWith('Python 3.11')) skip('another version of Python')
    expect(found(listPython(archives))).toEqual(expected('python'))
  })
})
