/** What ostree-ext's own command gave (`test/golden/container-real`), and the images it was given. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { encodeUtf8 } from '../../src/bytes.ts'
import type { HistoryEntry } from '../../src/container/oci/oci-types.ts'
import { Commit } from '../../src/objects/index.ts'
import type { Repo } from '../../src/repo/index.ts'
import { goldenBytes, goldenJson } from '../support/golden.ts'
import { digestOf } from './golden-images.ts'

/** An image that was written: its documents, and its layers without compression. */
export interface WrittenImage {
  readonly digest: string
  readonly manifest: string
  readonly config: string
  readonly layers: readonly { readonly diff_id: string; readonly size: number }[]
  readonly index: object
}

export interface EncapsulateCase {
  readonly commit: string
  readonly title: string
  readonly argv: readonly string[]
  readonly rc: number
  readonly stdout: string
  readonly contentmeta?: object
  readonly image?: WrittenImage
}

/** Commits, and the images that they were encapsulated to. */
export const ENCAPSULATED = goldenJson<{
  readonly commits: Readonly<Record<string, { readonly argv: readonly string[]; readonly commit: string }>>
  readonly 'config.json': object
  readonly cases: readonly EncapsulateCase[]
}>('container-real/encapsulate.json')

/** A ref with its root directory. The commits of layers have the time of the import. */
export interface StoredRef {
  readonly commit?: string
  readonly tree: string
  readonly meta: string
}

/** A command, with `$W` for the folder where it ran. */
export interface GoldenCommand {
  readonly title: string
  readonly argv: readonly string[]
  readonly rc: number
  readonly stdout?: string
  readonly stdout_size?: number
  readonly stdout_sha256?: string
  readonly stderr: string
  readonly image?: WrittenImage
  /** All refs of the repository after the command. */
  readonly refs?: Readonly<Record<string, StoredRef | string>>
}

/** Commands in the order in which they ran, all in one folder. */
export const COMMANDS = goldenJson<readonly GoldenCommand[]>('container-real/commands.json')

/** ostree-ext leaves the tree below /sysroot out of the image, so that the image lacks objects of its commit. */
export const INCOMPLETE = 'system-sysroot'

/** The trees of the commits, which the arguments of the commits name. */
export const TREES = ['system', 'system-vartmp', 'system-sysroot', 'tree-1', 'tree-2'] as const

/**
 * Writes the tar of a tree, and returns the words of the command that commits it.
 * @param folder where the tar is written, and where the repository `r` is
 */
export function commitWords(name: (typeof TREES)[number], folder: string): { words: string[]; commit: string } {
  writeFileSync(join(folder, `${name}.tar`), gunzipSync(goldenBytes(`container-real/${name}.tar.gz`)))
  const { argv, commit } = ENCAPSULATED.commits[name] ?? { argv: [], commit: '' }
  const [repo = '', command = '', ...more] = argv.map((word) =>
    word.replace('--repo=r', `--repo=${folder}/r`).replace('tar=', `tar=${folder}/`),
  )
  return { words: [command, repo, ...more], commit }
}

/** The media type of layers without compression. */
export const TAR_LAYER = 'application/vnd.oci.image.layer.v1.tar'

/** Writes JSON as Python's `json.dumps(value, sort_keys=True)` does. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}: ${pythonJson(member)}`).join(', ')}}`
}

/** The files of an OCI layout. */
export type Layout = Map<string, Uint8Array>

/** Adds a blob. @returns its descriptor */
export function addToLayout(layout: Layout, bytes: Uint8Array, mediaType: string) {
  const digest = digestOf(bytes)
  layout.set(`blobs/${digest.replace(':', '/')}`, bytes)
  return { mediaType, digest, size: bytes.length }
}

/** Adds the index of a layout, in which the image has the name `t`. */
export function withIndex(layout: Layout, manifest: object): Layout {
  const annotations = { 'org.opencontainers.image.ref.name': 't' }
  layout.set('oci-layout', encodeUtf8('{"imageLayoutVersion":"1.0.0"}'))
  layout.set('index.json', encodeUtf8(JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] })))
  return layout
}

const created = '2026-01-02T03:04:05Z'

/** An image of plain layers. */
export function plainImage(
  layers: readonly Uint8Array[],
  history: readonly HistoryEntry[] = layers.map((_, i) => ({ created, created_by: `layer ${i}` })),
): Layout {
  const layout: Layout = new Map()
  const config = {
    created,
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    history,
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: addToLayout(layout, encodeUtf8(pythonJson(config)), 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => addToLayout(layout, layer, TAR_LAYER)),
  }
  return withIndex(layout, addToLayout(layout, encodeUtf8(pythonJson(manifest)), manifest.mediaType))
}

/** Writes the plain image of two layers that the commands name `d`, as an OCI layout. */
export function writePlainImage(path: string): void {
  const base = new Uint8Array(gunzipSync(goldenBytes('container-real/base.tar.gz')))
  writeLayout(path, plainImage([base, goldenBytes('container/layers/simple.tar')]))
}

/** Writes the files of a layout to a directory. */
export function writeLayout(path: string, layout: Layout): void {
  for (const [name, bytes] of layout) {
    const at = join(path, name)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, bytes)
  }
}

/** Returns what is stored, in the form of the vectors. */
export async function storedRefs(repo: Repo): Promise<Record<string, StoredRef>> {
  const refs: Record<string, StoredRef> = {}
  for (const { name } of await repo.listRefs()) {
    const target = await repo.resolve(name)
    const { rootTree: tree, rootMeta: meta } = Commit.decode(await repo.objects.readMeta('commit', target))
    refs[name] = name.includes('/blob/') ? { tree, meta } : { commit: target, tree, meta }
  }
  return refs
}

/** Reads the documents of the only image in an OCI layout, as texts. */
export function documentsIn(layout: string) {
  const blob = (digest: string) => readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8')
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const manifest = blob(index.manifests[0].digest)
  return { index, manifest, config: blob(JSON.parse(manifest).config.digest) }
}
