import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { equalBytes, readAll } from '../../src/bytes.ts'
import { IoError, LimitError } from '../../src/errors.ts'
import { nodeFiles } from '../../src/system/local-files.ts'
import { temporaryFolder } from '../support/temporary.ts'

const folder = temporaryFolder('disk')

const content = new Uint8Array(2_500_000).map((_, i) => i % 251)
const file = join(folder, 'file')
writeFileSync(file, content)
writeFileSync(join(folder, 'empty'), '')
mkdirSync(join(folder, 'directory'))
symlinkSync('file', join(folder, 'link'))
symlinkSync('nowhere', join(folder, 'dangling'))

const openFiles = () => readdirSync('/proc/self/fd').length

describe('nodeFiles.stat', () => {
  test('it returns the kind and size of what a path leads to, also through links', async () => {
    expect(await nodeFiles.stat(file)).toEqual({ kind: 'file', size: content.length })
    expect(await nodeFiles.stat(join(folder, 'link'))).toEqual({ kind: 'file', size: content.length })
    expect(await nodeFiles.stat(join(folder, 'directory'))).toMatchObject({ kind: 'directory' })
    expect(await nodeFiles.stat('/dev/null')).toMatchObject({ kind: 'other' })
  })

  test('it returns undefined for a path that does not exist', async () => {
    expect(await nodeFiles.stat(join(folder, 'nothing'))).toBeUndefined()
    expect(await nodeFiles.stat(join(folder, 'file', 'below'))).toBeUndefined()
    expect(await nodeFiles.stat(join(folder, 'dangling'))).toBeUndefined()
  })
})

describe('nodeFiles.stream', () => {
  test('a file is read in chunks of 256 KiB', async () => {
    const sizes: number[] = []
    for await (const chunk of nodeFiles.stream(file)) sizes.push(chunk.length)
    expect(sizes).toEqual([...Array(9).fill(1 << 18), content.length - 9 * (1 << 18)])
    expect(equalBytes(await readAll(nodeFiles.stream(file)), content)).toBe(true)
    expect(await readAll(nodeFiles.stream(join(folder, 'empty')))).toEqual(new Uint8Array(0))
  })

  test.each([
    [0, 10],
    [5, 0],
    [1_000_000, 1_100_000],
    [2_499_999, 1],
    [2_000_000, undefined],
  ])('a range from offset %i of %s bytes is read', async (offset, length) => {
    const range = length === undefined ? { offset } : { offset, length }
    const expected = content.subarray(offset, length === undefined ? undefined : offset + length)
    expect(equalBytes(await readAll(nodeFiles.stream(file, range)), expected)).toBe(true)
  })

  test('a range beyond the end is refused', async () => {
    await expect(readAll(nodeFiles.stream(file, { offset: 2_499_990, length: 11 }))).rejects.toThrow(IoError)
  })

  test('an error of the system is an IoError with its errno and path', async () => {
    const missing = join(folder, 'nothing')
    await expect(readAll(nodeFiles.stream(missing))).rejects.toMatchObject({
      code: 'io',
      data: { errno: 'ENOENT', path: missing },
    })
    await expect(readAll(nodeFiles.stream(folder))).rejects.toMatchObject({ data: { errno: 'EISDIR' } })
    await expect(readAll(nodeFiles.stream(missing))).rejects.toThrow(`openat(${missing}): No such file or directory`)
  })

  test('a path with a NUL, which Node itself refuses, is an IoError too', async () => {
    const expected = { code: 'io', data: { errno: 'EINVAL' } }
    await expect(readAll(nodeFiles.stream('a\0b'))).rejects.toMatchObject(expected)
    await expect(nodeFiles.stat('a\0b')).rejects.toMatchObject(expected)
    await expect(nodeFiles.createDirectory('a\0b')).rejects.toMatchObject(expected)
  })

  test.skipIf(process.platform !== 'linux')('the file is closed, also when the reader stops early', async () => {
    const before = openFiles()
    for (let i = 0; i < 5; i++) for await (const _ of nodeFiles.stream(file)) break
    await readAll(nodeFiles.stream(file))
    expect(openFiles()).toBe(before)
  })
})

describe('nodeFiles.read', () => {
  test('a file of the size of the limit is read, and a larger one is refused', async () => {
    expect(equalBytes(await nodeFiles.read(file, content.length), content)).toBe(true)
    expect(await nodeFiles.read(join(folder, 'empty'), 0)).toEqual(new Uint8Array(0))
    await expect(nodeFiles.read(file, content.length - 1)).rejects.toThrow(LimitError)
  })

  test.skipIf(process.platform !== 'linux')('a file in /proc, whose size is reported as 0, is read', async () => {
    expect((await nodeFiles.read('/proc/self/status', 1 << 20)).length).toBeGreaterThan(100)
    await expect(nodeFiles.read('/proc/self/status', 100)).rejects.toThrow(LimitError)
    await expect(nodeFiles.read('/dev/zero', 1 << 20)).rejects.toThrow(LimitError)
  })

  test('an error of the system is an IoError with its errno', async () => {
    await expect(nodeFiles.read(join(folder, 'nothing'), 10)).rejects.toMatchObject({ data: { errno: 'ENOENT' } })
    await expect(nodeFiles.read(folder, 1 << 20)).rejects.toMatchObject({ data: { errno: 'EISDIR' } })
  })
})

test('nodeFiles.join joins paths like node:path', () => {
  expect(nodeFiles.join('a', 'b', '../c')).toBe(join('a', 'c'))
})

describe('writing with nodeFiles', () => {
  test('a file is written piece by piece in a temporary directory, and then renamed', async () => {
    const temporary = await nodeFiles.createTemporary(folder)
    expect(nodeFiles.parent(temporary)).toBe(folder)
    const path = nodeFiles.join(temporary, 'part')
    const writer = await nodeFiles.createFile(path)
    const piece = new Uint8Array(1000).fill(7)
    for (let i = 0; i < 3; i++) await writer.write(piece)
    piece.fill(0) // The bytes were used before `write` resolved.
    await writer.close(true)
    const to = join(folder, 'moved')
    await nodeFiles.rename(path, to)
    expect(await nodeFiles.read(to, 3000)).toEqual(new Uint8Array(3000).fill(7))
    await nodeFiles.remove(temporary)
    await nodeFiles.remove(temporary)
    expect(await nodeFiles.stat(temporary)).toBeUndefined()
  })

  test('createFile truncates an existing file, and createDirectory keeps an existing directory', async () => {
    const path = join(folder, 'again')
    for (const text of ['longer', 'x']) {
      const writer = await nodeFiles.createFile(path)
      await writer.write(new TextEncoder().encode(text))
      await writer.close()
    }
    expect(await nodeFiles.read(path, 10)).toEqual(new TextEncoder().encode('x'))
    await nodeFiles.createDirectory(join(folder, 'directory'))
    await expect(nodeFiles.createDirectory(path)).rejects.toMatchObject({ data: { errno: 'EEXIST' } })
    await expect(nodeFiles.createDirectory(join(folder, 'no', 'way'))).rejects.toMatchObject({
      data: { errno: 'ENOENT' },
    })
  })

  test('an error of the system is an IoError, and does not leave a file open', async () => {
    const before = openFiles()
    const full = await nodeFiles.createFile('/dev/full')
    await expect(full.write(content)).rejects.toMatchObject({ data: { errno: 'ENOSPC', path: '/dev/full' } })
    await full.close()
    await expect(nodeFiles.createFile(folder)).rejects.toThrow(IoError)
    await expect(nodeFiles.rename(join(folder, 'nothing'), file)).rejects.toThrow(IoError)
    await expect(nodeFiles.createTemporary(join(folder, 'nothing'))).rejects.toThrow(IoError)
    expect(openFiles()).toBe(before)
  })
})
