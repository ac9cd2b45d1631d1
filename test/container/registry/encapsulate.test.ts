/** Tests of encapsulating a commit in a registry and unencapsulating it again. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  encapsulate,
  parseImageReference,
  parseOstreeImageReference,
  pullImage,
  removeImage,
  unencapsulate,
} from '../../../src/container/index.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { describeReference, run } from '../../support/reference.ts'
import { CHUNKED, fixtureRepo, GOLDEN, HOST } from '../encapsulate/kit.ts'
import { memoryRepo } from '../tar-kit.ts'
import { startRegistry, type TestRegistry } from './server.ts'

describeReference(['docker-registry', 'skopeo'], 'a commit in a registry', () => {
  let registry: TestRegistry
  const options = { host: HOST, registry: { network: nodeNetwork(), insecure: true } }
  beforeAll(async () => {
    registry = await startRegistry()
  })
  afterAll(async () => await registry?.[Symbol.asyncDispose]())

  test.each([
    ['in one layer', {}],
    ['in chunks', CHUNKED],
  ])('a commit encapsulated %s is unencapsulated unchanged by its digest (case J1)', async (title, how) => {
    const name = `${registry.host}/${title.replaceAll(' ', '-')}`
    await using source = await fixtureRepo()
    const digest = await encapsulate(source, GOLDEN.commit, {}, { ...how, ...options }, `docker://${name}:1`)
    const inspected = run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}:1`])
    expect(JSON.parse(inspected)).toMatchObject({ Digest: digest })

    await using into = await memoryRepo()
    const reference = parseOstreeImageReference(`ostree-unverified-registry:${name}@${digest}`)
    const { commit, manifestDigest } = await unencapsulate(into, reference, options)
    expect(commit).toBe(GOLDEN.commit)
    expect(manifestDigest).toBe(digest)
  })

  test('an unchanged commit is encapsulated with the same digest, and not pulled again', async () => {
    const name = `${registry.host}/again`
    await using source = await fixtureRepo()
    const first = await encapsulate(source, GOLDEN.commit, {}, options, `docker://${name}:1`)
    expect(await encapsulate(source, GOLDEN.commit, {}, options, `docker://${name}:2`)).toBe(first)

    await using into = await memoryRepo()
    const reference = `ostree-unverified-registry:${name}:1`
    expect((await pullImage(into, reference, options)).changed).toBe(true)
    expect((await pullImage(into, reference, options)).changed).toBe(false)
    expect(await removeImage(into, parseImageReference(`docker://${name}:1`))).toBe(true)
  })
})
