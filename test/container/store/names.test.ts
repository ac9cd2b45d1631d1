import { describe, expect, test } from 'vitest'
import { parseDigest, parseImageReference, parseOstreeImageReference } from '../../../src/container/index.ts'
import { openLayer } from '../../../src/container/internal.ts'
import { parseStorageName } from '../../../src/container/oci/reference.ts'
import { checksumOf, parseObjectPath } from '../../../src/container/ostree-tar/object-path.ts'
import { InvalidNameError, OstreeError } from '../../../src/errors.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { digestOf } from '../golden-images.ts'

const HEX = '627e0c1b4ae0a8d2ba6b7b0a2c7ba4e7f1a5b86a2bcab3e60ffa2c5a1b5e9d2f'

describe('names in the container store', () => {
  test.each([
    ['[overlay@/var/lib/containers]busybox', 'overlay@/var/lib/containers', 'busybox'],
    ['[]image', '', 'image'],
    ['sha256:abc123', undefined, 'abc123'],
    ['[overlay@/tmp]sha256:abc123', 'overlay@/tmp', 'abc123'],
    ['localhost/image:tag', undefined, 'localhost/image:tag'],
  ])('the storage name %s is split into store and image (case A9)', (name, store, image) => {
    expect(parseStorageName(name)).toEqual({ store, image })
  })

  test('a storage name with an unclosed bracket is rejected (case A9)', () => {
    expect(() => parseStorageName('[overlay@/tmp')).toThrow(InvalidNameError)
  })

  test('a checksum has 64 lower-case hex digits (case C11)', () => {
    expect(checksumOf(HEX)).toBe(HEX)
    for (const text of ['', `${HEX}0`, HEX.toUpperCase()]) {
      expect(() => checksumOf(text)).toThrow(InvalidNameError)
      expect(() => parseDigest(`sha256:${text}`)).toThrow(OstreeError)
    }
  })

  test('an object path is parsed to checksum and type, also for old names of xattrs (case C11)', () => {
    const [parent, rest] = [HEX.slice(0, 2), HEX.slice(2)]
    expect(parseObjectPath(`x/${parent}/${rest}.file.xattrs`)).toEqual({ checksum: HEX, type: 'xattrs' })
    expect(parseObjectPath(`${parent}/${rest}.commit`)).toEqual({ checksum: HEX, type: 'commit' })
    for (const path of ['', '42', `${parent}/${rest}`, `${parent}/${rest}.mp3`, `x/${rest}.commit`]) {
      expect(() => parseObjectPath(path)).toThrow(InvalidNameError)
    }
  })

  test('the target of a link to xattrs is parsed as an object path (case C12)', () => {
    const [parent, rest] = [HEX.slice(0, 2), HEX.slice(2)]
    const expected = { checksum: HEX, type: 'file-xattrs' }
    expect(parseObjectPath(`../${parent}/${rest}.file-xattrs`)).toEqual(expected)
    expect(parseObjectPath(`sysroot/ostree/repo/objects/${parent}/${rest}.file-xattrs`)).toEqual(expected)
    for (const path of ['', `${rest}.file-xattrs`, `../${parent}/${rest.slice(1)}.file-xattrs`]) {
      expect(() => parseObjectPath(path)).toThrow(InvalidNameError)
    }
  })

  test('both spellings of an unverified registry image have the transport registry (case K1)', () => {
    expect(parseOstreeImageReference('ostree-unverified-registry:quay.io/a/b').imgref.transport).toBe('registry')
    expect(parseImageReference('docker://quay.io/a/b').transport).toBe('registry')
  })

  test('a repository has the mode that it was created with (case K1)', async () => {
    for (const mode of ['archive', 'bare', 'bare-user', 'bare-user-only', 'bare-split-xattrs'] as const) {
      expect((await Repo.open(createMemoryStorage({ mode, platform: nodePlatform }), nodePlatform)).mode).toBe(mode)
    }
  })
})

describe('decompressing a layer', () => {
  const open = (bytes: Uint8Array, suffix: string) => {
    const layer = {
      mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
      digest: digestOf(bytes),
      size: bytes.length,
    }
    const source = {
      async *blob() {
        yield bytes
      },
    }
    return openLayer(source, layer, { platform: nodePlatform })[Symbol.asyncIterator]()
  }

  test.each(['', '+gzip', '+zstd'])(
    'reading an empty layer of type "%s" may be stopped at once (case C10)',
    async (suffix) => {
      await open(new Uint8Array(), suffix).return?.()
    },
  )

  test.each(['+gzip', '+zstd'])('garbage in a layer of type %s is a typed error (case C10)', async (suffix) => {
    await expect(open(new TextEncoder().encode('garbage, and more of it'), suffix).next()).rejects.toMatchObject({
      code: 'corrupt',
      data: { kind: suffix.slice(1) },
    })
  })
})
