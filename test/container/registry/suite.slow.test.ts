/** Runs the conformance suite of transports on registries. */
import { rmSync, writeFileSync } from 'node:fs'
import * as vitest from 'vitest'
import type { ImageSource, TransportContext } from '../../../src/container/index.ts'
import { openMemoryLayout } from '../../../src/container/index.ts'
import { openRegistryDestination } from '../../../src/container/registry/destination.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { openRegistryImage } from '../../../src/container/registry/source.ts'
import { webNetwork } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { portablePlatform } from '../../../src/platform/portable.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { buildImage, type TransportImage, transportSuite } from '../../../src/testing/index.ts'
import { describeReference } from '../../support/reference.ts'
import { FakeRegistry } from './fake.ts'
import { startRegistry, type TestRegistry } from './server.ts'

let images = 0

/** Copies an image into a new repository, damages its stored layers as requested, and opens it. */
async function throughRegistry(
  { layers, fields }: TransportImage,
  plain: TransportContext,
  registry: RegistryOptions,
  server: TestRegistry,
): Promise<ImageSource> {
  const context = { ...plain, registry, files: undefined }
  const name = `${server.host}/suite/image${images++}:1`
  const whole = layers.map(({ found: _, ...layer }) => layer)
  await using from = await openMemoryLayout(buildImage(plain.platform, whole, fields), fields.tag, plain)
  await using to = openRegistryDestination(name, context)
  const { manifest, original } = from
  for (const blob of [...manifest.layers, manifest.config]) {
    if (!(await to.hasBlob(blob))) await to.putBlob(from.blob(blob), blob)
  }
  await to.putManifest(original.bytes, original)
  await to.commit()
  for (const [i, { digest }] of manifest.layers.entries()) {
    const { found } = layers[i] ?? {}
    if (found === null) rmSync(server.blobFile(digest))
    else if (found !== undefined) writeFileSync(server.blobFile(digest), found)
  }
  return await openRegistryImage(name, context)
}

/** Puts an image into a registry without a network and opens it. */
async function inMemory({ layers, fields }: TransportImage, context: TransportContext): Promise<ImageSource> {
  const registry = new FakeRegistry(context.platform)
  const files = buildImage(context.platform, layers, fields)
  for (const [path, bytes] of files) registry.blobs.set(path.replace('blobs/sha256/', 'sha256:'), bytes)
  const { manifests } = JSON.parse(new TextDecoder().decode(files.get('index.json')))
  const [{ digest, mediaType: type }] = manifests
  registry.manifests.set('suite:1', { type, bytes: registry.blobs.get(digest) ?? new Uint8Array() })
  return await openRegistryImage('example.com/suite:1', { ...context, registry: registry.options() })
}

for (const platform of [nodePlatform, portablePlatform]) {
  transportSuite(vitest, {
    name: `registry without a network, ${platform.name}`,
    platform: nodePlatform,
    open: (image, context) => inMemory(image, { ...context, platform }),
  })
}

describeReference('docker-registry', 'docker-registry', () => {
  let registry: TestRegistry
  vitest.beforeAll(async () => {
    registry = await startRegistry()
  })
  vitest.afterAll(async () => await registry?.[Symbol.asyncDispose]())

  for (const [name, network] of Object.entries({ 'node:http': nodeNetwork(), fetch: webNetwork })) {
    transportSuite(vitest, {
      name: `registry over ${name}`,
      platform: nodePlatform,
      open: (image, context) =>
        throughRegistry(image, context, { network, insecure: true, uploadPiece: 300_000, firstDelay: 5 }, registry),
    })
  }
})
