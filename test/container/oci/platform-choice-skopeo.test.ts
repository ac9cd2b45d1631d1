import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { parseIndex } from '../../../src/container/oci/manifest.ts'
import { chooseManifest } from '../../../src/container/oci/platform-choice.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

type Named = { architecture: string; os: string; variant?: string }
const linux = (architecture: string, variant?: string): Named => ({
  architecture,
  os: 'linux',
  ...(variant !== undefined && { variant }),
})

/** Platforms of the entries of each index; `undefined` for an entry without a platform. */
const INDEXES: readonly (readonly (Named | undefined)[])[] = [
  [linux('amd64'), linux('arm64', 'v8'), linux('arm', 'v5'), linux('arm', 'v6'), linux('arm', 'v7')],
  [linux('arm', 'v7'), linux('arm'), linux('arm', 'v6'), { architecture: 'amd64', os: 'windows' }, linux('amd64')],
  [undefined, linux('arm64'), linux('amd64', 'v2'), linux('arm', 'v8')],
  [linux('arm64', 'v8'), linux('arm64'), undefined, linux('amd64'), linux('amd64')],
]
const HOSTS: readonly Required<Named>[] = [
  { architecture: 'arm', os: 'linux', variant: 'v7' },
  { architecture: 'arm', os: 'linux', variant: 'v6' },
  { architecture: 'arm', os: 'linux', variant: 'v8' },
  { architecture: 'arm64', os: 'linux', variant: 'v8' },
  { architecture: 'amd64', os: 'linux', variant: 'v2' },
  { architecture: 's390x', os: 'linux', variant: 'x' },
]

describeReference('skopeo', 'the choice of a manifest, compared with skopeo', () => {
  const cases = INDEXES.flatMap((platforms, index) => HOSTS.map((host) => ({ index, platforms, ...host })))

  test.each(cases)(
    'a host $architecture $variant chooses the same manifest of index $index as skopeo',
    ({ platforms, ...host }) => {
      const directory = temporaryFolder('disk')
      try {
        mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true })
        writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
        const store = (value: unknown, kind: string) => {
          const bytes = encodeUtf8(JSON.stringify(value))
          const checksum = nodePlatform.sha256(bytes)
          writeFileSync(join(directory, 'blobs', 'sha256', checksum), bytes)
          const mediaType = `application/vnd.oci.image.${kind}.v1+json`
          return { mediaType, digest: `sha256:${checksum}`, size: bytes.length }
        }
        const manifests = platforms.map((platform, place) => {
          const config = store({ author: String(place), rootfs: { type: 'layers', diff_ids: [] } }, 'config')
          return { ...store({ schemaVersion: 2, config, layers: [] }, 'manifest'), ...(platform && { platform }) }
        })
        const index = { schemaVersion: 2, manifests }
        writeFileSync(
          join(directory, 'index.json'),
          JSON.stringify({ schemaVersion: 2, manifests: [store(index, 'index')] }),
        )
        const overrides = [
          `--override-arch=${host.architecture}`,
          `--override-variant=${host.variant}`,
          '--override-os=linux',
        ]
        const theirs = (): string => {
          const config = run('skopeo', ['--insecure-policy', ...overrides, 'inspect', '--config', `oci:${directory}`])
          return manifests[Number(JSON.parse(config).author)]?.digest as string
        }
        const ours = (): string => chooseManifest(parseIndex(encodeUtf8(JSON.stringify(index))), host).digest
        expect(outcome(ours)).toBe(outcome(theirs))
      } finally {
      }
    },
  )
})

/** Returns the digest or the error without quotation marks, in which versions of skopeo differ. */
function outcome(choose: () => string): string {
  try {
    return choose()
  } catch (error) {
    const text = String(error).replaceAll(/[\\"]/g, '')
    return /no image found in image index for architecture .*, OS linux/.exec(text)?.[0] ?? text
  }
}
