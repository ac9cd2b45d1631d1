/** Runs the conformance suite of transports on every local transport, on both platforms. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as vitest from 'vitest'
import { type ImageReference, openImage, openMemoryLayout, type TransportContext } from '../../src/container/index.ts'
import { nodePlatform } from '../../src/platform/node.ts'
import { nodeFiles } from '../../src/system/local-files.ts'
import {
  buildDirectoryImage,
  buildDockerImage,
  buildImage,
  packFiles,
  type TransportImage,
  transportSuite,
} from '../../src/testing/index.ts'
import { PLATFORMS } from '../support/backends.ts'
import { temporaryFolder } from '../support/temporary.ts'

const root = temporaryFolder()
vitest.afterAll(() => rmSync(root, { recursive: true, force: true }))
let made = 0

function write(path: string, bytes: Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
  return path
}

function writeAll(files: ReadonlyMap<string, Uint8Array>): string {
  const folder = join(root, String(made++))
  for (const [path, bytes] of files) write(join(folder, path), bytes)
  return folder
}

const archive = (bytes: Uint8Array) => write(join(root, `${made++}.tar`), bytes)
const open = (transport: ImageReference['transport'], name: string, context: TransportContext) =>
  openImage({ transport, name }, { ...context, files: nodeFiles })

for (const platform of PLATFORMS) {
  const layout = ({ layers, fields }: TransportImage) => buildImage(platform, layers, fields)
  const docker = ({ layers, fields }: TransportImage) => buildDockerImage(platform, layers, fields)

  transportSuite(vitest, {
    name: `memory, ${platform.name}`,
    platform,
    open: (image, context) => openMemoryLayout(layout(image), image.fields.tag, context),
  })

  transportSuite(vitest, {
    name: `oci, ${platform.name}`,
    platform,
    open: (image, context) => open('oci', `${writeAll(layout(image))}:${image.fields.tag}`, context),
  })

  transportSuite(vitest, {
    name: `dir, ${platform.name}`,
    platform,
    open: ({ layers, fields }, context) =>
      open('dir', writeAll(buildDirectoryImage(platform, layers, fields)), context),
  })

  // A compressed archive is read from its start for every blob, which is slow: tested on one platform only.
  for (const how of platform === nodePlatform ? ['plain', 'in gzip'] : ['plain']) {
    const stored = (bytes: Uint8Array) => (how === 'plain' ? bytes : gzipSync(bytes, { level: 1 }))
    transportSuite(vitest, {
      name: `oci-archive ${how}, ${platform.name}`,
      platform,
      open: async (image, context) => {
        const path = archive(stored(await packFiles(layout(image))))
        return open('oci-archive', `${path}:${image.fields.tag}`, context)
      },
    })

    transportSuite(vitest, {
      name: `docker-archive ${how}, ${platform.name}`,
      platform,
      open: async (image, context) => {
        const path = archive(stored(await packFiles(docker(image))))
        return open('docker-archive', `${path}:${image.fields.tag}`, context)
      },
    })
  }
}
