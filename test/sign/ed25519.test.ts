/** Keys and signatures of type ed25519. The rules are those of libostree since 2026.3. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { ed25519, parseEd25519Key, parseEd25519Keys } from '../../src/sign/index.ts'

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const key = (fill: number) => new Uint8Array(32).fill(fill)

describe('a file of ed25519 keys', () => {
  test('lines that are not keys are skipped as long as one line is a key', () => {
    const text = `# a comment\n${base64(key(1))}\nbm90IGEga2V5\n${base64(key(2))}\n`
    expect(parseEd25519Keys(text)).toEqual([key(1), key(2)])
    expect(parseEd25519Keys(base64(key(3)))).toEqual([key(3)])
  })

  test('without a key, the error is that of the first line', () => {
    expect(() => parseEd25519Keys('YWJj\nYWI=\n')).toThrow(
      'ed25519: unable to read from NULL key-data input stream: Invalid ed25519 public key: Ill-formed input: expected 32 bytes, got 3 bytes',
    )
  })

  test('an empty line fails the whole file, also after good keys', () => {
    expect(() => parseEd25519Keys(`${base64(key(1))}\n\n`)).toThrow('Invalid base64 blob format')
    expect(() => parseEd25519Keys('')).toThrow('no valid keys')
  })

  test('characters that are not of base64 are ignored', () => {
    expect(parseEd25519Key(` ${base64(key(7)).replace('B', '*B-')}`)).toEqual(key(7))
  })
})

describe('an ed25519 signature', () => {
  test('failures name the keys in reverse order of loading, each key once', async () => {
    const failed = ed25519.verify(key(0), [new Uint8Array(64)], { trusted: [key(1), key(2), key(1)] })
    await expect(failed).rejects.toThrow(
      `ed25519: Signature couldn't be verified with: key '${toHex(key(2))}'; key '${toHex(key(1))}'`,
    )
  })

  test('a signature of another length is an error, also beside a good key', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const right = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32))
    const good = new Uint8Array(sign(null, key(5), privateKey))
    await expect(ed25519.verify(key(5), [new Uint8Array(3), good], { trusted: [right] })).rejects.toThrow(
      /^Invalid signature: Ill-formed input: expected 64 bytes, got 3 bytes$/,
    )
    expect(await ed25519.verify(key(5), [good], { trusted: [key(9), right] })).toContain('verified successfully')
  })
})
