/** Documents in JSON, each member of which has in turn a value of every other kind. */
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { parseRawMeta } from '../../../src/container/encapsulate/raw-meta.ts'
import { normaliseConfig, readGoConfig } from '../../../src/container/oci/config.ts'
import { guessManifestType, parseIndex, parseManifest } from '../../../src/container/oci/manifest.ts'
import { chooseManifest } from '../../../src/container/oci/platform-choice.ts'
import { parsePolicy, policyDefaultIsInsecure } from '../../../src/container/policy/policy.ts'
import { parseAuthFile } from '../../../src/container/registry/credentials.ts'
import { OstreeError } from '../../../src/errors.ts'

const digest = `sha256:${'0'.repeat(64)}`
const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 1 }
const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const labels = { label: 'x' }
const signedBy = { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/k' }
const identity = { type: 'remapIdentity', prefix: 'a.example', signedPrefix: 'b.example' }

const DOCUMENTS: readonly [what: string, parse: (bytes: Uint8Array) => unknown, document: unknown][] = [
  [
    'a manifest',
    (bytes) => [parseManifest(bytes), guessManifestType(bytes)],
    {
      schemaVersion: 2,
      config: blob,
      layers: [{ ...blob, urls: ['x'], platform }],
      annotations: labels,
      subject: blob,
    },
  ],
  [
    'an index',
    (bytes) => chooseManifest(parseIndex(bytes), { os: 'linux', architecture: 'arm64', variant: 'v8' }),
    { schemaVersion: 2, manifests: [{ ...blob, platform, annotations: labels }], annotations: labels },
  ],
  [
    'an image configuration',
    (bytes) => [normaliseConfig(bytes), readGoConfig(bytes)],
    {
      ...platform,
      created: '2020-01-01T00:00:00Z',
      config: {
        Labels: labels,
        Cmd: ['x'],
        ExposedPorts: { '80/tcp': {} },
        StopSignal: 'TERM',
        Healthcheck: { Test: ['x'] },
      },
      rootfs: { type: 'layers', diff_ids: [digest] },
      history: [{ created: '2020-01-01T00:00:00Z', created_by: 'x', empty_layer: true }],
    },
  ],
  [
    'a policy',
    (bytes) => [parsePolicy(bytes), policyDefaultIsInsecure(bytes)],
    {
      default: [{ type: 'reject' }],
      transports: { docker: { 'a.example': [{ ...signedBy, signedIdentity: identity }] }, dir: { '/x': [signedBy] } },
    },
  ],
  [
    'a file of credentials',
    (bytes) => parseAuthFile(bytes),
    {
      auths: { 'a.example': { auth: btoa('a:b'), identitytoken: '' } },
      credHelpers: { 'b.example': 'x' },
      credsStore: 'y',
    },
  ],
  [
    'the assignment of files to layers',
    (bytes) => parseRawMeta(bytes),
    { version: 1, created: 'x', labels, layers: { one: 'One' }, mapping: { ['0'.repeat(64)]: 'one' }, ordered: false },
  ],
]

/** Texts of values in JSON. Objects with these names cannot be converted to text or numbers. */
const VALUES = ['null', 'true', '-1', '1e999', '0.5', '""', '"\\ud800"', '[]', '[null]', '[[]]', '{}', '{"":0}'].concat(
  '{"toString":1,"valueOf":1}',
  '{"__proto__":null}',
  '{"constructor":{"prototype":0}}',
  '{"length":-1}',
)

/** Returns the paths of all members of a value, also of those within others. */
function pathsOf(value: unknown): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [[]]
  return [[], ...Object.entries(value).flatMap(([name, member]) => pathsOf(member).map((path) => [name, ...path]))]
}

/** Returns the text of a document with `text` in the place of one member. */
function replaced(document: unknown, [name, ...path]: readonly string[], text: string): string {
  if (name === undefined) return text
  const members = Object.entries(document as object).map(([key, value]) => {
    const member = key === name ? replaced(value, path, text) : JSON.stringify(value)
    return Array.isArray(document) ? member : `${JSON.stringify(key)}:${member}`
  })
  return Array.isArray(document) ? `[${members.join()}]` : `{${members.join()}}`
}

test.each(DOCUMENTS)(
  'every value in the place of every member of %s is accepted, or refused with an OstreeError',
  (...of) => {
    const [, parse, document] = of
    parse(encodeUtf8(JSON.stringify(document)))
    let refused = 0
    for (const path of pathsOf(document)) {
      for (const value of VALUES) {
        const text = replaced(document, path, value)
        try {
          parse(encodeUtf8(text))
        } catch (error) {
          if (!(error instanceof OstreeError)) throw new Error(`${text}: ${error}`, { cause: error })
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(20)
  },
)
