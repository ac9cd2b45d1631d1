/** Tests of images written over others in the same directory, also when the process is killed meanwhile. */
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { WritableFiles } from '../../../src/platform/index.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { KILLED, killedAfter, readTexts, writeTexts } from './text-images.ts'

const write = (path: string, texts: readonly string[], files?: WritableFiles) => writeTexts(`dir:${path}`, texts, files)
const read = (path: string) => readTexts(`dir:${path}`)

test('a process that is killed at any step leaves the old image or the new one, complete', async () => {
  const OLD = ['shared', 'old layer', 'another old layer']
  const NEW = ['shared', 'new layer']
  const seen: string[] = []
  for (let steps = 0, done = false; !done; steps++) {
    const path = join(temporaryFolder(), 'image')
    const old = await write(path, OLD)
    writeFileSync(join(path, 'signature-1'), 'of the old image')
    const written = await write(path, NEW, killedAfter(steps)).catch((error: Error) => error)
    done = !(written instanceof Error)
    if (written instanceof Error) expect(written.message).toBe(KILLED)
    const [digest, ...texts] = await read(path)
    seen.push(digest === old ? 'old' : 'new')
    expect(texts).toEqual(digest === old ? OLD : NEW)
    if (done) expect(digest).toBe(written)
    // The next process removes what is left of old images.
    expect(await write(path, NEW)).toBe((await read(path))[0])
    const names = readdirSync(path).filter((name) => !name.startsWith('.tmp-'))
    expect(names.filter((name) => !/^[0-9a-f]{64}$/.test(name)).sort()).toEqual(['manifest.json', 'version'])
    expect(names).toHaveLength(5)
  }
  expect(seen.slice(0, 5)).toEqual(Array(5).fill('old'))
  expect(seen.slice(-3)).toEqual(Array(3).fill('new'))
  expect(seen.join(' ')).toMatch(/^(?:old )+(?:new ?)+$/)
})

test('an image in a directory that is a symbolic link is replaced in place', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  await write(join(folder, 'real'), ['a'])
  const digest = await write(join(folder, 'link'), ['b'])
  expect(await read(join(folder, 'real'))).toEqual([digest, 'b'])
})
