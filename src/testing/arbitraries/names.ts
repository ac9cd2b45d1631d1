/** fast-check generators of key files and of references to images. */

import fc from 'fast-check'
import type { ImageReference, Transport } from '../../container/index.ts'
import { block, printedAs } from '../printing.ts'

/** A key file as values: groups in order, each with its keys in order. */
export interface KeyFileSample {
  readonly groups: readonly (readonly [name: string, keys: readonly (readonly [key: string, value: string])[]])[]
  /** One of the texts that mean the values: with comments, blank lines and spaces around `=`. */
  readonly text: string
}

const anyGroupName = fc.oneof(
  fc.constantFrom('core', 'remote "origin"', 'a b'),
  fc.stringMatching(/^[A-Za-z0-9 "._-]{1,12}$/),
)
const anyKey = fc.oneof(fc.constantFrom('mode', 'url', 'gpg-verify'), fc.stringMatching(/^[A-Za-z0-9-]{1,10}$/))
/** Values without escapes, and without spaces at their ends, which readers remove. */
const anyValue = fc
  .oneof(fc.constantFrom('', 'true', 'a=b', '#x', '[y]', 'a;b;'), fc.stringMatching(/^[ -[\]-~éß字]{0,20}$/))
  .map((value) => value.trim())
const anyNoise = fc.constantFrom('', '\n', '# a comment\n', '#[core]\n', '\n\n')

/** Generates key files with their texts. Names of groups differ, as do the keys of one group. */
export const anyKeyFile: fc.Arbitrary<KeyFileSample> = fc
  .record({
    groups: fc.uniqueArray(
      fc.tuple(anyGroupName, fc.uniqueArray(fc.tuple(anyKey, anyValue), { selector: ([key]) => key, maxLength: 4 })),
      { selector: ([name]) => name, maxLength: 4 },
    ),
    noise: fc.array(anyNoise, { minLength: 1, maxLength: 5 }),
    equals: fc.constantFrom('=', ' = ', '= '),
  })
  .map(({ groups, noise, equals }) => {
    let lines = 0
    const between = () => noise[lines++ % noise.length] as string
    const parts = groups.map(([name, keys]) => {
      const body = keys.map(([key, value]) => `${between()}${key}${equals}${value}\n`)
      return `${between()}[${name}]\n${body.join('')}`
    })
    const text = parts.join('')
    return printedAs<KeyFileSample>({ groups, text }, () => block(text.split('\n')))
  })

const TRANSPORTS: readonly Transport[] = [
  'registry',
  'oci',
  'oci-archive',
  'docker-archive',
  'containers-storage',
  'dir',
  'docker-daemon',
]

const anyHost = fc.constantFrom(
  'quay.io',
  'localhost',
  'localhost:5000',
  '127.0.0.1:5000',
  'registry.example.org',
  '[::1]:5000',
)
const anyRepository = fc
  .array(fc.stringMatching(/^[a-z0-9]{1,6}(?:[._-][a-z0-9]{1,4}){0,2}$/), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))
const anyTag = fc.oneof(fc.constantFrom('latest', '1.0', '_'), fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/))
const anyDigest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`)
const anyPath = fc
  .array(fc.constantFrom('srv', 'a b', 'image', 'é', '..', 'x@y', 'a.tar'), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`)

/** Generates the name of an image in a registry: host, repository, and a tag, a digest or neither. */
export const anyRegistryName: fc.Arbitrary<string> = fc
  .tuple(
    anyHost,
    anyRepository,
    fc.oneof(
      fc.constant(''),
      anyTag.map((tag) => `:${tag}`),
      anyDigest.map((digest) => `@${digest}`),
    ),
  )
  .map(([host, repository, end]) => `${host}/${repository}${end}`)

/** Generates references to images of all transports. */
export const anyImageReference: fc.Arbitrary<ImageReference> = fc.constantFrom(...TRANSPORTS).chain((transport) => {
  const path = fc.tuple(
    anyPath,
    fc.oneof(
      fc.constant(''),
      anyTag.map((tag) => `:${tag}`),
    ),
  )
  const name =
    transport === 'registry' ? anyRegistryName : path.map(([at, tag]) => at + (transport === 'dir' ? '' : tag))
  return name.map((name) => printedAs<ImageReference>({ transport, name }, () => `${transport}:${name}`))
})
