/** Tests of policies: which images they accept, compared with skopeo on the same policy and image. */
import { copyFileSync, cpSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { loadPolicy, parseImageReference, parsePolicy, pullImage } from '../../../src/container/index.ts'
import { policyDefaultIsInsecure } from '../../../src/container/policy/policy.ts'
import { checkPolicy, policyScopes } from '../../../src/container/policy/policy-check.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { nodeFiles } from '../../../src/system/local-files.ts'
import { goldenBytes, goldenPath } from '../../support/golden.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const ANY = [{ type: 'insecureAcceptAnything' }]
const NONE = [{ type: 'reject' }]
const LAYOUT = fileURLToPath(new URL('../../../examples/exampleos', import.meta.url))
const bytesOf = (document: unknown) => encodeUtf8(JSON.stringify(document))
const check = async (image: string, document: unknown) =>
  checkPolicy(parseImageReference(image), parsePolicy(bytesOf(document)), realpathSync)

describe('the scopes of an image', () => {
  test.each([
    [
      'docker://a.b.example.com:5000/x/y:1',
      [
        'a.b.example.com:5000/x/y:1',
        'a.b.example.com:5000/x/y',
        'a.b.example.com:5000/x',
        'a.b.example.com:5000',
        '*.b.example.com',
        '*.example.com',
        '*.com',
      ],
    ],
    [
      'docker://busybox',
      ['docker.io/library/busybox:latest', 'docker.io/library/busybox', 'docker.io/library', 'docker.io', '*.io'],
    ],
    ['oci:/srv/os:tag', ['/srv/os', '/srv']],
    ['oci-archive:/srv/os.tar', ['/srv/os.tar', '/srv']],
    ['dir:/srv', ['/srv']],
    ['docker-archive:/srv/os.tar:x', []],
  ])('the image %s has its scopes from the most to the least specific', async (image, scopes) => {
    expect(await policyScopes(parseImageReference(image))).toEqual(scopes)
  })
})

describe('a policy', () => {
  const signed = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }

  test('a policy accepts an image when it meets all requirements of the most specific scope', async () => {
    const transports = { docker: { 'quay.io': NONE, 'quay.io/a': ANY, 'quay.io/a/secret': [...ANY, ...NONE] } }
    const policy = { default: NONE, transports }
    await check('docker://quay.io/a/b', policy)
    await expect(check('docker://quay.io/b', policy)).rejects.toMatchObject({
      code: 'denied',
      message: 'Running image docker://quay.io/b is rejected by policy.',
    })
    await expect(check('docker://quay.io/a/secret:1', policy)).rejects.toMatchObject({ code: 'denied' })
    await expect(check('docker://other.io/a', policy)).rejects.toMatchObject({ code: 'denied' })
  })

  test.each([
    signed,
    { type: 'sigstoreSigned', keyPath: '/k' },
    { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
  ])(
    'a policy that requires a signature ($type) rejects every image with an error that names the requirement',
    async (requirement) => {
      await expect(check('docker://quay.io/a', { default: [...ANY, requirement] })).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(`(${requirement.type}), which are not supported`),
      })
    },
  )

  test('a policy without requirements rejects every image', async () => {
    await expect(check('docker://quay.io/a', { default: [] })).rejects.toMatchObject({
      message: expect.stringContaining('must not be empty'),
    })
  })
})

const MALFORMED: [string, string][] = [
  ['invalid JSON', '{'],
  ['a list instead of an object', '[]'],
  ['no default', '{"transports":{}}'],
  ['an unknown key', '{"default":[{"type":"reject"}],"defaults":[]}'],
  ['an unknown type', '{"default":[{"type":"accept"}]}'],
  ['no type', '{"default":[{}]}'],
  ['an unknown key in a requirement', '{"default":[{"type":"reject","why":"x"}]}'],
  ['a default that is not a list', '{"default":{"type":"reject"}}'],
  ['a requirement that is not an object', '{"default":["reject"]}'],
  ['a duplicate key', '{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}'],
  ['a duplicate key in a requirement', '{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}'],
  ['a duplicate scope', '{"default":[{"type":"reject"}],"transports":{"docker":{"":[],"":[]}}}'],
  ['a relative scope', '{"default":[{"type":"reject"}],"transports":{"dir":{"srv":[{"type":"reject"}]}}}'],
  [
    'a scope of a transport without scopes',
    '{"default":[{"type":"reject"}],"transports":{"docker-archive":{"/a":[]}}}',
  ],
  ['the root directory as scope', '{"default":[{"type":"reject"}],"transports":{"oci":{"/":[{"type":"reject"}]}}}'],
  ['a scope with ..', '{"default":[{"type":"reject"}],"transports":{"oci":{"/a/../b":[{"type":"reject"}]}}}'],
  ['keys without a type', '{"default":[{"type":"signedBy","keyPath":"/k"}]}'],
  ['no keys', '{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}'],
  ['two sources of keys', '{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":"aaaa"}]}'],
  ['an unknown identity', '{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"any"}}]}'],
]

describe('a malformed policy', () => {
  test.each(MALFORMED)('a policy with %s is rejected as a whole', (_, text) => {
    expect(() => parsePolicy(encodeUtf8(text))).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })
})

describe('the default of a policy', () => {
  test.each([
    ['{"default":[{"type":"insecureAcceptAnything"}]}', true],
    ['{"default":[{"type":"insecureAcceptAnything","more":1}]}', true],
    ['{}', false],
    ['{"default":[]}', false],
    ['{"default":[{"type":"reject"}]}', false],
    ['{"default":[{"type":"insecureAcceptAnything"},{"type":"insecureAcceptAnything"}]}', false],
    ['{"default":"insecureAcceptAnything"}', false],
  ])('for the policy %s, policyDefaultIsInsecure returns %s (case C5)', (text, insecure) => {
    expect(policyDefaultIsInsecure(encodeUtf8(text))).toBe(insecure)
  })
})

describe('the policy of a host', () => {
  const files = (present: string[]) => async (path: string) => (present.includes(path) ? encodeUtf8(path) : undefined)
  const found = async (env: Record<string, string>, present: string[]) => {
    const bytes = await loadPolicy(env, files(present))
    return bytes && new TextDecoder().decode(bytes)
  }
  const user = '/home/u/.config/containers/policy.json'
  const system = '/etc/containers/policy.json'

  test('the policy of a host is the named file, else that of the user, else that of the system (case C6)', async () => {
    const all = ['/named', user, '/xdg/containers/policy.json', system, '/usr/share/containers/policy.json']
    expect(await found({ CONTAINERS_POLICY_JSON: '/named', HOME: '/home/u' }, all)).toBe('/named')
    expect(await found({ CONTAINERS_POLICY_JSON: '', HOME: '/home/u' }, all)).toBe(user)
    expect(await found({ XDG_CONFIG_HOME: '/xdg', HOME: '/home/u' }, all)).toBe('/xdg/containers/policy.json')
    expect(await found({ XDG_CONFIG_HOME: '/none', HOME: '/home/u' }, all)).toBe(system)
    expect(await found({}, ['/usr/share/containers/policy.json'])).toBe('/usr/share/containers/policy.json')
    expect(await found({}, [])).toBeUndefined()
  })

  test('a missing policy that the environment names is an error, and not replaced by another (case C6)', async () => {
    await expect(found({ CONTAINERS_POLICY_JSON: '/gone' }, [system])).rejects.toMatchObject({
      message: expect.stringMatching(/^Opening policy file from CONTAINERS_POLICY_JSON=\/gone/),
    })
  })
})

describe('an import with a policy', () => {
  async function pull(scheme: string, document?: unknown) {
    const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
    const policy = { bytes: document === undefined ? undefined : bytesOf(document), realPath: realpathSync }
    const options = { host: { architecture: 'amd64', os: 'linux' }, files: nodeFiles, policy }
    return await pullImage(repo, `${scheme}:oci:${LAYOUT}:1.0`, options)
  }
  const scoped = { default: NONE, transports: { oci: { [realpathSync(LAYOUT)]: ANY } } }

  test('the import of a signed image needs a policy that does not accept everything', async () => {
    expect((await pull('ostree-image-signed', scoped)).changed).toBe(true)
    await expect(pull('ostree-image-signed', { default: ANY })).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringContaining('specifies a default of `insecureAcceptAnything`; refusing usage'),
    })
    await expect(pull('ostree-image-signed')).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('Resolving containers policy path: No containers policy.json found; checked'),
    })
  })

  test('the import of an unverified image needs no policy, but follows an existing one', async () => {
    expect((await pull('ostree-unverified-image')).changed).toBe(true)
    expect((await pull('ostree-unverified-image', scoped)).changed).toBe(true)
    await expect(pull('ostree-unverified-image', { default: NONE })).rejects.toMatchObject({ code: 'denied' })
    await expect(pull('ostree-unverified-image', {})).rejects.toMatchObject({ code: 'corrupt' })
  })
})

describeReference('skopeo', 'policies, compared with skopeo', () => {
  let root = ''
  let images: string[] = []
  beforeAll(() => {
    root = realpathSync(temporaryFolder('disk'))
    mkdirSync(join(root, 'a/b'), { recursive: true })
    cpSync(LAYOUT, join(root, 'a/b/oci'), { recursive: true })
    symlinkSync(join(root, 'a/b/oci'), join(root, 'link'))
    run('skopeo', ['copy', `oci:${LAYOUT}:1.0`, `dir:${root}/a/dir`])
    copyFileSync(goldenPath('container/oci-archive.tar'), join(root, 'a/archive.tar'))
    writeFileSync(join(root, 'a/docker.tar'), gunzipSync(goldenBytes('container/docker-archive.tar.gz')))
    images = [
      `oci:${root}/a/b/oci:1.0`,
      `oci:${root}/link:1.0`,
      `oci-archive:${root}/a/archive.tar`,
      `docker-archive:${root}/a/docker.tar`,
      `dir:${root}/a/dir`,
    ]
  })

  function skopeo(image: string, text: string): boolean {
    const policy = join(root, 'policy.json')
    writeFileSync(policy, text)
    rmSync(join(root, 'out'), { recursive: true, force: true })
    try {
      run('skopeo', ['--policy', policy, 'copy', image, `dir:${root}/out`])
      return true
    } catch {
      return false
    }
  }
  async function ours(image: string, text: string): Promise<boolean> {
    try {
      await checkPolicy(parseImageReference(image), parsePolicy(encodeUtf8(text)), realpathSync)
      return true
    } catch {
      return false
    }
  }

  test('a random policy accepts and rejects the same images as in skopeo', async () => {
    const places = ['', '/a', '/a/b', '/a/b/oci', '/link', '/a/dir', '/a/archive.tar', '/a/docker.tar', '/a/b/oci:1.0']
    const list = fc.constantFrom(ANY, NONE, [...ANY, ...NONE], [])
    const scopes = fc.dictionary(fc.constantFrom('', ...places.map((place) => `ROOT${place}`)), list, { maxKeys: 4 })
    const transports = fc.dictionary(fc.constantFrom('oci', 'dir', 'oci-archive', 'docker-archive'), scopes)
    const policies = fc.record({ default: list, transports })
    await fc.assert(
      fc.asyncProperty(policies, fc.nat({ max: 4 }), async (policy, index) => {
        const text = JSON.stringify(policy).replaceAll('ROOT', root)
        const image = images[index] ?? ''
        expect(await ours(image, text)).toBe(skopeo(image, text))
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  test.each(MALFORMED)('a policy with %s is rejected by skopeo too', (_, text) => {
    expect(skopeo(images[0] ?? '', text)).toBe(false)
  })
})
