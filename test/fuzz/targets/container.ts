/** Documents of images, registries and their configuration. */
import { parseAnyImageReference, parsePolicy } from '../../../src/container/index.ts'
import { canonicalJson } from '../../../src/container/internal.ts'
import { goConfigJson, normaliseConfig, readGoConfig } from '../../../src/container/oci/config.ts'
import { parseDigest } from '../../../src/container/oci/digest.ts'
import { convertDockerConfig, convertDockerManifest } from '../../../src/container/oci/docker-manifest.ts'
import { guessManifestType, parseIndex, parseManifest } from '../../../src/container/oci/manifest.ts'
import { chooseManifest } from '../../../src/container/oci/platform-choice.ts'
import {
  formatImageReference,
  formatOstreeImageReference,
  parseImageReference,
  parseOstreeImageReference,
  parseSignatureSource,
  parseStorageName,
} from '../../../src/container/oci/reference.ts'
import { formatRegistryReference, parseRegistryReference } from '../../../src/container/oci/registry-reference.ts'
import { parseLenientRfc3339, parseRfc3339 } from '../../../src/container/oci/rfc3339.ts'
import { parseChallenges } from '../../../src/container/registry/challenge.ts'
import { parseAuthFile } from '../../../src/container/registry/credentials.ts'
import { statusError } from '../../../src/container/registry/errors.ts'
import { parseRetryAfter } from '../../../src/container/registry/retry.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { parseProxy } from '../../../src/system/proxy.ts'
import { type FuzzTarget, ofText, orTyped, rule, texts } from '../target.ts'

export const MANIFEST = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${'ab'.repeat(32)}`, size: 7 },
  layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: `sha256:${'cd'.repeat(32)}`, size: 70 }],
  annotations: { 'org.example': 'é\u0000"' },
}
const DOCKER_MANIFEST = {
  ...MANIFEST,
  mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
  layers: [
    { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', digest: `sha256:${'cd'.repeat(32)}`, size: 70 },
  ],
}
export const CONFIG = {
  created: '2026-01-01T00:00:00.123Z',
  architecture: 'amd64',
  os: 'linux',
  config: { Env: ['A=b'], Labels: { 'ostree.bootable': 'true' }, Cmd: ['sh'] },
  rootfs: { type: 'layers', diff_ids: [`sha256:${'ef'.repeat(32)}`] },
  history: [{ created: '2026-01-01T00:00:00Z', created_by: 'x', empty_layer: true }],
}
const INDEX = {
  schemaVersion: 2,
  manifests: [{ ...MANIFEST.config, platform: { architecture: 'arm64', os: 'linux', variant: 'v8' } }],
}
const json = (...values: unknown[]): Uint8Array[] => texts(...values.map((value) => JSON.stringify(value)))
/** Parses what a function has formatted, and formats that: it has to be the same text. */
function reformatted<T>(parse: (text: string) => T, format: (value: T) => string): (text: string) => void {
  return (text) => {
    const value = parse(text)
    const once = format(value)
    let twice: string
    try {
      twice = format(parse(once))
    } catch (error) {
      throw new Error(`${JSON.stringify(text)} is formatted as ${JSON.stringify(once)}, which is refused: ${error}`)
    }
    rule(twice === once, `${JSON.stringify(once)} is formatted as ${JSON.stringify(twice)}`)
  }
}

export const CONTAINER_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'manifest',
    json: true,
    share: 4,
    seeds: json(MANIFEST, DOCKER_MANIFEST),
    run(input) {
      orTyped(() => guessManifestType(input))
      orTyped(() => convertDockerManifest(nodePlatform, input, texts(JSON.stringify(CONFIG))[0] as Uint8Array))
      orTyped(() => canonicalJson(JSON.parse(JSON.stringify(parseManifest(input)))))
      parseManifest(input)
    },
  },
  {
    name: 'index',
    json: true,
    share: 3,
    seeds: json(INDEX),
    run: (input) => chooseManifest(parseIndex(input), { architecture: 'arm64', os: 'linux' }),
  },
  {
    name: 'image config',
    json: true,
    share: 3,
    seeds: json(CONFIG),
    run(input) {
      const once = goConfigJson(readGoConfig(input))
      rule(goConfigJson(readGoConfig(texts(once)[0] as Uint8Array)) === once, 'the written config is read differently')
      normaliseConfig(input)
    },
  },
  { name: 'docker config', json: true, share: 2, seeds: json(CONFIG), run: convertDockerConfig },
  {
    name: 'auth file',
    json: true,
    share: 3,
    seeds: texts('{"auths":{"a.example/b":{"auth":"dXNlcjpwYXNz"}},"credHelpers":{"c.example":"x"},"credsStore":"y"}'),
    run: (input) => parseAuthFile(input),
  },
  {
    name: 'policy',
    json: true,
    share: 3,
    seeds: texts(
      '{"default":[{"type":"reject"}],"transports":{"docker":{"a.example/b":[{"type":"insecureAcceptAnything"}]}}}',
      '{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"matchRepository"}}]}',
    ),
    run: parsePolicy,
  },
  {
    name: 'references',
    share: 6,
    seeds: texts(
      'ostree-unverified-image:docker://quay.io/exampleos/os:1',
      'ostree-remote-image:a:oci:dir:tag',
      `docker://a.example:5000/b@sha256:${'ab'.repeat(32)}`,
      'oci-archive:/x.tar:t:1',
      'containers-storage:localhost/x',
      'a.example/b/c:tag',
    ),
    run: ofText((text) => {
      for (const parse of [
        parseSignatureSource,
        parseStorageName,
        parseDigest,
        parseRfc3339,
        parseLenientRfc3339,
        reformatted(parseAnyImageReference, formatOstreeImageReference),
        reformatted(parseOstreeImageReference, formatOstreeImageReference),
        reformatted(parseImageReference, formatImageReference),
        reformatted(parseRegistryReference, formatRegistryReference),
      ]) {
        orTyped(() => parse(text))
      }
    }),
  },
  {
    name: 'headers',
    share: 6,
    seeds: texts(
      'Bearer realm="https://a.example/t",service="r",scope="repository:a:pull", Basic realm="x"',
      'Wed, 21 Oct 2026 07:28:00 GMT',
      '120',
      'http://user:pass@proxy.example:3128/',
    ),
    run: ofText((text) => {
      for (const challenge of parseChallenges(text)) rule(challenge.scheme !== '', 'a challenge without a scheme')
      const wait = parseRetryAfter(text, 0)
      rule(wait === undefined || (wait >= 0 && Number.isFinite(wait)), `wait ${wait}`)
      orTyped(() => parseProxy(text))
    }),
  },
  {
    name: 'answer with an error',
    json: true,
    share: 2,
    seeds: texts('{"errors":[{"code":"DENIED","message":"no","detail":null}]}', '<html>no</html>'),
    run(input) {
      const error = statusError(
        { registry: 'a.example', repository: 'b', what: 'c' },
        400 + (input.length % 200),
        input,
      )
      rule(!/\p{Cc}/u.test(error.message) && error.message.length < 3000, `message ${JSON.stringify(error.message)}`)
    },
  },
]
