import { chmodSync, closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { IoError } from '../../src/errors.ts'
import { loadNative, type Native } from '../../src/system/native.ts'
import { isRoot } from '../support/machine.ts'
import { describeReference, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = temporaryFolder()
let made = 0

function file(): string {
  const path = join(root, `file-${made++}`)
  writeFileSync(path, 'content')
  return path
}

function native(): Native {
  const found = loadNative()
  if (found === undefined) throw new Error('koffi is a dependency of these tests')
  return found
}

const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

describe('extended attributes', () => {
  test('an attribute is set, read, listed and removed, by path and by open file', () => {
    const path = file()
    const fd = openSync(path, 'r+')
    const { setXattr, setXattrOf, getXattr, getXattrOf, readXattrs, readXattrsOf, removeXattr } = native()
    setXattr(path, 'user.b', Uint8Array.of(0, 255, 0))
    setXattrOf(fd, encodeUtf8('user.a'), encodeUtf8('value'))
    expect(getXattr(path, 'user.b')).toEqual(Uint8Array.of(0, 255, 0))
    expect(text(getXattrOf(fd, 'user.a'))).toBe('value')
    const expected = [
      [encodeUtf8('user.a'), encodeUtf8('value')],
      [encodeUtf8('user.b'), Uint8Array.of(0, 255, 0)],
    ]
    const ours = (xattrs: ReturnType<Native['readXattrs']>) =>
      xattrs.filter(([name]) => text(name)?.startsWith('user.'))
    expect(ours(readXattrs(path))).toEqual(expected)
    expect(ours(readXattrsOf(fd))).toEqual(expected)
    expect(ours(readXattrs(encodeUtf8(path)))).toEqual(expected)
    removeXattr(path, 'user.b')
    removeXattr(path, 'user.b')
    expect(getXattr(path, 'user.b')).toBeUndefined()
    closeSync(fd)
  })

  test('names and values may be any bytes, and a list leaves out empty values, as libostree does', () => {
    const path = file()
    const { setXattr, getXattr, readXattrs } = native()
    setXattr(path, 'user.empty', new Uint8Array(0))
    expect(getXattr(path, 'user.empty')).toEqual(new Uint8Array(0))
    const large = Uint8Array.from({ length: 3000 }, (_, i) => i)
    setXattr(path, Uint8Array.of(...encodeUtf8('user.'), 0xff, 0xfe), large)
    const names = readXattrs(path).map(([name]) => name)
    expect(names).toContainEqual(Uint8Array.of(...encodeUtf8('user.'), 0xff, 0xfe))
    expect(names).not.toContainEqual(encodeUtf8('user.empty'))
    expect(readXattrs(path).find(([name]) => name.includes(0xff))?.[1]).toEqual(large)
  })

  test.runIf(isRoot)('the attributes of a symbolic link are its own and not those of its target', () => {
    const path = file()
    const link = join(root, `link-${made++}`)
    symlinkSync(path, link)
    const { setXattr, getXattr } = native()
    setXattr(link, 'trusted.x', encodeUtf8('link'))
    expect(getXattr(path, 'trusted.x')).toBeUndefined()
    expect(text(getXattr(link, 'trusted.x'))).toBe('link')
    expect(() => setXattr(link, 'user.x', encodeUtf8('no'))).toThrow('lsetxattr: Operation not permitted')
  })

  test('an attribute of a path that does not exist is an IoError with its errno', () => {
    const { readXattrs, getXattr, setXattr } = native()
    for (const use of [
      () => readXattrs(join(root, 'nowhere')),
      () => getXattr(join(root, 'nowhere'), 'user.x'),
      () => setXattr(join(root, 'nowhere'), 'user.x', new Uint8Array(1)),
    ]) {
      expect(use).toThrow(IoError)
      expect(use).toThrow(expect.objectContaining({ data: { errno: 'ENOENT', path: join(root, 'nowhere') } }))
    }
    expect(() => setXattr(file(), 'user.\0', new Uint8Array(1))).toThrow(IoError)
    expect(() => readXattrs('a\0b')).toThrow(IoError)
  })
})

describeReference('getfattr', 'extended attributes and `getfattr`', () => {
  test('getfattr prints the name and value of an attribute', () => {
    const path = file()
    chmodSync(path, 0o600)
    native().setXattr(path, 'user.ostreemeta', Uint8Array.of(1, 2, 3))
    const dump = run('getfattr', ['-d', '-m', '-', '-e', 'hex', '--absolute-names', path])
    expect(dump).toContain('user.ostreemeta=0x010203')
  })
})

describe('syncfs and lock', () => {
  test('syncfs flushes the file system of an open file, and fails for a closed one', async () => {
    const directory = join(root, 'flushed')
    mkdirSync(directory)
    const fd = openSync(directory, 'r')
    await native().syncfs(fd)
    closeSync(fd)
    await expect(native().syncfs(fd)).rejects.toThrow(IoError)
  })

  test('locks of two open files of one path exclude each other, also in the same process', () => {
    const path = file()
    const [one, other] = [openSync(path, 'r+'), openSync(path, 'r+')] as const
    const { lock } = native()
    expect(lock(one, 'shared')).toBe(true)
    expect(lock(other, 'shared')).toBe(true)
    expect(lock(one, 'exclusive')).toBe(false)
    expect(lock(other, 'none')).toBe(true)
    expect(lock(one, 'exclusive')).toBe(true)
    expect(lock(other, 'shared')).toBe(false)
    closeSync(one)
    expect(lock(other, 'exclusive')).toBe(true)
    closeSync(other)
    expect(() => lock(other, 'shared')).toThrow('Locking: Bad file descriptor')
  })
})
