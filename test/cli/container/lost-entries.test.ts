/** What commands print about entries of a layer that are left out because their objects or links are missing. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { packTar } from '../../../src/tar/index.ts'
import { plainImage, writeLayout } from '../../container/ostree-ext-kit.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

test('container image pull warns about links without an object, and lists them as JSON', async () => {
  const folder = temporaryFolder()
  const object = 'sysroot/ostree/repo/objects/aa/x.file'
  const entries = packTar([
    { path: 'usr/here', body: encodeUtf8('x') },
    { path: 'usr/lost', type: 'hardlink', linkPath: object },
  ])
  writeLayout(join(folder, 'image'), plainImage([await readAll(entries)]))
  const pull = async (name: string, ...options: string[]) => {
    await (await createRepo(join(folder, name), { mode: 'bare-user' })).close()
    const words = [
      'container',
      'image',
      'pull',
      ...options,
      join(folder, name),
      `ostree-unverified-image:oci:${folder}/image:t`,
    ]
    return await runInProcess(words, folder)
  }
  const { status, stderr } = await pull('plain', '--quiet')
  expect(status).toBe(0)
  expect(stderr).toMatch(
    /^warning: Layer sha256:[0-9a-f]{64} has entries that are left out: 1 hard links to objects that it does not have: usr\/lost\n$/,
  )
  const lost = { linksWithoutObject: 1, objectsWithoutLink: 0, examples: ['usr/lost'] }
  const json = await pull('json', '--json')
  const events = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events.filter(({ kind }) => kind === 'entries-lost')).toMatchObject([{ index: 0, ...lost }])
  expect(Object.values(events.at(-1).lost)).toEqual([lost])
})
