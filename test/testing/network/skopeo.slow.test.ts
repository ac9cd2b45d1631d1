/** skopeo uses the registry in memory: it pushes, pulls, lists tags, and fails where a plan says so. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pullImage } from '../../../src/container/index.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import {
  buildImage,
  compressLayer,
  faultyNetwork,
  MemoryRegistry,
  type NetworkPlan,
  nodeListener,
  packLayer,
} from '../../../src/testing/index.ts'
import { describeReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

/** Runs skopeo while this process answers it. @returns what it wrote, and its exit status */
function skopeo(...args: string[]): Promise<{ output: string; status: number | null }> {
  const child = spawn('skopeo', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  return new Promise((resolve) => void child.on('close', (status) => resolve({ output, status })))
}

async function listening(registry: MemoryRegistry, plan: NetworkPlan = []) {
  const server = createServer(nodeListener(faultyNetwork(registry.network, plan).fetch))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}

describeReference('skopeo', 'skopeo and a registry in memory', () => {
  test('an image is pulled, pushed under another name, listed, and imported from there', async () => {
    const registry = new MemoryRegistry(platform)
    const layer = await compressLayer(
      platform,
      await packLayer([{ path: 'usr/a', body: new Uint8Array(5000) }]),
      'gzip',
    )
    registry.putLayout('a/b', buildImage(platform, [layer], { tag: '1' }))
    await using server = await listening(registry)
    const folder = join(temporaryFolder(), 'layout')
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
    for (const [from, to] of [
      [`docker://${server.host}/a/b:1`, `oci:${folder}:x`],
      [`oci:${folder}:x`, `docker://${server.host}/c/d:2`],
    ]) {
      const { output, status } = await skopeo('copy', ...plain, from as string, to as string)
      expect(status, output).toBe(0)
    }
    expect(registry.manifests.get('c/d:2')?.bytes).toEqual(registry.manifests.get('a/b:1')?.bytes)
    const { output } = await skopeo('list-tags', '--tls-verify=false', `docker://${server.host}/c/d`)
    expect(JSON.parse(output)).toMatchObject({ Tags: ['2'] })
    await using repo = await Repo.open(createMemoryStorage({ mode: 'archive', platform }), platform)
    const options = { host: { architecture: 'amd64', os: 'linux' }, registry: { network: registry.network } }
    await pullImage(repo, 'ostree-unverified-registry:localhost/c/d:2', options)
  })

  test('a blob that breaks off by plan is an error of skopeo', async () => {
    const registry = new MemoryRegistry(platform)
    const layer = await compressLayer(
      platform,
      await packLayer([{ path: 'usr/a', body: new Uint8Array(5000) }]),
      'none',
    )
    registry.putLayout('a/b', buildImage(platform, [layer], { tag: '1' }))
    await using server = await listening(registry, [{ at: 0, times: 100, url: '/blobs/', fault: 'flip', after: 700 }])
    const folder = join(temporaryFolder(), 'layout')
    const { status } = await skopeo(
      'copy',
      '--src-tls-verify=false',
      `docker://${server.host}/a/b:1`,
      `oci:${folder}:x`,
    )
    expect(status).not.toBe(0)
  })
})
