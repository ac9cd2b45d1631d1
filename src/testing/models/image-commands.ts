/**
 * Model-based commands for a cache of images: import, import again, remove, collect layers, prune, copy, reopening and
 * crashes, against a model that is a list of names.
 */

import fc from 'fast-check'
import type { Checksum } from '../../bytes.ts'
import {
  copyImage,
  countLayerReferences,
  gcImageLayers,
  listImages,
  openMemoryLayout,
  pullImage,
  queryImage,
  removeImage,
} from '../../container/index.ts'
import { createMemoryStorage, prune, Repo, type RepoMode } from '../../repo/index.ts'
import { layerEntries } from '../arbitraries/layers.ts'
import { directory, file, loadTree, symlink } from '../builders.ts'
import { compressLayer } from '../compress-layer.ts'
import { buildImage } from '../image-builder.ts'
import type { Directory } from '../nodes.ts'
import { packLayer } from '../pack-layer.ts'
import type { StorageSubject } from '../suites/index.ts'
import { applyLayers, compareTrees } from './layers.ts'
import { type CommandSequence, printedCommands } from './print-commands.ts'
import { RepoUnderTest, requireEqual, requireSound } from './world.ts'

/** What a cache of images should contain. */
export interface ImageModel {
  /** Number of the image by its name. */
  images: ReadonlyMap<string, number>
  /** Layers that have a ref, by their numbers; `undefined` after a crash, until layers are collected. */
  layers: ReadonlySet<number> | undefined
}

/** An image that commands import. */
export interface CommandImage {
  /** The OCI layout. */
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly tree: Directory
  /** Numbers of its layers. */
  readonly layers: readonly number[]
}

/** The cache under test, and the images that commands import. */
export interface ImageSystem {
  readonly world: RepoUnderTest
  readonly images: readonly CommandImage[]
  /** The commit of each image, as it was when it was stored first. */
  readonly commits: Map<number, Checksum>
}

/** A command, which prints as its title. */
export type ImageCommand = fc.AsyncCommand<ImageModel, ImageSystem, true>

const HOST = { architecture: 'amd64', os: 'linux' }
const NAMES = ['oci:/a', 'oci:/b', 'oci:/c'] as const

const usr = (children: Record<string, Directory | ReturnType<typeof file> | ReturnType<typeof symlink>>) =>
  directory({ usr: directory(children) })

/** Layers that add, replace and delete. All images have the first one at the bottom. */
const LAYERS: readonly Directory[] = [
  usr({ a: file('one'), lib: directory({ x: file('x'.repeat(3000)), y: file() }) }),
  usr({ a: file('two'), link: symlink('a') }),
  usr({ lib: directory({ '.wh.x': file(), z: file('z') }) }),
  usr({ lib: directory({ '.wh..wh..opq': file(), only: file('only') }) }),
]
const IMAGES = [[0], [0, 1], [0, 1, 2], [0, 3]] as const

/** A command that changes the cache. The same changes can be made to the model. */
interface Change {
  readonly title: string
  possible(model: ImageModel): boolean
  run(repo: Repo, system: ImageSystem, model: ImageModel): Promise<void>
  predict(model: ImageModel): ImageModel
}

function memoryRepo({ mode, subject: { platform } }: RepoUnderTest): Promise<Repo> {
  return Repo.open(createMemoryStorage({ mode, platform }), platform)
}

function stored(model: ImageModel, name: string, image: number): ImageModel {
  const layers = model.layers && new Set([...model.layers, ...(IMAGES[image] as readonly number[])])
  return { images: new Map(model.images).set(name, image), layers }
}

function importChange(image: number, name: string): Change {
  return {
    title: `import image ${image} as ${name}`,
    possible: () => true,
    run: async (repo, { images, world }, model) => {
      const { files } = images[image] as CommandImage
      const { platform } = world.subject
      const open = () => openMemoryLayout(files, undefined, { platform, host: HOST })
      const { changed } = await pullImage(repo, `ostree-unverified-image:${name}`, { host: HOST, open })
      const expected = model.images.get(name) !== image
      if (changed !== expected) throw new Error(`import reports changed: ${changed}, and not ${expected}`)
    },
    // An import that changes something also collects the layers that are not needed any more.
    predict: (model) => {
      if (model.images.get(name) === image) return model
      const after = stored(model, name, image)
      return { ...after, layers: neededLayers(after) }
    },
  }
}

function removeChange(name: string): Change {
  return {
    title: `remove ${name}`,
    possible: () => true,
    run: async (repo, _, model) => {
      const removed = await removeImage(repo, name)
      if (removed !== model.images.has(name)) throw new Error(`remove reports ${removed}`)
    },
    predict: (model) => ({ ...model, images: new Map([...model.images].filter(([key]) => key !== name)) }),
  }
}

/** Copies an image to another repository and back under another name. */
function copyChange(name: string, target: string): Change {
  return {
    title: `copy ${name} to ${target}`,
    possible: ({ images }) => images.has(name) && name !== target,
    run: async (repo, { world }) => {
      await using other = await memoryRepo(world)
      await copyImage(repo, name, other)
      await requireSound(other)
      await copyImage(other, name, repo, { target })
    },
    predict: (model) => stored(model, target, model.images.get(name) as number),
  }
}

const collect: Change = {
  title: 'collect layers',
  possible: () => true,
  run: async (repo) => {
    await gcImageLayers(repo)
  },
  predict: (model) => ({ ...model, layers: neededLayers(model) }),
}

const pruneAll: Change = {
  title: 'prune',
  possible: () => true,
  run: async (repo) => {
    await prune(repo, { refsOnly: true, depth: 0 })
  },
  predict: (model) => model,
}

function neededLayers({ images }: ImageModel): Set<number> {
  return new Set([...images.values()].flatMap((image) => [...(IMAGES[image] as readonly number[])]))
}

/** Compares names, commits and the number of layers with the model. */
async function requireModel(model: ImageModel, { world: { repo }, commits }: ImageSystem): Promise<void> {
  requireEqual('images', model.images.keys(), await listImages(repo))
  for (const [name, image] of model.images) {
    const state = await queryImage(repo, name)
    if (state === undefined) throw new Error(`image ${name} is listed and cannot be queried`)
    const known = commits.get(image) ?? state.mergeCommit
    commits.set(image, known)
    requireEqual(`commits of image ${image}`, [known], [state.mergeCommit])
  }
  const count = await countLayerReferences(repo)
  const most = model.layers?.size ?? LAYERS.length
  const least = model.layers?.size ?? neededLayers(model).size
  if (count < least || count > most) throw new Error(`there are ${count} layers, expected ${least} to ${most}`)
}

/** Verifies all objects, and compares the files of every image. */
async function requireWhole(model: ImageModel, system: ImageSystem): Promise<void> {
  await requireModel(model, system)
  const { repo } = system.world
  await requireSound(repo)
  for (const [name, image] of model.images) {
    const state = await queryImage(repo, name)
    const { rootTree: tree, rootMeta: meta } = await repo.readCommit(state?.mergeCommit as Checksum)
    const found = (await loadTree(repo.objects, { tree, meta })).children.get('usr')
    const expected = (system.images[image] as CommandImage).tree.children.get('usr')
    const lines = compareTrees(expected as Directory, found as Directory)
    if (lines.length > 0) throw new Error(`image ${name} has other files\n${lines.slice(0, 3).join('\n')}`)
  }
}

class ChangeCommand implements ImageCommand {
  readonly #change: Change
  constructor(change: Change) {
    this.#change = change
  }
  async check(model: Readonly<ImageModel>): Promise<boolean> {
    return this.#change.possible(model)
  }
  async run(model: ImageModel, system: ImageSystem): Promise<void> {
    await this.#change.run(system.world.repo, system, model)
    Object.assign(model, this.#change.predict(model))
    await requireModel(model, system)
  }
  toString(): string {
    return this.#change.title
  }
}

/** The change is interrupted: every name leads to the old or the new image, which is whole, and a repeat succeeds. */
class CrashCommand implements ImageCommand {
  readonly #change: Change
  readonly #at: number
  constructor(change: Change, at: number) {
    this.#change = change
    this.#at = at
  }
  async check(model: Readonly<ImageModel>): Promise<boolean> {
    return this.#change.possible(model)
  }
  async run(model: ImageModel, system: ImageSystem): Promise<void> {
    const { world } = system
    if (world.subject.afterCrash === undefined) return
    const after = this.#change.predict(model)
    const before = { ...model }
    await world.crash(this.#at, (repo) => this.#change.run(repo, system, before))
    const images = new Map<string, number>()
    for (const name of await listImages(world.repo)) {
      const commit = (await queryImage(world.repo, name))?.mergeCommit
      const possible = [model.images.get(name), after.images.get(name)].filter((image) => image !== undefined)
      const image = possible.find((one) => (system.commits.get(one) ?? commit) === commit)
      if (image === undefined) throw new Error(`after a crash ${name} is not an image that it should be`)
      images.set(name, image)
    }
    for (const name of model.images.keys()) {
      if (after.images.has(name) && !images.has(name)) throw new Error(`after a crash ${name} is lost`)
    }
    Object.assign(model, { images, layers: undefined })
    await requireWhole(model, system)
    if (!this.#change.possible(model)) return
    await this.#change.run(world.repo, system, model)
    Object.assign(model, this.#change.predict(model))
    await requireWhole(model, system)
  }
  toString(): string {
    return `crash at write ${this.#at} of ${this.#change.title}`
  }
}

class ReopenCommand implements ImageCommand {
  async check(): Promise<boolean> {
    return true
  }
  async run(model: ImageModel, system: ImageSystem): Promise<void> {
    await system.world.reopen()
    await requireWhole(model, system)
  }
  toString(): string {
    return 'reopen'
  }
}

/** Options of `imageCacheCommands`. */
export interface ImageCommandsOptions {
  /** Default 12. */
  readonly maxCommands?: number
  /** Whether commands crash. Default true; they do nothing for subjects without `afterCrash`. */
  readonly crashes?: boolean
  /** Repeats a failure: what its report says after `replayPath=`. Default: none. */
  readonly replayPath?: string
}

/**
 * Generates sequences of commands for `runImageCacheCommands`: `import image 2 as oci:/a`, `collect layers`. They shrink to
 * the commands that a failure needs.
 */
export function imageCacheCommands({
  maxCommands = 12,
  crashes = true,
  replayPath,
}: ImageCommandsOptions = {}): fc.Arbitrary<CommandSequence<ImageCommand>> {
  const name = fc.constantFrom(...NAMES)
  const change: fc.Arbitrary<Change> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(fc.nat({ max: IMAGES.length - 1 }), name).map(([image, to]) => importChange(image, to)),
    },
    { weight: 2, arbitrary: name.map(removeChange) },
    fc.tuple(name, name).map(([from, to]) => copyChange(from, to)),
    fc.constant(collect),
    fc.constant(pruneAll),
  )
  const commands: fc.Arbitrary<ImageCommand>[] = [
    change.map((one) => new ChangeCommand(one)),
    change.map((one) => new ChangeCommand(one)),
    change.map((one) => new ChangeCommand(one)),
    fc.constant(new ReopenCommand()),
    ...(crashes ? [fc.tuple(change, fc.nat({ max: 20 })).map(([one, at]) => new CrashCommand(one, at))] : []),
  ]
  const options = { maxCommands, size: 'max' as const, ...(replayPath === undefined ? {} : { replayPath }) }
  return printedCommands(fc.commands<ImageModel, ImageSystem, true>(commands, options))
}

/**
 * Runs commands on a new storage of a subject, and compares it with the model after each. At the end all objects are
 * verified, and the files of every image are compared.
 * @param mode default: the first of the subject
 * @throws {Error} if anything differs from the model; the message says what
 */
export async function runImageCacheCommands(
  subject: StorageSubject,
  commands: Iterable<ImageCommand>,
  mode: RepoMode = subject.modes?.[0] ?? 'archive',
): Promise<void> {
  const { platform } = subject
  await using world = await RepoUnderTest.create(subject, mode)
  const images: CommandImage[] = []
  for (const layers of IMAGES) {
    const trees = layers.map((layer) => LAYERS[layer] as Directory)
    const packed = await Promise.all(
      trees.map(async (tree) => compressLayer(platform, await packLayer(layerEntries(tree)), 'none')),
    )
    images.push({ files: buildImage(platform, packed, { tag: 'x' }), tree: applyLayers(trees), layers })
  }
  const system: ImageSystem = { world, images, commits: new Map() }
  const model: ImageModel = { images: new Map(), layers: new Set() }
  await fc.asyncModelRun(() => ({ model, real: system }), commands)
  await requireWhole(model, system)
}

/** Returns the property that any sequence of commands keeps a cache of images equal to the model. */
export function imageCacheProperty(
  subject: StorageSubject,
  { mode, ...options }: ImageCommandsOptions & { readonly mode?: RepoMode } = {},
) {
  return fc.asyncProperty(imageCacheCommands(options), (commands) => runImageCacheCommands(subject, commands, mode))
}
