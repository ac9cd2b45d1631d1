/** `ostree-ts show` with several options that print metadata. The results are those of ostree 2026.4. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
const repo = join(root, 'repo')
const ostree = (...words: string[]) => runInProcess([words[0] as string, `--repo=${repo}`, ...words.slice(1)], root)

const KEY = '--print-metadata-key=a'
const DETACHED = '--print-detached-metadata-key=z'
const LIST = '--list-metadata-keys'
const LIST_DETACHED = '--list-detached-metadata-keys'

describe('`ostree-ts show` with several options', () => {
  beforeAll(async () => {
    mkdirSync(join(root, 'tree'))
    await ostree('init', '--mode=archive')
    await ostree(
      ...['commit', '-b', 'main', '--no-bindings', '--add-metadata-string=b=1', '--add-metadata-string=a=2'],
      ...['--add-metadata=ay=[byte 0x01,0x02]', '--add-detached-metadata-string=z=3'],
      ...['--add-detached-metadata-string=y=4', join(root, 'tree')],
    )
  })

  test.each([
    [[KEY, DETACHED], "'3'\n"],
    [[KEY, LIST_DETACHED], "'2'\n"],
    [[KEY, LIST], "'2'\n"],
    [[DETACHED, LIST_DETACHED], "'3'\n"],
    [[DETACHED, LIST], "'3'\n"],
    [[LIST, LIST_DETACHED], 'y\nz\n'],
    [[LIST, '--print-related', '--print-sizes', '--raw'], 'a\nay\nb\n'],
    [['--print-metadata-key=ay', '--print-hex'], '0102\n'],
    [[KEY, '--print-hex'], "'2'\n"],
  ])('%j prints what ostree prints, in either order', async (options, stdout) => {
    for (const given of [options, options.toReversed()]) {
      expect(await ostree('show', ...given, 'main')).toEqual({ status: 0, stdout, stderr: '' })
    }
  })
})
