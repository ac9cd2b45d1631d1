/** Tests of what is in the places of files: pipes and devices, which no command waits for, directories, and cut files. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync, symlinkSync, truncateSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readAll } from '../../../../src/bytes.ts'
import { FormatError } from '../../../../src/errors.ts'
import { nodePlatform as platform } from '../../../../src/platform/node.ts'
import { fsck, Repo } from '../../../../src/repo/index.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { commitTree, memoryRepo } from '../../../support/commits.ts'
import { temporaryFolder } from '../../../support/temporary.ts'

/** Puts something into a place that is never at its end, or waits for its other end. */
const kinds: readonly (readonly [kind: string, put: (path: string) => void])[] = [
  ['a pipe', (path) => void execFileSync('mkfifo', [path])],
  [
    'a link to a pipe',
    (path) => {
      execFileSync('mkfifo', [`${path}.pipe`])
      symlinkSync(`${path}.pipe`, path)
    },
  ],
  ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
]

describe.each(kinds)('%s', (kind, put) => {
  test('in place of the configuration is refused', async () => {
    const root = temporaryFolder()
    await (await initFsStorage(root, { platform, mode: 'archive' }))[Symbol.asyncDispose]()
    rmSync(`${root}/config`)
    put(`${root}/config`)
    const opened = openFsStorage(root, { platform })
    await expect(opened).rejects.toThrow(FormatError)
    await expect(opened).rejects.toThrow('opening repo: Not a regular file or symlink: config')
  })

  test.each(['archive', 'bare-user-only'] as const)(
    'in place of an object or a ref of mode %s is refused',
    async (mode) => {
      const root = temporaryFolder()
      const storage = await initFsStorage(root, { platform, mode })
      const tx = await storage.begin()
      const file = await tx.writeFile({
        header: { uid: 0, gid: 0, mode: 0o100644, target: '', xattrs: [] },
        size: 2,
        body: new Uint8Array(2),
      })
      const meta = await tx.writeMeta('dirtree', new Uint8Array(1))
      await tx.commit()
      for (const name of [
        { checksum: file, type: 'file' },
        { checksum: meta, type: 'dirtree' },
      ] as const) {
        const path = storage.objects.loose?.path(name) as string
        rmSync(path)
        put(path)
      }
      put(`${root}/refs/heads/main`)
      expect(() => storage.objects.readMeta('dirtree', meta)).toThrow(FormatError)
      const content = async () => readAll((await storage.objects.readFile(file)).body)
      // In a bare repository a link can be an object, so it is not followed.
      if (mode === 'archive' || kind === 'a pipe') await expect(content()).rejects.toThrow('Not a regular file')
      expect(() => storage.refs.read('heads/main')).toThrow(FormatError)
      await storage[Symbol.asyncDispose]()
    },
  )
})

describe('a directory in place of an object', () => {
  test('is named by fsck, which cannot delete it and goes on', async () => {
    const root = temporaryFolder()
    const repo = await Repo.open(await initFsStorage(root, { platform, mode: 'archive' }), platform)
    const commit = await commitTree(repo, { a: 'a', b: 'b' })
    for await (const name of repo.objects.list('file')) {
      const path = repo.objects.loose?.path(name) as string
      rmSync(path)
      mkdirSync(path)
    }
    const corrupt: string[] = []
    const result = await fsck(repo, {
      delete: true,
      onEvent: (event) => void (event.kind === 'corrupt' && corrupt.push(event.error.message)),
    })
    expect(result.damaged).toBe(2)
    for (const message of corrupt) expect(message).toMatch(/: Error reading from file descriptor: Is a directory$/)
    expect(corrupt).toHaveLength(2)
    expect(await repo.commitState(commit)).toBe('fsck-partial')
    await repo.close()
  })
})

test('an object that is cut off is named as content that cannot be written, when it is stored in another form', async () => {
  const root = temporaryFolder()
  const source = await Repo.open(await initFsStorage(root, { platform, mode: 'archive' }), platform)
  await commitTree(source, { a: 'some content' })
  const target = await memoryRepo('bare-user')
  for await (const { checksum } of source.objects.list('file')) {
    const path = source.objects.loose?.path({ checksum, type: 'file' }) as string
    truncateSync(path, statSync(path).size - 4)
    const copied = target.transaction(async (tx) => tx.writeFile(await source.objects.readFile(checksum)))
    await expect(copied).rejects.toThrow(/^Writing content object: Need more input$/)
    expect(await target.objects.has({ checksum, type: 'file' })).toBe(false)
  }
  expect.assertions(2)
  await source.close()
})
