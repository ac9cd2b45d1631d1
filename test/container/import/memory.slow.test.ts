/** Tests of the memory that an import takes when a few bytes of an archive stand for much more. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { concatBytes } from '../../../src/bytes.ts'
import { bundleScript } from '../../support/bundle.ts'
import { Child } from '../../support/child-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { header, pax, zeros } from '../../tar/odd-archives.ts'

const MiB = 2 ** 20

/** A file of zeros that takes 1,536 bytes of an archive. */
const hole = (name: string, size: number): Uint8Array =>
  concatBytes([
    pax(['GNU.sparse.map', '0,0'], ['GNU.sparse.size', `${size}`], ['GNU.sparse.name', name]),
    header('ustar', { name: 'x', raw: { 136: '00000000001\0' } }),
  ])
const numbered = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))
const object = (n: number) => `sysroot/ostree/repo/objects/aa/${n}.file`
const links = numbered(200, (n) =>
  header('ustar', { name: `usr/${n}`, flag: '1', link: object(n), raw: { 136: '00000000001\0' } }),
)

const early = numbered(200_000, (n) =>
  header('ustar', { name: `usr/share/${n % 100}/link${n}`, flag: '1', link: object(n), raw: { 136: '00000000001\0' } }),
)

const archives = new Map([
  ['200,000 links before their objects', [...early, hole(object(0), 3)]],
  ['one file of 1 GiB', [hole('usr/large', 1024 * MiB)]],
  ['30 files of 30 MiB', numbered(30, (n) => hole(`usr/${n}`, 30 * MiB + n))],
  ['500 equal files of 2 MiB', numbered(500, (n) => hole(`usr/${n}`, 2 * MiB))],
  ['200 objects of 3 MiB whose links come later', [...numbered(200, (n) => hole(object(n), 3 * MiB + n)), ...links]],
])

describe.each(['archive', 'bare-user-only', 'SQLite'])('memory of an import into %s', (store) => {
  test.each([...archives.keys()])('%s, without content, take less than 200 MB', { timeout: 120_000 }, async (title) => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'layer.tar'), concatBytes([...(archives.get(title) ?? []), zeros]))
    const script = bundleScript(
      'import-memory',
      `import { createReadStream } from 'node:fs'
       import { importLayer } from './src/container/import/import-layer.ts'
       import { nodePlatform } from './src/platform/node.ts'
       import { initFsStorage } from './src/repo/stores/fs/index.ts'
       import { createSqliteStorage } from './src/repo/stores/sqlite/open.ts'
       import { Repo } from './src/repo/index.ts'
       const [store, folder] = process.argv.slice(2)
       const platform = nodePlatform
       const storage = store === 'SQLite' ? await createSqliteStorage(folder + '/repo', { platform })
         : await initFsStorage(folder + '/repo', { platform, mode: store })
       const repo = await Repo.open(storage, platform)
       const chunks = createReadStream(folder + '/layer.tar', { highWaterMark: 1 << 20 })
       await repo.transaction((tx) => importLayer(repo, tx, chunks, { layer: 'sha256:' + '0'.repeat(64) }))
       process.stdout.write(String(process.resourceUsage().maxRSS / 1024) + '\\n')
       await storage[Symbol.asyncDispose]()`,
    )
    const child = new Child([script, store, folder])
    const peak = Number(await child.nextLine())
    expect(await child.ended).toMatchObject({ code: 0, output: `${peak}\n` })
    expect(peak).toBeGreaterThan(20)
    expect(peak).toBeLessThan(200)
  })
})

const count = 250_000

let objectsArchive = ''

beforeAll(() => {
  objectsArchive = join(temporaryFolder(), 'objects.tar')
  writeObjects(objectsArchive)
})

/** Writes an archive of objects with contents of their own, and of a link to each behind them. */
function writeObjects(path: string): void {
  const template = (flag: string, size: number) =>
    header('ustar', { name: '', flag, size, raw: { 136: '00000000001\0' } })
  const file = template('0', 8)
  const link = template('1', 0)
  const object = (n: number) => {
    const name = (Math.imul(n, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(8)
    return `sysroot/ostree/repo/objects/${name.slice(0, 2)}/${name.slice(2)}.file`
  }
  const write = (block: Buffer, from: Uint8Array, name: string, target: string) => {
    block.set(from)
    block.write(name, 0)
    block.write(target, 157)
    block.fill(32, 148, 156)
    const sum = block.subarray(0, 512).reduce((a, b) => a + b, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  }
  const blocks = Buffer.alloc(1000 * 1024)
  const out = openSync(path, 'w')
  for (const isLink of [false, true]) {
    const size = isLink ? 512 : 1024
    for (let n = 0; n < count; n += 1000) {
      for (let i = 0; i < 1000; i++) {
        const block = blocks.subarray(i * size, (i + 1) * size)
        if (isLink) write(block, link, `usr/share/${(n + i) % 100}/link${n + i}`, object(n + i))
        else {
          write(block, file, object(n + i), '')
          block.fill(0, 512)
          block.write(String(n + i).padStart(8, '0'), 512)
        }
      }
      writeSync(out, blocks.subarray(0, 1000 * size))
    }
  }
  writeSync(out, zeros)
  closeSync(out)
}

describe.each(['archive', 'bare-user-only', 'SQLite'])('memory of an import of objects into %s', (store) => {
  test('250,000 objects, whose links come later, take less than 200 MB', { timeout: 120_000 }, async () => {
    const script = bundleScript(
      'objects-memory',
      `import { createReadStream } from 'node:fs'
       import { setFlagsFromString } from 'node:v8'
       import { importLayer } from './src/container/import/import-layer.ts'
       import { nodePlatform } from './src/platform/node.ts'
       import { initFsStorage } from './src/repo/stores/fs/index.ts'
       import { createSqliteStorage } from './src/repo/stores/sqlite/open.ts'
       import { readAll } from './src/bytes.ts'
       import { Repo, readDirTree } from './src/repo/index.ts'
       // As the command does.
       setFlagsFromString('--semi-space-growth-factor=1')
       const [store, folder, archivePath] = process.argv.slice(2)
       const platform = nodePlatform
       const storage = store === 'SQLite' ? await createSqliteStorage(folder + '/repo', { platform })
         : await initFsStorage(folder + '/repo', { platform, mode: store })
       const repo = await Repo.open(storage, platform)
       const archive = createReadStream(archivePath, { highWaterMark: 1 << 16 })
       const layer = 'sha256:' + '0'.repeat(64)
       const { tree, meta } = await repo.transaction((tx) => importLayer(repo, tx, archive, { layer }))
       process.stdout.write(process.resourceUsage().maxRSS * 1024 + '\\n')
       const below = async (tree, name) => (await readDirTree(repo.objects, tree)).dirs.find((dir) => dir.name === name).tree
       const share = await below(await below(tree, 'usr'), 'share')
       let files = 0
       for (const { tree } of (await readDirTree(repo.objects, share)).dirs) {
         for (const { name, checksum } of (await readDirTree(repo.objects, tree)).files) {
           if (files++ % 5000 !== 0) continue
           const text = Buffer.from(await readAll((await repo.objects.readFile(checksum)).body, 8)).toString()
           if (text !== name.slice(4).padStart(8, '0')) throw new Error(name + ' has ' + text)
         }
       }
       process.stdout.write(files + '\\n')
       await storage[Symbol.asyncDispose]()`,
    )
    const child = new Child([script, store, temporaryFolder(), objectsArchive])
    const peak = Number(await child.nextLine())
    expect(await child.ended).toMatchObject({ code: 0, output: `${peak}\n${count}\n` })
    expect(peak).toBeGreaterThan(20 * 2 ** 20)
    expect(peak).toBeLessThan(200e6)
  })
})
