/** Images read from blobs, as a browser gives the files that a user has chosen. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { unpackToMemory } from '../../src/container/index.ts'
import { nodeFiles } from '../../src/node.ts'
import { blobFiles } from '../../src/platform/index.ts'
import { portablePlatform as platform } from '../../src/platform/portable.ts'
import { collect } from '../container/tar-kit.ts'
import { file, folder } from '../front/image-cases.ts'
import { writeLayout } from '../front/layout.ts'
import { run, testReference } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

const host = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }
const layers = [[folder('etc'), file('etc/a')], [file('large', { body: new Uint8Array(3_000_000).map((_, i) => i) })]]

/** A blob that notes the largest piece that is read of it, in bytes. */
class CountingBlob extends Blob {
  static largest = 0
  override slice(start?: number, end?: number): Blob {
    CountingBlob.largest = Math.max(CountingBlob.largest, (end ?? this.size) - (start ?? 0))
    return super.slice(start, end)
  }
}

testReference(['skopeo'], 'archives and layouts are read as from a disk, in pieces of at most 1 MiB', async () => {
  const work = temporaryFolder()
  const reference = await writeLayout(join(work, 'layout'), layers)
  const wanted = await collect((await unpackToMemory(reference, { platform, host, files: nodeFiles })).tar())
  for (const transport of ['oci-archive', 'docker-archive']) {
    const path = join(work, `${transport}.tar`)
    run('skopeo', ['copy', '-q', reference, `${transport}:${path}${transport === 'oci-archive' ? ':tag' : ':a:tag'}`])
    const blob = new CountingBlob([readFileSync(path)])
    CountingBlob.largest = 0
    const image = await unpackToMemory(`${transport}:${transport}.tar`, { platform, host, files: blobFiles(blob) })
    expect(equalBytes(await collect(image.tar()), wanted), transport).toBe(true)
    expect(CountingBlob.largest).toBeLessThanOrEqual(1 << 20)
  }
  const names = readdirSync(join(work, 'layout'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(work, 'layout', name)).isFile(),
  )
  const blobs = Object.fromEntries(
    names.map((name) => [`chosen/${name}`, new Blob([readFileSync(join(work, 'layout', name))])]),
  )
  const image = await unpackToMemory('oci:./chosen:tag', { platform, host, files: blobFiles(blobs) })
  expect(equalBytes(await collect(image.tar()), wanted)).toBe(true)
})

describe('blobs by path', () => {
  const files = blobFiles({ 'a/b': new Blob(['0123456789']), '/c': new Blob([]) })

  test('are found, and their directories too', async () => {
    expect(await files.stat('/a//b')).toEqual({ kind: 'file', size: 10 })
    expect(await files.stat('./a')).toEqual({ kind: 'directory', size: 0 })
    expect(await files.stat('c')).toEqual({ kind: 'file', size: 0 })
    expect(await files.stat('d')).toBeUndefined()
    expect(files.join('a', 'b')).toBe('a/b')
  })

  test('are read in ranges and up to a limit', async () => {
    const text = async (range?: { offset?: number; length?: number }) =>
      new TextDecoder().decode(await collect(files.stream('a/b', range)))
    expect([
      await text(),
      await text({ offset: 7 }),
      await text({ offset: 2, length: 3 }),
      await text({ offset: 99 }),
    ]).toEqual(['0123456789', '789', '234', ''])
    await expect(text({ offset: 8, length: 5 })).rejects.toMatchObject({
      name: 'IoError',
      message: 'a/b: ends 3 bytes before the end of the range',
    })
    await expect(collect(files.stream('d'))).rejects.toMatchObject({ data: { errno: 'ENOENT' } })
    expect((await files.read('a/b', 10)).length).toBe(10)
    await expect(files.read('a/b', 9)).rejects.toMatchObject({ name: 'LimitError' })
    expect(await files.read('c', 0)).toEqual(new Uint8Array(0))
  })

  test('a file that was changed meanwhile is an error with its path', async () => {
    const gone = { size: 3, slice: () => gone, arrayBuffer: () => Promise.reject(new Error('The file was changed')) }
    await expect(blobFiles(gone).read('x.tar', 10)).rejects.toMatchObject({
      name: 'IoError',
      message: 'Reading x.tar: The file was changed',
    })
  })
})
