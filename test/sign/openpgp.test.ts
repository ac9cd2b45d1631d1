import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../src/bytes.ts'
import { LimitError, OstreeError } from '../../src/errors.ts'
import {
  describeSignature,
  MAX_SIGNATURES,
  type OpenPgpSignature,
  parseUserId,
  verifyOpenPgp,
} from '../../src/sign/index.ts'
import { goldenJson } from '../support/golden.ts'

interface Case {
  name: string
  keyring: string
  signatures: string[]
  text?: string
  error?: string
}

// Results of libostree with GnuPG. test/golden/README.md tells how they were made.
const golden = goldenJson<{
  now: number
  commit_b64: string
  keyrings: Record<string, string>
  signatures: Record<string, string>
  cases: Case[]
}>('sign/gpg-results.json')

const bytes = (base64: string | undefined) => new Uint8Array(Buffer.from(base64 as string, 'base64'))

const data = bytes(golden.commit_b64)
const ring = bytes(golden.keyrings['all'])

function verify(content: Uint8Array, names: string[], now = golden.now): Promise<OpenPgpSignature[]> {
  return verifyOpenPgp(
    content,
    names.map((name) => bytes(golden.signatures[name])),
    [ring],
    now,
  )
}

/** Returns an empty list if the signatures are refused, which must be with an OstreeError. */
async function settled(verdicts: Promise<OpenPgpSignature[]>): Promise<OpenPgpSignature[]> {
  return verdicts.catch((error: unknown) => {
    expect(error).toBeInstanceOf(OstreeError)
    return []
  })
}

async function outcome({ keyring, signatures }: Case): Promise<Pick<Case, 'text' | 'error'>> {
  const rings = [bytes(golden.keyrings[keyring])]
  const given = signatures.map((name) => bytes(golden.signatures[name]))
  let verdicts: OpenPgpSignature[]
  try {
    verdicts = await verifyOpenPgp(data, given, rings, golden.now)
  } catch (error) {
    return { error: (error as Error).message }
  }
  if (verdicts.length === 0) return { error: 'No GPG signatures found' }
  if (verdicts.some(({ status }) => status === 'good')) {
    return { text: verdicts.map((verdict) => describeSignature(verdict, 'GPG: ')).join('') }
  }
  return {
    error: verdicts
      .reverse()
      .map((verdict) => describeSignature(verdict))
      .join('')
      .trimEnd(),
  }
}

/** Curves that the package openpgp does not support on Node. Signatures with them are not accepted. */
const UNKNOWN_CURVES = ['brain', 'secp']

describe('OpenPGP signatures', () => {
  test.each(golden.cases.filter(({ name, signatures }) => signatures.length > 0 && !UNKNOWN_CURVES.includes(name)))(
    'the signature $name with the keys of $keyring has the result of libostree',
    async (vector) => {
      const { text, error } = vector
      expect(await outcome(vector)).toEqual(text === undefined ? { error } : { text })
    },
  )

  test.each(UNKNOWN_CURVES)('a signature by a key on an unsupported curve is not accepted: %s', async (name) => {
    const verdicts = await verify(data, [name])
    expect(verdicts.map(({ status }) => status)).toEqual(['bad'])
  })

  test('a key is good from its creation until it expires', async () => {
    const at = async (name: string, date: string) => {
      const [verdict] = await verify(data, [name], Date.parse(date) / 1000)
      return verdict?.status
    }
    expect(await at('expired', '2020-01-15')).toBe('good')
    expect(await at('expired', '2020-02-02')).toBe('key-expired')
    expect(await at('sigexp', '2020-01-03')).toBe('good')
    expect(await at('sigexp', '2020-01-08')).toBe('expired')
    expect(await at('future', '2028-02-01')).toBe('good')
    expect(await at('future', '2027-02-01')).toBe('refused')
  })

  test('a change of any signed byte makes the signature bad', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(data.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = data.slice()
        changed[at] = (changed[at] as number) ^ change
        expect((await verify(changed, ['good'])).map(({ status }) => status)).toEqual(['bad'])
      }),
    )
  })

  test('a damaged signature is not good, unless the damage is in a part that is not signed', async () => {
    const whole = bytes(golden.signatures['good'])
    const [verdict] = await verify(data, ['good'])
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = whole.slice()
        changed[at] = (changed[at] as number) ^ change
        const verdicts = await settled(verifyOpenPgp(data, [changed], [ring], golden.now))
        // Only the unhashed area is not signed. The result has to be the same whatever it contains.
        for (const found of verdicts) if (found.status === 'good') expect(found).toEqual(verdict)
      }),
    )
  })

  test('any bytes as signatures or keys are refused with an OstreeError or are not good', async () => {
    const seeds = [...Object.values(golden.signatures), golden.keyrings['part']].map(bytes)
    const mangled = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), fc.nat(500))
      .map(([seed, changes, end]) => {
        const copy = seed.slice(0, end)
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value
        return copy
      })
    const hostile = fc.oneof(fc.uint8Array({ maxLength: 300 }), mangled)
    await fc.assert(
      fc.asyncProperty(
        fc.array(hostile, { maxLength: 3 }),
        fc.array(hostile, { maxLength: 3 }),
        async (list, rings) => {
          const verdicts = await settled(verifyOpenPgp(encodeUtf8('never signed'), list, rings, golden.now))
          expect(verdicts.filter(({ status }) => status === 'good')).toEqual([])
        },
      ),
    )
  })

  test('more signatures than the limit are refused', async () => {
    const many = Array.from({ length: MAX_SIGNATURES + 1 }, () => bytes(golden.signatures['good']))
    await expect(verifyOpenPgp(data, many, [ring], golden.now)).rejects.toThrow(LimitError)
  })

  test('a key that is revoked in two files has the same result as in one', async () => {
    const [before] = await verify(data, ['revoked'])
    expect(before?.status).toBe('key-revoked')
    const twice = await verifyOpenPgp(data, [bytes(golden.signatures['revoked'])], [ring, ring], golden.now)
    expect(twice).toEqual([before])
  })
})

describe('user ids', () => {
  test.each([
    ['Name <a@b.c>', 'Name', 'a@b.c'],
    ['Name (comment) <a@b.c>', 'Name', 'a@b.c'],
    ['Name', 'Name', ''],
    ['a@b.c', '', 'a@b.c'],
    ['<a@b.c>', '', 'a@b.c'],
    ['', '', ''],
  ])('%j is parsed', (text, name, email) => {
    expect(parseUserId(text)).toEqual({ name, email })
  })
})
