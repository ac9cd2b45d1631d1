/** Static deltas that are malformed, or lie: each is refused with an error that says why, and nothing of it is stored. */
import { describe, expect, test } from 'vitest'
import { type Checksum, concatBytes, encodeUtf8 } from '../../../src/bytes.ts'
import { OstreeError } from '../../../src/errors.ts'
import { Commit, type ObjectName } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { commitTree, memoryRepo } from '../../support/commits.ts'
import {
  applyHandmade,
  commit,
  encodeOperations,
  failure,
  fileNamed,
  type HandmadePart,
  handmadeDelta,
  hello,
  link,
  meta,
  mode,
  type Operation,
  one,
  sound,
  splice,
  text,
} from './handmade.ts'

describe('a delta put together by hand', () => {
  test('a sound one is applied: whole objects, a file in pieces, and a patch', async () => {
    const repo = await memoryRepo('bare-user')
    const source = fileNamed('hello, old world')
    await commitTree(repo, { old: 'hello, old world' })
    const pieces = fileNamed('hello, new world')
    const patched = fileNamed('Hello, old world!')
    const blob = concatBytes([
      text('hello, new world'),
      Uint8Array.from(Buffer.from(source.checksum, 'hex')),
      // 16 bytes of difference, 1 byte more.
      Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(256 - 32, ...new Array<number>(15).fill(0)),
      text('!'),
    ])
    await applyHandmade(
      repo,
      handmadeDelta(commit, [
        sound,
        {
          objects: [pieces, patched],
          operations: [
            ['o', 0, 0, 16],
            ['w', 7, 0],
            ['w', 4, 7],
            ['r', 16],
            ['w', 5, 11],
            ['R'],
            ['c'],
            ['o', 0, 0, 17],
            ['r', 16],
            ['B', 48, 41],
            ['c'],
          ],
          blob,
          modes: [mode],
          xattrs: [[]],
        },
      ]),
    )
    const read = async (name: ObjectName) =>
      Buffer.from((await repo.objects.readFile(name.checksum)).body as Uint8Array)
    expect((await read(pieces)).toString()).toBe('hello, new world')
    expect((await read(patched)).toString()).toBe('Hello, old world!')
    expect((await repo.objects.statFile(fileNamed('there', link).checksum)).header.target).toBe('there')
  })

  const big = 2n ** 64n - 1n
  test('another commit in a part is marked as partial, since its tree may be missing', async () => {
    const repo = await memoryRepo('bare-user')
    const bytes = Commit.encode({ ...Commit.decode(commit), subject: 'another' })
    const checksum = nodePlatform.sha256(bytes)
    const operations: Operation[] = [['S', bytes.length, 0]]
    await applyHandmade(
      repo,
      handmadeDelta(commit, [{ objects: [{ type: 'commit', checksum }], operations, blob: bytes }]),
    )
    expect((await repo.readCommit(checksum)).subject).toBe('another')
    expect(await repo.commitState(checksum)).toBe('partial')
    expect(await repo.commitState(nodePlatform.sha256(commit))).toBe('complete')
  })

  test.each<[string, HandmadePart, string]>([
    [
      'an offset beyond the blob',
      one([['S', 0, 0, 5, 1000]]),
      'opcode open-splice-and-close: Invalid offset/length 1000/5',
    ],
    ['a length beyond the blob', one([['S', 0, 0, 1000, 0]]), 'Invalid offset/length 0/1000'],
    ['a sum that overflows 64 bits', one([['S', 0, 0, 5, big]]), `Invalid offset/length ${big}/5`],
    ['a length of 64 bits', one([['S', 0, 0, big, 5]]), `Invalid offset/length 5/${big}`],
    ['a length of 2^53 + 1', one([['S', 0, 0, 2n ** 53n + 1n, 0]]), 'Invalid offset/length 0/9007199254740993'],
    ['an unknown operation', one([splice, ['z']]), 'Unknown opcode 122 at offset 1'],
    ['a number that is cut off', one(Uint8Array.of(0x53, 0x80)), 'Unexpected EOF reading varint'],
    ['a number that is missing', one(Uint8Array.of(0x53)), 'Unexpected EOF reading varint'],
    [
      'a number of eleven bytes',
      one(Uint8Array.of(0x53, ...new Array(10).fill(0x80), 1)),
      'Unexpected EOF reading varint',
    ],
    ['a mode that is not there', one([['S', 2, 0, 5, 0]]), 'Invalid mode index 2; the part has 2'],
    ['a mode of 64 bits', one([['S', big, 0, 5, 0]]), `Invalid mode index ${big}`],
    ['xattrs that are not there', one([['S', 0, 1, 5, 0]]), 'Invalid xattrs index 1; the part has 1'],
    ['more objects than listed', one([splice, splice]), 'The part creates more objects than its list has'],
    ['fewer objects than listed', one([]), `The part does not create ${hello.checksum}.file`],
    ['an object within a file', one([['o', 0, 0, 5], splice]), `${hello.checksum} is still open`],
    [
      'a file that stays open',
      one([
        ['o', 0, 0, 5],
        ['w', 5, 0],
      ]),
      `The part ends within ${hello.checksum}`,
    ],
    ['a write without a file', one([['w', 5, 0]]), 'opcode write: No file is open'],
    ['an end without a file', one([['c']]), 'opcode close: No file is open'],
    [
      'a file in pieces that is a directory',
      one([['o', 0, 0, 5]], { objects: [meta] }),
      `${meta.checksum}.dirmeta is not a file`,
    ],
    ['a symbolic link in pieces', one([['o', 1, 0, 5]]), `${hello.checksum} is not a regular file`],
    ['a file of a gigabyte that was not announced', one([['o', 0, 0, 2 ** 30]]), 'larger than the superblock says'],
    [
      'a file of 2^60 bytes',
      one([['o', 0, 0, 2n ** 60n]], { unpacked: 2n ** 63n }),
      'Invalid content size 1152921504606846976',
    ],
    [
      'more bytes than the file has',
      one([
        ['o', 0, 0, 4],
        ['w', 5, 0],
      ]),
      '4 bytes promised, got at least 5',
    ],
    ['fewer bytes than the file has', one([['o', 0, 0, 6], ['w', 5, 0], ['c']]), '6 bytes promised, got 5'],
    ['another content', one([['S', 0, 0, 5, 5]]), 'Corrupted file object; checksum expected='],
    ['metadata with another checksum', one([['S', 5, 0]], { objects: [meta] }), 'Corrupted dirmeta object'],
    [
      'a source outside the blob',
      one([
        ['o', 0, 0, 5],
        ['r', 100],
      ]),
      'opcode set-read-source: Invalid offset/length 100/32',
    ],
    [
      'a source that is not stored',
      one(
        [
          ['o', 0, 0, 5],
          ['r', 0],
          ['w', 1, 0],
        ],
        { blob: new Uint8Array(32) },
      ),
      `Couldn't find file object '${'0'.repeat(64)}'`,
    ],
    [
      'a patch outside the blob',
      one([
        ['o', 0, 0, 5],
        ['B', 1, 100],
      ]),
      'Invalid offset/length 1/100',
    ],
    [
      'a patch without a source',
      one([
        ['o', 0, 0, 5],
        ['B', 0, 5],
      ]),
      'bsdiff patch failed',
    ],
    [
      'an object type that is not there',
      one([splice], { objects: [{ ...hello, type: 77 }] }),
      "Invalid object type '77'",
    ],
    [
      'an object that no delta has',
      one([splice], { objects: [{ ...hello, type: 'commitmeta' }] }),
      'cannot create an object of type 6',
    ],
    [
      'another checksum',
      one([splice], { said: { checksum: '0'.repeat(64) as Checksum } }),
      `Checksum mismatch in static delta part; expected=${'0'.repeat(64)} actual=`,
    ],
    ['more bytes than announced', one([splice], { said: { size: 3n } }), 'exceeds its size of 3 bytes'],
    ['a newer version', one([splice], { said: { version: 1 } }), 'Delta part has too new version 1'],
    ['an empty file', one([splice], { edit: () => new Uint8Array() }), 'Reading initial compression flag byte'],
    ['an unknown compression', one([splice], { edit: () => text('q…') }), "Invalid compression type '113'"],
    ['xz that is something else', one([splice], { edit: () => text('xnothing') }), 'File format not recognized'],
    ['xz that is empty', one([splice], { edit: () => text('x') }), 'Input buffer too small'],
    [
      'a payload that is something else',
      one([splice], { edit: () => new Uint8Array(40) }),
      'Unknown opcode 0 at offset 0',
    ],
  ])('%s', async (_, part, message) => {
    const repo = await memoryRepo('bare-user')
    expect((await failure(repo, [part])).message).toContain(message)
  })

  test('the patches that are refused', async () => {
    const repo = await memoryRepo('bare-user')
    const source = fileNamed('hello, old world')
    await commitTree(repo, { old: 'hello, old world' })
    const triple = (...numbers: bigint[]) => {
      const bytes = new Uint8Array(24)
      for (const [i, value] of numbers.entries()) {
        new DataView(bytes.buffer).setBigUint64(8 * i, value < 0 ? -value | (1n << 63n) : value, true)
      }
      return bytes
    }
    const patch = (...bytes: Uint8Array[]): HandmadePart => {
      const blob = concatBytes([Uint8Array.from(Buffer.from(source.checksum, 'hex')), ...bytes])
      const operations: Operation[] = [['o', 0, 0, 5], ['r', 0], ['B', 32, blob.length - 32], ['c']]
      return { objects: [hello], operations, blob, modes: [mode], xattrs: [[]] }
    }
    for (const bad of [
      patch(),
      patch(triple(5n, 0n, 0n)),
      patch(triple(-1n, 6n, 0n), text('hello!')),
      patch(triple(6n, 0n, 0n), text('hello!')),
      patch(triple(0n, 2n ** 31n, 0n), text('hello')),
      patch(triple(2n ** 62n, 5n, 0n), text('hello')),
      patch(triple(0n, 3n, 0n), text('hel'), triple(0n, 3n, 0n), text('lo!')),
      patch(triple(0n, 0n, 0n), triple(0n, 0n, 0n)),
    ]) {
      expect((await failure(repo, [bad])).message).toContain('bsdiff patch failed')
    }
    // Outside the old file nothing is added: before it, behind it, and across its end.
    const outside = patch(
      triple(0n, 1n, -40n),
      text('h'),
      triple(2n, 0n, 60n),
      text('el'),
      triple(2n, 0n, 0n),
      text('lo'),
    )
    await applyHandmade(repo, handmadeDelta(commit, [outside]))
  })

  test('operations of an object that is stored already are checked, too', async () => {
    const repo = await memoryRepo('bare-user')
    await commitTree(repo, { hello: 'hello' })
    const other = fileNamed('other')
    const part: HandmadePart = { ...sound, objects: [hello, other], operations: [['S', 0, 0, 5, 1000]] }
    expect((await failure(repo, [part])).message).toContain('Invalid offset/length 1000/5')
  })

  test('a superblock that is malformed, or has another commit', async () => {
    const repo = await memoryRepo('bare-user')
    const { superblock, parts } = handmadeDelta(commit, [sound])
    for (const length of [0, 1, 7, 8, 100, superblock.length - 1]) {
      await expect(applyHandmade(repo, { superblock: superblock.subarray(0, length), parts })).rejects.toThrow(
        OstreeError,
      )
    }
    const changed = new Uint8Array(superblock)
    const at = Buffer.from(superblock).indexOf(Buffer.from(meta.checksum, 'hex'))
    changed[at] = (changed[at] as number) ^ 1
    await expect(applyHandmade(repo, { superblock: changed, parts })).rejects.toThrow('Corrupted commit object')
    await expect(applyHandmade(repo, { superblock: encodeUtf8('OSTSGNDTnonsense'), parts })).rejects.toThrow(
      OstreeError,
    )
  })

  test('operations are encoded as they are read', () => {
    expect(Array.from(encodeOperations([['S', 300, 2n ** 63n]]))).toEqual([
      0x53,
      0xac,
      2,
      ...new Array(9).fill(0x80),
      1,
    ])
  })
})
