/** Tests of the memory that an archive with a million entries takes. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleScript } from '../../../support/bundle.ts'
import { Child } from '../../../support/child-process.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

const MB = 1e6

/**
 * Archives with a number of entries in each directory: the bound of the memory in MB, and a function that returns the
 * target of the link with a number, or `undefined` for a file. Entry 0 is a file. Texts of a million targets take 15 MB
 * more; one directory with all entries has a dirtree of 49 MB.
 */
const archives: readonly (readonly [title: string, inEach: number, bound: number, target: string])[] = [
  ['links to one file', 1000, 200, '() => path(0)'],
  ['links to half as many files', 1000, 200, '(n) => (n % 2 === 0 ? undefined : path(n - 1))'],
  ['links, each to the one before', 1000, 200, '(n) => path(n - 1)'],
  ['files', 1000, 170, '() => undefined'],
  ['links to one file', 1_000_000, 200, '() => path(0)'],
  ['links, each to the one before', 1_000_000, 200, '(n) => path(n - 1)'],
  ['files', 1_000_000, 200, '() => undefined'],
]

describe('memory of importTar', () => {
  test.each(archives)(
    'a million %s, %i in each directory, take less than %i MB',
    { timeout: 120_000 },
    async (...row) => {
      const [, inEach, bound, target] = row
      const script = bundleScript(
        'tar-memory',
        `import { setFlagsFromString } from 'node:v8'
       import { nodePlatform as platform } from './src/platform/node.ts'
       import { importTar } from './src/repo/commit/commit.ts'
       import { initFsStorage } from './src/repo/stores/fs/index.ts'
       import { Repo, writeTree } from './src/repo/index.ts'
       import { header, zeros } from './test/tar/odd-archives.ts'
       // As the command does.
       setFlagsFromString('--semi-space-growth-factor=1')
       const storage = await initFsStorage(process.argv[2], { platform, mode: 'bare-user-only' })
       const repo = await Repo.open(storage, platform)
       const path = (n) => 'd' + String(Math.floor(n / ${inEach})).padStart(4, '0') + '/' + String(n).padStart(11, '0')
       const target = ${target}
       async function* archive() {
         const block = new Uint8Array(1000 * 512)
         for (let n = 0; n < 1_000_000; n += 1000) {
           for (let i = 0; i < 1000; i++) {
             const link = n + i === 0 ? undefined : target(n + i)
             block.set(entry(path(n + i), link), i * 512)
           }
           yield block
         }
         yield zeros
       }
       const templates = [header('ustar', { name: '', flag: '0' }), header('ustar', { name: '', flag: '1' })]
       function entry(name, link) {
         const bytes = templates[link === undefined ? 0 : 1]
         write(bytes, name, 0)
         if (link !== undefined) write(bytes, link, 157)
         bytes.fill(32, 148, 156)
         let sum = 0
         for (let i = 0; i < 512; i++) sum += bytes[i]
         write(bytes, sum.toString(8).padStart(6, '0'), 148)
         bytes[154] = 0
         return bytes
       }
       function write(bytes, text, at) {
         for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
       }
       let count = 0
       await repo.transaction(async (tx) => {
         const tree = await importTar(repo, tx, archive(), { autocreateParents: true })
         await writeTree(tx, tree)
         for (const child of tree.dirs.values()) count += child.files.size
       })
       process.stdout.write(count + ' ' + process.resourceUsage().maxRSS * 1024 + '\\n')
       await storage[Symbol.asyncDispose]()`,
      )
      const child = new Child([script, join(temporaryFolder(), 'repo')])
      const [count, peak] = String(await child.nextLine())
        .split(' ')
        .map(Number)
      expect(await child.ended).toMatchObject({ code: 0, output: `${count} ${peak}\n` })
      expect(count).toBe(1_000_000)
      expect(peak).toBeGreaterThan(20 * MB)
      expect(peak).toBeLessThan(bound * MB)
    },
  )
})
