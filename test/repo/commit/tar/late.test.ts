import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Checksum, MaybePromise } from '../../../../src/bytes.ts'
import { UsageError } from '../../../../src/errors.ts'
import type { FileObject, MetaType } from '../../../../src/objects/index.ts'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { importTar } from '../../../../src/repo/commit/commit.ts'
import { createMemoryStorage, Repo, writeTree } from '../../../../src/repo/index.ts'
import { ForwardingTransaction } from '../../../../src/repo/internal.ts'
import { dir, file, hardlink, type TarEntry, tarBytes } from '../../../support/tar-bytes.ts'
import { chunks } from './take-tar.ts'

describe('importTar into a transaction that writes asynchronously', () => {
  /** Answers writes with promises in another order. Bodies are copied at once, as the interface requires. */
  class LateTransaction extends ForwardingTransaction {
    #wait = 20

    override writeFile(object: FileObject, expected?: Checksum): Promise<Checksum> {
      const body = object.body instanceof Uint8Array ? object.body.slice() : object.body
      return this.#later(() => this.tx.writeFile({ ...object, body }, expected))
    }

    override writeMeta(type: MetaType, bytes: Uint8Array): Promise<Checksum> {
      return this.#later(() => this.tx.writeMeta(type, bytes))
    }

    async #later(write: () => MaybePromise<Checksum>): Promise<Checksum> {
      this.#wait = (this.#wait * 7 + 3) % 23
      for (let turn = 0; turn < this.#wait; turn++) await undefined
      return write()
    }
  }

  async function both(entries: readonly TarEntry[], chunk: number): Promise<[unknown, unknown]> {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const results = []
    for (const late of [false, true]) {
      const tx = await repo.begin()
      const used = late ? new LateTransaction(tx) : tx
      const made = importTar(repo, used, chunks(tarBytes(entries), chunk), { autocreateParents: true })
      results.push(await made.then((tree) => writeTree(used, tree)).catch((error) => String(error)))
      await tx[Symbol.asyncDispose]()
    }
    return results as [unknown, unknown]
  }

  const names = fc.constantFrom('a', 'b', 'd/a', 'd/e/a', 'd/e', 'd', '.')
  const entries = fc.array(
    fc.oneof(
      fc.tuple(names, fc.string({ maxLength: 3 })).map(([name, content]) => file(name, content)),
      fc.tuple(names, fc.nat(0o777)).map(([name, mode]) => dir(name, { mode })),
      fc.tuple(names, names).map(([name, target]) => hardlink(name, target)),
    ),
    { maxLength: 12 },
  )

  test('the tree or error is the same as with a transaction that writes at once', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.constantFrom(512, 1024, 1 << 20), async (list, chunk) => {
        const [now, later] = await both(list, chunk)
        expect(later).toEqual(now)
      }),
      { numRuns: 150 },
    )
  })

  test('an error of the archive or of a write is thrown, and none is left unhandled', async () => {
    const repo = await Repo.open(createMemoryStorage({ platform: nodePlatform }), nodePlatform)
    const tx = await repo.begin()
    class FailingTransaction extends ForwardingTransaction {
      override async writeFile(): Promise<Checksum> {
        throw new UsageError('no')
      }
    }
    const failing = new FailingTransaction(tx)
    // A write and the entry after it both fail. The error of the write must not be an unhandled rejection.
    const taken = importTar(repo, failing, chunks(tarBytes([file('a'), file('../b')]), 1 << 20))
    await expect(taken).rejects.toThrow("Invalid uplink '..'")
    await expect(importTar(repo, failing, chunks(tarBytes([file('a')]), 512))).rejects.toThrow('no')
    await tx[Symbol.asyncDispose]()
  })
})
