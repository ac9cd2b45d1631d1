/** Tests of pulling from docker-registry images that skopeo pushed. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openImage, parseImageReference, pullImage } from '../../../src/container/index.ts'
import type { RegistryOptions } from '../../../src/container/registry/options.ts'
import { webNetwork } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { goldenPath } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry, TESTER, type TestRegistry } from './server.ts'

const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const host = { architecture: 'amd64', os: 'linux' }
const NETWORKS = { 'node:http': nodeNetwork(), 'the global fetch': webNetwork }
const TAGS = ['1.0', '1.0-appliance']

const directory = temporaryFolder('disk')

async function commitOf(reference: string, registry?: RegistryOptions): Promise<{ commit: string; manifest: string }> {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  const options = { host, files: nodeFiles, registry }
  const { mergeCommit, manifestDigest } = await pullImage(repo, `ostree-unverified-image:${reference}`, options)
  await repo.close()
  return { commit: mergeCommit, manifest: manifestDigest }
}

describeReference(['docker-registry', 'skopeo'], 'docker-registry', () => {
  let open: TestRegistry
  let closed: TestRegistry
  beforeAll(async () => {
    open = await startRegistry()
    closed = await startRegistry({ password: true })
    for (const tag of TAGS) {
      run('skopeo', ['copy', '--dest-tls-verify=false', `oci:${LAYOUT}:${tag}`, `docker://${open.host}/os:${tag}`])
    }
    const creds = `--dest-creds=${TESTER.username}:${TESTER.password}`
    run('skopeo', ['copy', creds, '--dest-tls-verify=false', `oci:${LAYOUT}:1.0`, `docker://${closed.host}/a/b/os`])
  })
  afterAll(async () => {
    await open?.[Symbol.asyncDispose]()
    await closed?.[Symbol.asyncDispose]()
  })

  describe.each(Object.entries(NETWORKS))('requests over %s', (_, network) => {
    test.each(TAGS)('an image that skopeo pushed as %s is pulled as the same commit as its layout', async (tag) => {
      const pulled = await commitOf(`docker://${open.host}/os:${tag}`, { network, insecure: true })
      expect(pulled).toEqual(await commitOf(`oci:${LAYOUT}:${tag}`))
      const byDigest = `docker://${open.host}/os@${pulled.manifest}`
      expect(await commitOf(byDigest, { network, insecure: true })).toEqual(pulled)
    })

    test('a registry with a password is accessible only with that password', async () => {
      const name = `docker://${closed.host}/a/b/os`
      const credentials = async () => ({ kind: 'password', ...TESTER }) as const
      expect(await commitOf(name, { network, insecure: true, credentials })).toEqual(
        await commitOf(`oci:${LAYOUT}:1.0`),
      )
      await expect(commitOf(name, { network, insecure: true })).rejects.toMatchObject({ code: 'denied' })
      const wrong = async () => ({ kind: 'password', username: 'tester', password: 'wrong' }) as const
      await expect(commitOf(name, { network, insecure: true, credentials: wrong })).rejects.toMatchObject({
        code: 'denied',
        message: expect.not.stringContaining('wrong'),
      })
    })

    test('an image in Docker format is pulled as the same commit as its directory, with the pushed digest', async () => {
      const name = `${open.host}/docker:1`
      const form = ['--format', 'v2s2', '--dest-tls-verify=false']
      run('skopeo', ['copy', ...form, `oci-archive:${goldenPath('container/oci-archive.tar')}`, `docker://${name}`])
      rmSync(join(directory, 'docker'), { recursive: true, force: true })
      run('skopeo', ['copy', '--src-tls-verify=false', `docker://${name}`, `dir:${directory}/docker`])
      const pulled = await commitOf(`docker://${name}`, { network, insecure: true })
      expect(pulled).toEqual(await commitOf(`dir:${directory}/docker`))
      const raw = run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`])
      expect(JSON.parse(raw).mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json')
      expect(pulled.manifest).toBe(`sha256:${nodePlatform.sha256(new TextEncoder().encode(raw))}`)
    })

    test('the error about a missing image names it', async () => {
      const opened = openImage(parseImageReference(`docker://${open.host}/os:nonesuch`), {
        platform: nodePlatform,
        host,
        registry: { network, insecure: true },
      })
      await expect(opened).rejects.toMatchObject({
        code: 'not-found',
        message: expect.stringMatching(/\/os:nonesuch: .*manifest unknown/),
      })
    })

    test('a registry without TLS is not used unless insecure is set', async () => {
      const opened = commitOf(`docker://${open.host}/os:1.0`, { network, retries: 0 })
      await expect(opened).rejects.toMatchObject({ code: 'network', message: expect.stringContaining('connection') })
    })
  })
})
