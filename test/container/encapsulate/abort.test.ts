/** Encapsulation that is aborted at some moment: it fails with the reason, or the image is whole. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { encapsulate, openImage, parseImageReference, pullImage } from '../../../src/container/index.ts'
import { nodeFiles } from '../../../src/node.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { memoryRepo } from '../tar-kit.ts'
import { CHUNKED, fixtureRepo, GOLDEN, HOST } from './kit.ts'

const listed = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()

/** Aborts after a number of turns of the event loop. */
async function abortAfter(turns: number, controller: AbortController): Promise<void> {
  for (let i = 0; i < turns; i++) await setImmediate()
  controller.abort(new Error(`after ${turns} turns`))
}

describe.each(['oci', 'dir', 'oci-archive', 'docker-archive'])('an aborted encapsulation as %s', (transport) => {
  test('the image is whole, or the reason is thrown and no image is there', async () => {
    const repo = await fixtureRepo()
    const ends = new Set<string>()
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 5000]) {
      const folder = temporaryFolder()
      const to = `${transport}:${join(folder, 'image')}`
      const controller = new AbortController()
      const { signal } = controller
      const aborting = abortAfter(turns, controller)
      const options = { ...CHUNKED, host: HOST, files: nodeFiles, signal, exactCompression: false }
      const work = encapsulate(repo, GOLDEN.commit, {}, options, to)
      const end = await work.then(
        () => 'whole',
        (error: Error) => error.message,
      )
      const before = listed(folder)
      if (end === 'whole') {
        const pulled = await pullImage(await memoryRepo(), `ostree-unverified-image:${to}`, {
          host: HOST,
          files: nodeFiles,
        })
        expect(pulled.layersFetched).toBeGreaterThan(0)
      } else {
        expect(end).toContain(`after ${turns} turns`)
        const context = { platform: nodePlatform, files: nodeFiles, host: HOST }
        await expect(openImage(parseImageReference(to), context)).rejects.toThrow()
      }
      ends.add(end === 'whole' ? end : 'aborted')
      await aborting
      // Nothing goes on writing.
      for (let i = 0; i < 50; i++) await setImmediate()
      expect(listed(folder)).toEqual(before)
    }
    expect(ends).toEqual(new Set(['whole', 'aborted']))
  })
})
