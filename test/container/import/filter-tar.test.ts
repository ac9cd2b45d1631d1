import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/index.ts'
import { filterTar } from '../../../src/container/internal.ts'
import { OstreeError } from '../../../src/errors.ts'
import { writeTree } from '../../../src/repo/index.ts'
import { TarTreeBuilder } from '../../../src/repo/internal.ts'
import { TarParser } from '../../../src/tar/index.ts'
import { goldenBytes, goldenPath } from '../../support/golden.ts'
import { collect, entriesOf, memoryRepo, once } from '../tar-kit.ts'

const LAYERS = ['layers', 'layers2'].flatMap((folder) =>
  readdirSync(goldenPath(`container/${folder}`)).map((name) => `container/${folder}/${name}`),
)

/** Imports a layer; `undefined` when that fails. */
async function imported(tar: Uint8Array) {
  const repo = await memoryRepo()
  try {
    return await repo.transaction(async (tx) => {
      const { tree, meta } = await importLayer(repo, tx, once(tar), { layer: 'sha256:0' as Digest, retainVar: true })
      return { tree, meta }
    })
  } catch {
    return undefined
  }
}

/** Builds a tree of a filtered layer without filtering it again. */
async function built(tar: AsyncIterable<Uint8Array>) {
  const repo = await memoryRepo()
  return await repo.transaction(async (tx) => {
    const builder = new TarTreeBuilder(repo, tx, {
      autocreateParents: true,
      whiteoutPrefix: '.wh.',
      lastEntryWins: true,
    })
    const parser = new TarParser(builder)
    for await (const chunk of tar) parser.push(chunk)
    parser.finish()
    return await writeTree(tx, await builder.finish())
  })
}

describe('a filtered layer', () => {
  test.each(LAYERS)('the filtered layer gives the same tree as the import of %s', async (name) => {
    const tar = goldenBytes(name)
    const whole = await imported(tar)
    const filtered = built(filterTar(once(tar), { retainVar: true }))
    if (whole === undefined) await expect(filtered).rejects.toBeInstanceOf(OstreeError)
    else expect(await filtered).toEqual(whole)
  })

  test('a filtered layer has only paths of a deployment', async () => {
    const tar = await collect(filterTar(once(goldenBytes('container/layers/toplevel-filtered.tar'))))
    const paths = entriesOf(tar).map(({ path }) => path)
    expect(paths.length).toBeGreaterThan(0)
    for (const path of paths) expect(path).toMatch(/^(\.|(\.\/)?usr(\/.*)?|(\.\/)?(var|run|tmp|proc|sys|dev))\/?$/)
  })
})
