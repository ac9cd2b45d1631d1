/** Objects that ostree wrote, stored and read again in every store on every platform. */
import { describe, expect, test } from 'vitest'
import { type Content, equalBytes, toHex } from '../../../src/bytes.ts'
import { UnsupportedError } from '../../../src/errors.ts'
import {
  decodeFilezHeader,
  type FileHeader,
  formatObjectName,
  isSymlink,
  type MetaType,
  type ObjectName,
  parseLoosePath,
  sortXattrs,
} from '../../../src/objects/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import type { Repo } from '../../../src/repo/index.ts'
import { BACKENDS, MODES, testRepos, testWith } from '../../support/backends.ts'
import { goldenJson } from '../../support/golden.ts'

interface LooseObject {
  readonly loose_path: string
  readonly data_b64: string
}

const objects = ['core/objects-archive.json', 'core/commits-objects.json'].flatMap((name) =>
  goldenJson<LooseObject[]>(name).map(({ loose_path, data_b64 }) => {
    const object = parseLoosePath(loose_path.slice('objects/'.length))
    if (object === undefined) throw new Error(`no object: ${loose_path}`)
    return {
      name: { checksum: object.checksum, type: object.type },
      bytes: new Uint8Array(Buffer.from(data_b64, 'base64')),
    }
  }),
)
const files = objects.filter(({ name }) => name.type === 'file')
const attached = objects.filter(({ name }) => name.type === 'commitmeta')
const metadata = objects.filter(({ name }) => ['commit', 'dirtree', 'dirmeta'].includes(name.type))
const places = testRepos()

test('the vectors have objects of all types', () => {
  expect([objects.length, files.length, attached.length, metadata.length]).toEqual([84, 27, 1, 56])
})

interface Unpacked {
  readonly header: FileHeader
  readonly size: number
  readonly body: Uint8Array
}

function unpacked(platform: Platform, filez: Uint8Array): Unpacked {
  const { info, bodyOffset } = decodeFilezHeader(filez)
  const { header, size } = info
  const body = isSymlink(header) ? new Uint8Array(0) : platform.inflateRaw(filez.subarray(bodyOffset), size)
  return { header, size, body }
}

async function whole(body: Content): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part.slice())
  return Buffer.concat(parts)
}

async function listed(repo: Repo): Promise<string[]> {
  const names: ObjectName[] = []
  for await (const name of repo.objects.list()) names.push(name)
  return names.map(formatObjectName).sort()
}

describe.each(BACKENDS)('objects of ostree, in $name', (place) => {
  for (const mode of MODES) {
    testWith(
      place,
      mode,
      `objects are stored unchanged in mode ${mode}, or refused if the mode cannot store them`,
      async () => {
        const repo = await places.create(place, mode)
        const kept = new Set<string>()
        const refused: string[] = []
        await repo.transaction(async (tx) => {
          for (const { name, bytes } of metadata) {
            expect(await tx.writeMeta(name.type as MetaType, bytes, name.checksum)).toBe(name.checksum)
            kept.add(formatObjectName(name))
          }
          for (const { name, bytes } of attached) {
            await tx.writeAttached('commitmeta', name.checksum, bytes)
            kept.add(formatObjectName(name))
          }
          for (const { name, bytes } of files) {
            try {
              expect(await tx.writeFile(unpacked(place.platform, bytes), name.checksum)).toBe(name.checksum)
              kept.add(formatObjectName(name))
            } catch (error) {
              if (!(error instanceof UnsupportedError) && !/invalid mode \d+ with bits/.test(String(error))) throw error
              refused.push(name.checksum)
            }
          }
        })
        // Mode bare-user-only does not keep owners, set-id bits and extended attributes.
        expect(refused.length > 0).toBe(mode === 'bare-user-only')
        expect(await listed(repo)).toEqual([...kept].sort())

        for (const { name, bytes } of metadata)
          expect(toHex(await repo.objects.readMeta(name.type as MetaType, name.checksum))).toBe(toHex(bytes))
        for (const { name, bytes } of attached)
          expect(toHex((await repo.objects.readAttached('commitmeta', name.checksum)) ?? bytes.subarray(1))).toBe(
            toHex(bytes),
          )
        for (const { name, bytes } of files) {
          expect(await repo.objects.has(name)).toBe(!refused.includes(name.checksum))
          if (refused.includes(name.checksum)) continue
          const given = unpacked(place.platform, bytes)
          const { header, size, body } = await repo.objects.readFile(name.checksum)
          expect({ ...header, xattrs: sortXattrs(header.xattrs) }).toEqual(given.header)
          expect(size).toBe(given.size)
          expect(equalBytes(await whole(body), given.body)).toBe(true)
        }
        await repo.close()
      },
    )
  }
})
