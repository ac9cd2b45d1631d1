/** Imports data that the reference programs wrote into every store, and exports it again. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import {
  type Digest,
  type EncapsulateOptions,
  encapsulateTo,
  exportToOci,
  importOstreeTar,
  openMemoryDestination,
  parseImageReference,
  pullImage,
  unencapsulate,
} from '../../src/container/index.ts'
import type { Repo } from '../../src/repo/index.ts'
import { nodeFiles } from '../../src/system/local-files.ts'
import { BACKENDS, describeWith, testRepos } from '../support/backends.ts'
import { goldenBytes, goldenJson, goldenPath } from '../support/golden.ts'
import { temporaryFolder } from '../support/temporary.ts'
import {
  CHUNKED,
  documentsOf,
  FIXTURE_TAR,
  GOLDEN,
  type GoldenConfig,
  type GoldenManifest,
  HOST,
} from './encapsulate/kit.ts'
import { goldenImage, sourceOf, unpack, withLayers } from './golden-images.ts'
import { exported, once } from './tar-kit.ts'

const REEXPORTED =
  goldenJson<Record<'chunked' | 'derived', { manifest: GoldenManifest; config: GoldenConfig }>>(
    'container/reexport.json',
  )
const SIMPLE = goldenJson<{ cases: { simple: { merge_over_fixture_bare_user_uid0: { blob_gzip_b64: string } } } }>(
  'container/derived-layers.json',
).cases.simple.merge_over_fixture_bare_user_uid0.blob_gzip_b64
const SIGNED = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-signed-export.tar.gz')))
const IMAGES = {
  chunked: goldenImage('container/oci-chunked.tar.gz'),
  derived: withLayers(goldenImage('container/oci-chunked.tar.gz'), [new Uint8Array(Buffer.from(SIMPLE, 'base64'))]),
}
const WRITTEN: Readonly<Record<'chunked' | 'single', EncapsulateOptions>> = {
  chunked: CHUNKED,
  single: {
    host: HOST,
    copyMetaKeys: GOLDEN.single.copy_meta_keys,
    containerConfig: GOLDEN.single.container_config,
  },
}

const folder = temporaryFolder()
beforeAll(() => {
  for (const name of ['oci-single', 'oci-chunked', 'oci-zstd', 'oci-zstd-chunked', 'dir-v2s2']) {
    for (const [path, bytes] of unpack(gunzipSync(goldenBytes(`container/${name}.tar.gz`)))) {
      if (path.endsWith('/')) continue
      mkdirSync(dirname(join(folder, name, path)), { recursive: true })
      writeFileSync(join(folder, name, path), bytes)
    }
  }
})

const REFERENCES: readonly [name: string, reference: string][] = [
  ['oci-single', `oci:${folder}/oci-single`],
  ['oci-chunked', `oci:${folder}/oci-chunked`],
  ['oci-zstd', `oci:${folder}/oci-zstd`],
  ['oci-zstd-chunked', `oci:${folder}/oci-zstd-chunked`],
  ['oci-archive', `oci-archive:${goldenPath('container/oci-archive.tar')}`],
  ['docker-archive', `docker-archive:${goldenPath('container/docker-archive.tar.gz')}`],
  ['dir', `dir:${folder}/dir-v2s2`],
]

const places = testRepos()

for (const place of BACKENDS) {
  for (const mode of ['archive', 'bare-user', 'bare'] as const) {
    // The capability in the fixture is malformed, so the kernel rejects it as an extended attribute.
    if (place.store === 'directory' && mode === 'bare') continue
    describeWith(place, mode, `vectors in ${place.name}, mode ${mode}`, () => {
      let repo: Repo
      beforeAll(async () => {
        repo = await places.create(place, mode)
        expect(await importOstreeTar(repo, once(FIXTURE_TAR))).toBe(GOLDEN.commit)
      })

      test.each(REFERENCES)('the image %s is unencapsulated to its commit', async (_, reference) => {
        const into = await places.create(place, mode)
        const options = { host: HOST, files: nodeFiles }
        const { commit } = await unencapsulate(into, `ostree-unverified-image:${reference}`, options)
        expect(commit).toBe(GOLDEN.commit)
        await into.close()
      })

      test('the commit is exported as the reference stream, and a signed one is imported and exported unchanged', async () => {
        expect(equalBytes(await exported(repo, GOLDEN.commit), FIXTURE_TAR)).toBe(true)
        const signed = await places.create(place, mode)
        expect(await importOstreeTar(signed, once(SIGNED))).toBe(GOLDEN.commit)
        expect(equalBytes(await exported(signed, GOLDEN.commit), SIGNED)).toBe(true)
        await signed.close()
      })

      test.each(['chunked', 'single'] as const)(
        'the %s encapsulation of the commit equals the reference image (case F6)',
        async (name) => {
          const files = new Map<string, Uint8Array>()
          await using to = openMemoryDestination(files, undefined, repo.platform)
          const labels = GOLDEN.chunked.labels_arg
          await encapsulateTo(repo, GOLDEN.commit, { labels }, WRITTEN[name], to)
          const { manifest, config } = documentsOf(files)
          expect(manifest).toEqual(GOLDEN[name].manifest)
          expect(config).toEqual(goldenDocument(`oci-${name}`, GOLDEN[name].manifest.config.digest))
        },
      )

      test.each(['chunked', 'derived'] as const)(
        'the export of the stored %s image equals the reference export (case I4)',
        async (name) => {
          const stored = await places.create(place, mode)
          await pullImage(stored, 'ostree-unverified-image:oci:image', { host: HOST, open: sourceOf(IMAGES[name]) })
          const files = new Map<string, Uint8Array>()
          await using to = openMemoryDestination(files, 'exported-test', stored.platform)
          await exportToOci(stored, parseImageReference('oci:image'), to)
          const { manifest, config } = documentsOf(files)
          expect(config).toEqual(REEXPORTED[name].config)
          expect(manifest).toEqual(REEXPORTED[name].manifest)
          await stored.close()
        },
      )
    })
  }
}

function goldenDocument(layout: string, digest: string): unknown {
  const bytes = goldenImage(`container/${layout}.tar.gz`).blobs.get(digest as Digest)
  return JSON.parse(new TextDecoder().decode(bytes))
}
