import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InvalidNameError } from '../../../src/errors.ts'
import { addCookie, deleteCookie, parseCookies } from '../../../src/repo/internal.ts'
import { createRepo } from '../../../src/repo/local.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const cookie = { domain: '.example.com', path: '/', secure: true, expires: 2n ** 40n, name: 'a', value: 'b c' }

test('only the owner can read a cookie jar, also one that others could read before', async () => {
  const folder = temporaryFolder()
  await using repo = await createRepo(folder, { mode: 'archive' })
  const jar = join(folder, 'origin.cookies.txt')
  const mode = () => statSync(jar).mode & 0o7777
  await addCookie(repo, 'origin', cookie)
  expect(mode()).toBe(0o600)
  writeFileSync(join(folder, 'other.cookies.txt'), '# a comment', { mode: 0o644 })
  await addCookie(repo, 'other', cookie)
  expect(statSync(join(folder, 'other.cookies.txt')).mode & 0o7777).toBe(0o600)
  expect(parseCookies(readFileSync(join(folder, 'other.cookies.txt'), 'utf8'))).toEqual([cookie])
  await deleteCookie(repo, 'origin', cookie)
  expect(mode()).toBe(0o600)
})

test.each(['domain', 'path', 'name', 'value'] as const)('a control character in the %s is refused', async (field) => {
  const folder = temporaryFolder()
  await using repo = await createRepo(folder, { mode: 'archive' })
  await addCookie(repo, 'origin', cookie)
  for (const character of ['\t', '\n', '\r', '\0', '\ud800']) {
    const adding = addCookie(repo, 'origin', { ...cookie, [field]: `x${character}y` })
    await expect(adding).rejects.toThrow(InvalidNameError)
  }
  expect(parseCookies(readFileSync(join(folder, 'origin.cookies.txt'), 'utf8'))).toEqual([cookie])
})
