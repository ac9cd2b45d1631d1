/** The history of images whose configs have entries without a layer, as ordinary builders write them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRepo } from '../../../src/repo/local.ts'
import { documentsIn, plainImage, writeLayout } from '../../container/ostree-ext-kit.ts'
import { goldenBytes } from '../../support/golden.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const created = (day: number) => `2026-01-0${day}T00:00:00Z`

describe('an image whose config has history entries without a layer', () => {
  const folder = temporaryFolder()
  const store = join(folder, 'store')
  const image = `oci:${folder}/image:t`
  const run = async (...words: string[]) => {
    const { status, stdout, stderr } = await runInProcess(['container', 'image', ...words], folder)
    expect(status, stderr).toBe(0)
    return stdout
  }

  beforeAll(async () => {
    await (await createRepo(store, { mode: 'bare-user' })).close()
    const layers = ['simple', 'xattr', 'var-factory'].map((name) => goldenBytes(`container/layers/${name}.tar`))
    const history = [
      { created: created(1), created_by: 'ENV A=b', comment: 'env', empty_layer: true },
      { created: created(2), created_by: 'COPY first', comment: 'first' },
      { created: created(3), created_by: 'CMD true', comment: 'cmd', empty_layer: true },
      { created: created(4), created_by: 'COPY second', empty_layer: false },
    ]
    writeLayout(join(folder, 'image'), plainImage(layers, history))
    await run('pull', '--quiet', store, `ostree-unverified-image:${image}`)
  })

  test('lists each layer with the command that made it, and nothing for a layer beyond the history', async () => {
    const lines = (await run('history', `--repo=${store}`, image)).trimEnd().split('\n')
    expect(lines.map((line) => line.split(/ {2,}/)[2])).toEqual(['CREATED BY', 'COPY first', 'COPY second', undefined])
    const layers = JSON.parse(await run('history', '--json', `--repo=${store}`, image))
    expect(layers.map(({ createdBy }: { createdBy: string }) => createdBy)).toEqual(['COPY first', 'COPY second', ''])
  })

  test('is planned with the same commands', async () => {
    const empty = join(folder, 'empty')
    await (await createRepo(empty, { mode: 'bare-user' })).close()
    const plan = JSON.parse(await run('plan', '--json', empty, `ostree-unverified-image:${image}`))
    expect(plan.layers.map(({ createdBy }: { createdBy: string }) => createdBy)).toEqual([
      'COPY first',
      'COPY second',
      '',
    ])
  })

  test.each([
    // ostree-ext takes the entry at the position of the layer, and its comment.
    [[], [created(1), created(2), created(3)], ['env', 'first', 'cmd']],
    [['--keep-layer-notes'], [created(2), created(4), '1970-01-01T00:00:00Z'], ['COPY first', 'COPY second', '']],
  ])('is exported again with %j', async (options, times, commands) => {
    const layout = join(folder, `re${options.length}`)
    mkdirSync(layout)
    await run('reexport', ...options, `--repo=${store}`, image, `oci:${layout}:t`)
    const { history } = JSON.parse(documentsIn(layout).config)
    expect(history.map((entry: { created: string }) => entry.created)).toEqual(times)
    expect(history.map((entry: { created_by: string }) => entry.created_by)).toEqual(commands)
  })
})
