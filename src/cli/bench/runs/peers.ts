/**
 * Other programs that take an image or its layers, as commands of the shell with placeholders:
 *
 *     {image}    the image as a reference that skopeo and others read, oci:PATH:TAG
 *     {layout}   path of the image's OCI layout; its image has the tag `bench`
 *     {layer}    path of a layer as a plain tar: the command runs once for each layer, in order
 *     {blob}     path of a layer as it is in the image: the same
 *     {target}   path at which nothing exists, for what the program writes
 *
 * Values are quoted for the shell.
 */
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../../../errors.ts'
import type { Input } from '../inputs/input.ts'
import type { Contender } from './contender.ts'

/** A program to compare with. */
export interface Peer {
  readonly name: string
  /** The programs that have to be installed. */
  readonly programs: readonly string[]
  /** Makes the target ready, which is not measured. */
  readonly prepare?: string
  readonly command: string
}

export const PEERS: readonly Peer[] = [
  ...(['bare-user', 'archive'] as const).map((mode) => ({
    name: `ostree commit, ${mode}`,
    programs: ['ostree'],
    prepare: `ostree init --repo={target} --mode=${mode}`,
    command: 'ostree commit --repo={target} -b layer --tree=tar={layer} --tar-autocreate-parents',
  })),
  {
    name: 'skopeo + umoci',
    programs: ['skopeo', 'umoci'],
    prepare: 'mkdir {target}',
    command:
      'skopeo copy --insecure-policy -q {image} oci:{target}/copy:bench && umoci unpack --image {target}/copy:bench {target}/bundle',
  },
  { name: 'GNU tar', programs: ['tar'], prepare: 'mkdir {target}', command: 'tar -xzf {blob} -C {target}' },
  { name: 'bsdtar', programs: ['bsdtar'], prepare: 'mkdir {target}', command: 'bsdtar -xpf {blob} -C {target}' },
  {
    name: 'cfsctl',
    programs: ['cfsctl'],
    prepare: 'mkdir {target} && cfsctl --repo {target} init --insecure',
    command: 'cfsctl --repo {target} oci pull {image} bench',
  },
  {
    name: 'casync',
    programs: ['casync'],
    prepare: 'mkdir {target}',
    command: 'casync make --store={target}/store.castr {target}/layer.caibx {layer}',
  },
  {
    name: 'restic',
    programs: ['restic'],
    prepare: 'RESTIC_PASSWORD=bench restic -q -r {target} init',
    command: 'RESTIC_PASSWORD=bench restic -q -r {target} --no-cache backup --stdin --stdin-filename layer < {layer}',
  },
  {
    name: 'borg',
    programs: ['borg'],
    prepare: 'BORG_BASE_DIR={target}.base borg init -e none {target}',
    command: 'BORG_BASE_DIR={target}.base borg import-tar {target}::"$(basename {layer})" {layer}',
  },
]

/** Returns whether a program is in a directory of `path`, which is like `$PATH`. */
export function isInstalled(program: string, path: string = process.env['PATH'] ?? ''): boolean {
  return path.split(':').some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Parses `NAME=COMMAND`. @throws {UsageError} when it has another form, or no placeholder says what to read */
export function parsePeer(text: string): Peer {
  const [, name = '', command = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name === '' || command === '') throw new UsageError(`Invalid peer '${text}', expected NAME=COMMAND`, 'peer')
  const unknown = Array.from(command.matchAll(/\{(\w+)\}/g), ([, word = '']) => word).find((word) => !PLACES.has(word))
  if (unknown !== undefined) throw new UsageError(`Unknown placeholder {${unknown}} of peer ${name}`, 'peer')
  if (!/\{(?:image|layout|layer|blob)\}/.test(command)) {
    throw new UsageError(`The command of peer ${name} has none of {image}, {layout}, {layer} and {blob}`, 'peer')
  }
  return { name, programs: [], command }
}

const PLACES: ReadonlySet<string> = new Set(['image', 'layout', 'layer', 'blob', 'target'])

/** Returns a peer as a contender. */
export function peerContender({ name, prepare, command }: Peer): Contender {
  return {
    name,
    kind: 'peer',
    prepare: (input, target) => (prepare === undefined ? undefined : shell(prepare, input, target)),
    command: (input, target) => shell(command, input, target),
  }
}

/** Returns the program that runs a command with the placeholders filled in. */
export function shell(template: string, input: Input, target: string): string[] {
  const filled = (values: Readonly<Record<string, string>>): string =>
    template.replaceAll(/\{(\w+)\}/g, (place, name: string) => {
      const value = values[name]
      return value === undefined ? place : quoted(value)
    })
  const { image, layout } = input
  const common = { image, layout, target }
  if (!/\{(?:layer|blob)\}/.test(template)) return ['/bin/sh', '-c', filled(common)]
  const commands = input.layers.map(({ tar, blob }) => filled({ ...common, layer: tar, blob }))
  return ['/bin/sh', '-c', commands.join(' && ')]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
