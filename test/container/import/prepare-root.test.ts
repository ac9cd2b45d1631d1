import { describe, expect, test } from 'vitest'
import { MAX_PREPARE_ROOT_SIZE, rootIsTransient } from '../../../src/container/import/prepare-root.ts'
import { OstreeError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { type Directory, directory, file, storeTree } from '../../../src/testing/index.ts'

const conf = (text: string | Uint8Array) => directory({ ostree: directory({ 'prepare-root.conf': file(text) }) })
const inEtc = (text: string | Uint8Array) => directory({ etc: conf(text) })
const inUsr = (text: string) => directory({ usr: directory({ lib: conf(text) }) })

async function isTransient(root: Directory): Promise<boolean> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  return repo.transaction(async (tx) => rootIsTransient(tx, await storeTree(tx, root)))
}

describe('prepare-root.conf', () => {
  test.each([
    ['[root]\ntransient=true\n', true],
    ['[root]\ntransient=1\n', true],
    ['[root]\ntransient=false\n', false],
    ['[composefs]\nenabled=yes\n', true],
    ['[composefs]\nenabled=maybe\n', true],
    ['[composefs]\nenabled=verity\n', true],
    ['[composefs]\nenabled=signed\n', true],
    ['[composefs]\nenabled=no\n', false],
    ['[composefs]\nenabled=nonsense\n', false],
    ['', false],
  ])('for prepare-root.conf %j, rootIsTransient returns %j (case C4)', async (text, expected) => {
    expect(await isTransient(inEtc(text))).toBe(expected)
    expect(await isTransient(inUsr(text))).toBe(expected)
  })

  test('a root without prepare-root.conf is not transient (case C4)', async () => {
    expect(await isTransient(directory())).toBe(false)
    expect(await isTransient(directory({ etc: file('no directory') }))).toBe(false)
  })

  test('the file in /etc takes precedence over that in /usr/lib', async () => {
    const usr = inUsr('[root]\ntransient=true\n').children
    const both = directory([...inEtc('[root]\ntransient=false\n').children, ...usr])
    expect(await isTransient(both)).toBe(false)
  })

  test('a file that is malformed, too large or has an invalid boolean is rejected (case C4)', async () => {
    await expect(isTransient(inEtc('[root]\ntransient=perhaps\n'))).rejects.toThrow(OstreeError)
    await expect(isTransient(inEtc('text'))).rejects.toThrow(OstreeError)
    await expect(isTransient(inEtc(new Uint8Array(MAX_PREPARE_ROOT_SIZE + 1)))).rejects.toThrow(/limit/)
  })
})
