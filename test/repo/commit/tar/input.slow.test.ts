import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readAll } from '../../../../src/bytes.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { uncompressedTar } from '../../../../src/repo/index.ts'
import { runInProcess } from '../../../support/in-process.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { tarBytes } from '../../../support/tar-bytes.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const tar = tarBytes([{ name: 'f', content: 'x'.repeat(100_000) }])

async function* pieces(bytes: Uint8Array, size: number, closed?: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  } finally {
    closed?.()
  }
}

async function read(bytes: Uint8Array, size = 1000): Promise<Uint8Array> {
  return readAll(uncompressedTar(nodePlatform, pieces(bytes, size)))
}

describe('uncompressedTar', () => {
  test.each([1, 5, 1000, 1_000_000])('an archive is read plain or compressed, in pieces of %i bytes', async (size) => {
    expect(await read(tar, size)).toEqual(tar)
    expect(await read(gzipSync(tar), size)).toEqual(tar)
  })

  test('an empty source, and one of two bytes, are passed on', async () => {
    expect(await read(new Uint8Array(0))).toEqual(new Uint8Array(0))
    expect(await read(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
  })

  test.each([
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], 'unknown flags in the stream header|checksum of the stream header'],
    ['bzip2', [0x42, 0x5a, 0x68, 0x39, 0x31, 0x41], 'invalid block header'],
    ['zip', [0x50, 0x4b, 3, 4, 0, 0], 'Archives in zip are not supported'],
  ])('an archive in %s that cannot be read is an error, and closes its source', async (_, magic, message) => {
    let closed = false
    const stream = uncompressedTar(
      nodePlatform,
      pieces(Uint8Array.from([...magic, ...new Uint8Array(99)]), 7, () => {
        closed = true
      }),
    )
    await expect(readAll(stream)).rejects.toThrow(new RegExp(message))
    expect(closed).toBe(true)
  })
})

describeReference(['xz', 'bzip2'], 'uncompressedTar, `xz` and `bzip2`', () => {
  test.each(['xz', 'bzip2'] as const)('an archive in %s is read', async (program) => {
    const folder = temporaryFolder('disk')
    const path = join(folder, 'tar')
    writeFileSync(path, tar)
    run(program, ['-k', path])
    const suffix = program === 'xz' ? 'xz' : 'bz2'
    const compressed = new Uint8Array(readFileSync(`${path}.${suffix}`))
    for (const size of [1, 7, 1000, 1_000_000]) expect(await read(compressed, size)).toEqual(tar)
  })
})

describeReference(['ostree', 'xz', 'bzip2'], 'a commit of a compressed tar', () => {
  test.each(['xz', 'bzip2'] as const)('has the checksum that ostree gives it, in %s', async (program) => {
    const folder = temporaryFolder()
    const path = join(folder, `archive.${program}`)
    writeFileSync(path, run(program, ['-c'], { input: tar, encoding: 'latin1' }), 'latin1')
    const words = [
      '-b',
      'main',
      '--timestamp=2024-01-02 03:04:05 +0000',
      '--tar-autocreate-parents',
      '--tree',
      `tar=${path}`,
    ]
    const commit = async (repo: string, execute: (args: string[]) => Promise<string> | string) => {
      run('ostree', ['init', `--repo=${repo}`, '--mode=archive'], { cwd: folder })
      return (await execute(['commit', `--repo=${join(folder, repo)}`, ...words])).trim()
    }
    const theirs = await commit('theirs', (args) => run('ostree', args))
    const ours = await commit('ours', async (args) => (await runInProcess(args, folder)).stdout)
    expect(ours).toMatch(/^[0-9a-f]{64}$/)
    expect(ours).toBe(theirs)
  })
})

describeReference('zstd', 'uncompressedTar and `zstd`', () => {
  test('an archive in zstd is read, also with a skippable frame', async () => {
    const folder = temporaryFolder('disk')
    const path = join(folder, 'tar')
    writeFileSync(path, tar)
    run('zstd', ['-q', path])
    const compressed = new Uint8Array(readFileSync(`${path}.zst`))
    expect(await read(compressed)).toEqual(tar)
    expect(await read(Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9, ...compressed))).toEqual(tar)
  })
})
