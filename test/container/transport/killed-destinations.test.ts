/** Images written to layouts and archives that have images already, by processes that are killed at any step. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../support/temporary.ts'
import { KILLED, killedAfter, readTexts, writeTexts } from './text-images.ts'

const OLD = ['shared', 'old layer', 'another old layer']
const NEW = ['shared', 'new layer']
const OTHER = ['shared', 'layer of another image']

describe.each([
  ['oci', ':tag', true],
  ['oci', '', false],
  ['oci-archive', ':tag', false],
  ['docker-archive', ':example/image:tag', false],
])('%s:PATH%s', (transport, name, hasOthers) => {
  test('a process that is killed at any step leaves the old image or the new one, complete', async () => {
    const seen: string[] = []
    for (let steps = 0, done = false; !done; steps++) {
      const path = `${transport}:${join(temporaryFolder(), 'image')}`
      if (hasOthers) await writeTexts(`${path}:other`, OTHER)
      await writeTexts(path + name, OLD)
      const [old] = await readTexts(path + name)
      const written = await writeTexts(path + name, NEW, killedAfter(steps)).catch((error: Error) => error)
      done = !(written instanceof Error)
      if (written instanceof Error) expect(written.message).toContain(KILLED)
      const [digest, ...texts] = await readTexts(path + name)
      seen.push(digest === old ? 'old' : 'new')
      expect(texts).toEqual(digest === old ? OLD : NEW)
      if (hasOthers) expect((await readTexts(`${path}:other`)).slice(1)).toEqual(OTHER)
      await writeTexts(path + name, NEW)
      expect((await readTexts(path + name)).slice(1)).toEqual(NEW)
    }
    expect(seen.length).toBeGreaterThan(5)
    expect(seen.at(-1)).toBe('new')
    expect(seen.join(' ')).toMatch(/^(?:old )+(?:new ?)+$/)
  })
})
