/** Tests of the memory that an import takes when a few bytes of an archive stand for much more. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
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
