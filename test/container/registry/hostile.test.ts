/** Property tests: any data from a registry, a file or a name gives a result or a typed error, in limited time. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { formatRegistryReference, parseRegistryReference } from '../../../src/container/oci/registry-reference.ts'
import { duplicateKey } from '../../../src/container/policy/duplicate-key.ts'
import { parsePolicy, policyDefaultIsInsecure } from '../../../src/container/policy/policy.ts'
import { parseChallenges } from '../../../src/container/registry/challenge.ts'
import { parseAuthFile } from '../../../src/container/registry/credentials.ts'
import { RegistryError, statusError } from '../../../src/container/registry/errors.ts'
import { parseRetryAfter } from '../../../src/container/registry/retry.ts'
import { OstreeError } from '../../../src/errors.ts'

/** Runs `work`. @returns its result; `undefined` when it throws a typed error */
function total<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    expect(error).toBeInstanceOf(OstreeError)
    return undefined
  }
}

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json({ maxDepth: 4 }).map(encodeUtf8),
  fc
    .record({ auths: fc.jsonValue(), credHelpers: fc.jsonValue(), credsStore: fc.jsonValue() }, { requiredKeys: [] })
    .map((value) => encodeUtf8(JSON.stringify(value))),
  fc
    .record({ default: fc.jsonValue(), transports: fc.jsonValue() }, { requiredKeys: [] })
    .map((value) => encodeUtf8(JSON.stringify(value))),
)

test('any document is parsed or rejected with a typed error', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      total(() => parseAuthFile(bytes))
      total(() => parsePolicy(bytes))
      total(() => policyDefaultIsInsecure(bytes))
    }),
    { numRuns: 300 },
  )
})

test('any error answer gives an error whose message is one printable line', () => {
  const place = { registry: 'example.com', repository: 'a/b', what: 'latest' }
  const errors = fc.array(fc.record({ code: fc.jsonValue(), message: fc.oneof(fc.string(), fc.jsonValue()) }))
  const bodies = fc.oneof(
    anyBytes,
    errors.map((list) => encodeUtf8(JSON.stringify({ errors: list }))),
  )
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 599 }), bodies, (status, body) => {
      const error = statusError(place, status, body)
      expect(error).toBeInstanceOf(RegistryError)
      expect(error.message).not.toMatch(/\p{Cc}/u)
      expect(error.message.length).toBeLessThan(3000)
    }),
  )
})

test('any challenge is parsed in limited time, and a well-formed one is parsed exactly', () => {
  const pieces = fc.constantFrom('Bearer', 'Basic', 'realm', '=', '"', '\\', ',', ' ', 'x', 'é', '\0', 'service="s"')
  fc.assert(fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => void parseChallenges(parts.join(''))))
  const word = fc.stringMatching(/^[a-z]{1,8}$/)
  const challenge = fc.tuple(word, fc.dictionary(word, fc.string(), { minKeys: 1, maxKeys: 4 }))
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
      const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
      const header = challenges
        .map(([scheme, all]) => `${scheme} ${Object.entries(all).map(([name, value]) => `${name}=${quoted(value)}`)}`)
        .join(', ')
      const found = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
      expect(found).toEqual(challenges.map(([scheme, all]) => [scheme, { ...all }]))
    }),
  )
  const start = performance.now()
  for (const part of ['"', 'a', 'a ', 'a=', 'a="', ',', '\\"']) parseChallenges(part.repeat(100_000))
  expect(performance.now() - start).toBeLessThan(5000)
})

test('any name is rejected with a typed error, or formatted and parsed again unchanged', () => {
  const part = fc.constantFrom(
    'a',
    'b1',
    'A',
    '.',
    '-',
    '_',
    '__',
    '/',
    ':',
    '@',
    'localhost',
    'quay.io',
    '5000',
    ' ',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const found = total(() => parseRegistryReference(parts.join('')))
      if (found === undefined) return
      const text = formatRegistryReference(found)
      expect(parseRegistryReference(text)).toEqual(found)
      // A tag may have two dots, and is not used as a path.
      expect(text.replace(/:[\w.-]+(?=@|$)/, '')).not.toMatch(/\/\/|\.\.|\s|%|\?|#/)
    }),
    { numRuns: 1000 },
  )
})

test('any Retry-After header gives no wait or one that is not negative', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      ),
      (text) => {
        const wait = parseRetryAfter(text, 0)
        if (wait !== undefined) expect(wait).toBeGreaterThanOrEqual(0)
      },
    ),
  )
})

test('a duplicate key is found at any depth', () => {
  const key = fc.stringMatching(/^[a-c"\\{}[\]:]{0,3}$/)
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree')),
    ),
  }))
  fc.assert(
    fc.property(tree, key, (value, name) => {
      expect(duplicateKey(encodeUtf8(JSON.stringify({ value })))).toBeUndefined()
      const twice = `{"x": ${JSON.stringify(value)}, ${JSON.stringify(name)}: 1, ${JSON.stringify(name)} : 2}`
      expect(duplicateKey(encodeUtf8(`[${twice}]`))).toBe(name)
    }),
  )
})
