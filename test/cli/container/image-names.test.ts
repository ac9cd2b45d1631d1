/** Names that nothing can be stored under: refused before the image is opened. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
const repo = join(root, 'repo')
// The directory does not exist: an error about it would show that the image was opened.
const missing = join(root, 'missing')

describe('names that nothing can be stored under', async () => {
  await (await createRepo(repo, { mode: 'archive', platform: nodePlatform })).close()
  const container = (...words: string[]) => runInProcess(['container', ...words], root)

  test.each([
    ['pull', repo],
    ['plan', repo],
  ])('container image %s refuses an image name', async (verb, path) => {
    const name = `oci:${missing}/-img`
    expect(await container('image', verb, path, `ostree-unverified-image:${name}`)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `error: Preparing import: Fetching manifest: Cannot store ${name}: no part of a path may begin with "-"; use another name\n`,
    })
  })

  test.each([
    ['-x', 'Invalid refspec -x'],
    ['a'.repeat(64), `Rev name '${'a'.repeat(64)}' looks like a checksum`],
  ])('container unencapsulate refuses the ref %s', async (ref, message) => {
    const words = ['unencapsulate', `--repo=${repo}`, `--write-ref=${ref}`, `ostree-unverified-image:oci:${missing}`]
    expect(await container(...words)).toMatchObject({ status: 1, stderr: `error: ${message}\n` })
  })
})
