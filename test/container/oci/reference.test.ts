import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatImageReference,
  formatOstreeImageReference,
  formatSignatureSource,
  parseImageReference,
  parseOstreeImageReference,
  parseSignatureSource,
  parseTransport,
  sameImageReference,
  type Transport,
} from '../../../src/container/oci/reference.ts'
import { InvalidNameError } from '../../../src/errors.ts'
import { goldenJson } from '../../support/golden.ts'

interface Names {
  image_reference: { input: string; transport: string; name: string; display: string }[]
  image_reference_errors: { input: string; error: string }[]
  ostree_image_reference: {
    input: string
    sigverify: string
    transport: string
    name: string
    display: string
    alternate: string
  }[]
  ostree_image_reference_errors: { input: string; error: string }[]
}

const golden = goldenJson<Names>('container/imgrefs.json')
/** Transports by the names of the variants of the Rust enumeration, which the vectors use. */
const TRANSPORT_NAMES: Readonly<Record<string, Transport>> = {
  Registry: 'registry',
  OciDir: 'oci',
  OciArchive: 'oci-archive',
  DockerArchive: 'docker-archive',
  ContainerStorage: 'containers-storage',
  Dir: 'dir',
  DockerDaemon: 'docker-daemon',
}

describe('image references', () => {
  test.each(golden.image_reference)(
    'the reference $input has the same transport, name and text as in ostree-ext (cases A2, A4, A10)',
    (vector) => {
      const reference = parseImageReference(vector.input)
      expect(reference).toEqual({ transport: TRANSPORT_NAMES[vector.transport], name: vector.name })
      expect(formatImageReference(reference)).toBe(vector.display)
    },
  )

  test.each(golden.image_reference_errors)(
    'the reference "$input" is rejected with "$error" (cases A3, A10)',
    ({ input, error }) => {
      expect(() => parseImageReference(input)).toThrow(new InvalidNameError(input, error))
    },
  )

  test('formatting and parsing a reference gives the same reference (case A1)', () => {
    const anyReference = fc.record({
      transport: fc.constantFrom(...Object.values(TRANSPORT_NAMES)),
      name: fc.string({ minLength: 1 }),
    })
    fc.assert(
      fc.property(anyReference, (reference) => {
        expect(parseImageReference(formatImageReference(reference))).toEqual(reference)
      }),
    )
  })

  test('the two spellings of a registry image are equal (case A2)', () => {
    const one = parseImageReference('registry:quay.io/a')
    expect(sameImageReference(one, parseImageReference('docker://quay.io/a'))).toBe(true)
    expect(sameImageReference(one, parseImageReference('oci:quay.io/a'))).toBe(false)
    expect(sameImageReference(one, parseImageReference('docker://quay.io/b'))).toBe(false)
  })
})

describe('ostree image references', () => {
  test.each(golden.ostree_image_reference)(
    'the ostree reference $input has the verification and image of ostree-ext (cases A6, A7, A10)',
    (vector) => {
      const reference = parseOstreeImageReference(vector.input)
      const { sigverify, imgref } = reference
      expect(imgref).toEqual({ transport: TRANSPORT_NAMES[vector.transport], name: vector.name })
      expect(sigverify.kind === 'remote' ? `remote:${sigverify.remote}` : sigverify.kind).toBe(vector.sigverify)
      expect(formatOstreeImageReference(reference)).toBe(vector.display)
      expect(formatOstreeImageReference(reference, { short: true })).toBe(vector.alternate)
      expect(parseOstreeImageReference(vector.display)).toEqual(reference)
    },
  )

  test.each(golden.ostree_image_reference_errors)(
    'the ostree reference "$input" is rejected with "$error"',
    ({ input, error }) => {
      expect(() => parseOstreeImageReference(input)).toThrow(new InvalidNameError(input, error))
    },
  )

  test('the short spelling of a reference with a remote equals the long one (case A5)', () => {
    expect(parseOstreeImageReference('ostree-remote-registry:myremote:quay.io/exampleos/blah')).toEqual(
      parseOstreeImageReference('ostree-remote-image:myremote:registry:quay.io/exampleos/blah'),
    )
  })

  test('any text parses as a reference or is rejected with a typed error', () => {
    const scheme = fc.constantFrom('ostree-image-signed:', 'ostree-remote-image:', 'ostree-unverified-registry:', '')
    fc.assert(
      fc.property(scheme, fc.string(), (prefix, rest) => {
        try {
          const reference = parseOstreeImageReference(prefix + rest)
          expect(parseOstreeImageReference(formatOstreeImageReference(reference))).toEqual(reference)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidNameError)
        }
      }),
    )
  })

  test.each(['ostree-image-signed', 'ostree-unverified-image', 'ostree-remote-image:fedora'])(
    'the signature source %s is parsed and formatted',
    (text) => expect(formatSignatureSource(parseSignatureSource(text))).toBe(text),
  )

  test('an unknown signature source is rejected', () => {
    expect(() => parseSignatureSource('ostree-remote-image')).toThrow('Invalid signature source: ostree-remote-image')
  })
})

describe('transports', () => {
  test.each([
    ['registry:example.com/image', 'registry'],
    ['docker://example.com/image', 'registry'],
    ['registry:', 'registry'],
    ['oci:/path/with:colon/image', 'oci'],
    ['containers-storage', 'containers-storage'],
    ['docker', 'registry'],
  ])('the reference %s has the transport %s (case A8)', (text, transport) =>
    expect(parseTransport(text)).toBe(transport),
  )

  test.each([
    ['example.com:8080/image', 'Invalid transport: example.com'],
    [':', 'Invalid transport: '],
    ['docker:x', 'Invalid transport: docker'],
    ['', "Missing ':' in imgref"],
    ['example.com/image', "Missing ':' in imgref"],
  ])('the reference "%s" is rejected by the parser of transports (case A8)', (text, error) =>
    expect(() => parseTransport(text)).toThrow(new InvalidNameError(text, error)),
  )
})
