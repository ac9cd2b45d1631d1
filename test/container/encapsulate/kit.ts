/** The fixture commit and its components, for tests that encapsulate it. */
import { gunzipSync } from 'node:zlib'
import { type Checksum, decodeUtf8 } from '../../../src/bytes.ts'
import type { EncapsulateOptions, ObjectMetaSized, ObjectSourceMetaSized } from '../../../src/container/index.ts'
import type { Platform } from '../../../src/platform/index.ts'
import type { Repo, RepoMode } from '../../../src/repo/index.ts'
import { goldenBytes, goldenJson } from '../../support/golden.ts'
import { repoFrom } from '../tar-kit.ts'

export const HOST = { architecture: 'amd64', os: 'linux' }

export interface GoldenManifest {
  readonly schemaVersion: number
  readonly config: { readonly digest: string; readonly size: number; readonly mediaType: string }
  readonly layers: readonly { readonly digest: string; readonly size: number; readonly annotations?: object }[]
  readonly annotations: Readonly<Record<string, string>>
}
export interface GoldenConfig {
  readonly rootfs: { readonly diff_ids: readonly string[] }
  readonly history: readonly { readonly created: string; readonly created_by: string }[]
}
interface GoldenComponent {
  readonly identifier: string
  readonly name: string
  readonly srcid: string
  readonly change_time_offset: number
  readonly change_frequency: number
  readonly size: number
}
interface Golden {
  readonly commit: Checksum
  readonly chunked: {
    readonly max_layers: number
    readonly labels_arg: Record<string, string>
    readonly components: readonly GoldenComponent[]
    readonly object_to_component: Record<Checksum, string>
    readonly manifest: GoldenManifest
    readonly config: GoldenConfig
  }
  readonly single: {
    readonly labels_arg: Record<string, string>
    readonly copy_meta_keys: readonly string[]
    readonly container_config: { readonly StopSignal: string }
    readonly manifest: GoldenManifest
    readonly config: GoldenConfig
  }
}
export const GOLDEN = goldenJson<Golden>('container/encapsulate.json')

export const FIXTURE_TAR: Uint8Array = new Uint8Array(gunzipSync(goldenBytes('container/exampleos-export.tar.gz')))

/** Creates a repository in memory with the fixture commit. */
export function fixtureRepo(mode?: RepoMode, platform?: Platform): Promise<Repo> {
  return repoFrom(FIXTURE_TAR, mode, platform)
}

export const COMPONENTS: ObjectMetaSized = {
  map: new Map(Object.entries(GOLDEN.chunked.object_to_component) as [Checksum, string][]),
  sizes: GOLDEN.chunked.components.map(({ identifier, name, srcid, size, ...numbers }): ObjectSourceMetaSized => {
    const { change_time_offset: changeTimeOffset, change_frequency: changeFrequency } = numbers
    return { identifier, name, srcid, size, changeTimeOffset, changeFrequency }
  }),
}

export const CHUNKED: EncapsulateOptions = {
  host: HOST,
  packageContentmeta: COMPONENTS,
  maxLayers: GOLDEN.chunked.max_layers,
}

export interface ImageDocuments {
  readonly index: { readonly manifests: readonly { readonly digest: string; readonly annotations?: object }[] }
  readonly manifest: GoldenManifest
  readonly manifestText: string
  readonly config: GoldenConfig & { readonly config: object }
  readonly configText: string
}

/** Reads the JSON documents of an image in a layout. @param at index of the image in index.json */
export function documentsOf(files: ReadonlyMap<string, Uint8Array>, at = 0): ImageDocuments {
  const read = (path: string) => decodeUtf8(files.get(path) ?? new Uint8Array(0)) ?? ''
  const blob = (digest: string) => read(`blobs/${digest.replace(':', '/')}`)
  const index = JSON.parse(read('index.json'))
  const manifestText = blob(index.manifests[at].digest)
  const manifest = JSON.parse(manifestText)
  const configText = blob(manifest.config.digest)
  return { index, manifest, manifestText, config: JSON.parse(configText), configText }
}
