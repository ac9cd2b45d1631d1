/** Modes of entries with ACLs, and large owners, as `ostree commit --tree=tar` stores them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { HeaderBlock } from '../../../../src/tar/index.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { dir, file, symlink, type TarEntry, tarBytes } from '../../../support/tar-bytes.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { take } from './take-tar.ts'

const ACCESS = 'SCHILY.acl.access'
const withAcl = (text: string, more: Partial<TarEntry> = {}): TarEntry =>
  file('f', 'x', { mode: 0o664, pax: [[ACCESS, text]], ...more })

const ACLS = [
  'user::rw-,user:lisa:rwx,group::r--,mask::rwx,other::r--',
  'user::rwx,group::r-x,other::--x',
  'user::rw-,group::r--,other::---,user:1000:rwx:1000',
  'garbage',
  'user::rwx,foo',
  'user::r--\ngroup::-w-\nother::--x\n',
  'u::rwx,g::r,o::x',
  'user::7,group::5,other::1',
  ' user : : rw- , group : : r-- ,other::---',
  'user::rw-#effective:r--\ngroup::r-- # x\nother::---',
  '#user::---\nuser::r--',
  'user::rwx,default:user::r--,default:group::r--,d:other::rwx,defaultother::rwx',
  'user::r--',
  '',
  'user::r--,user::rwx,group::r--,other::---',
  'user::rw-,group::r--,other::---:5',
  'user::rw-,group::r--,other:rwx',
  'user::rw-:5,group::r--:x,other::---:5:6',
  'USER::rw-,group::R--,other::---',
  'user:lisa:rwx:1000,user::rw-,group::r--,mask::r--,other::---',
  'mask::---',
  'user::r-X,group::rw-x,other::--',
  'user::\nr--,group:\n:r--,other\n::---',
]

describeReference('ostree', 'entries with ACLs and large owners', () => {
  const folder = temporaryFolder('disk')
  const repo = join(folder, 'repo')
  beforeAll(() => run('ostree', ['init', '--repo', repo, '--mode=archive']))

  async function expectEqual(bytes: Uint8Array): Promise<void> {
    writeFileSync(join(folder, 'input.tar'), bytes)
    const fixed = ['--orphan', '--no-bindings', '--timestamp=@0', '--fsync=false', '--tar-autocreate-parents']
    const theirs = run('ostree', ['commit', '--repo', repo, ...fixed, `--tree=tar=${join(folder, 'input.tar')}`])
    expect(`${(await take(bytes)).commit}\n`).toBe(theirs.toString())
  }

  test.each(ACLS)('the ACL %j gives the same mode', (text) => expectEqual(tarBytes([withAcl(text)])))

  test('ACLs of directories and links, default ACLs, and bits of set-user-id are handled alike', () =>
    expectEqual(
      tarBytes([
        dir('a', { mode: 0o775, pax: [[ACCESS, ACLS[0] as string]] }),
        dir('b', { mode: 0o755, pax: [['SCHILY.acl.default', 'user::rwx,group::---,other::---']] }),
        symlink('c', 'x', { pax: [[ACCESS, ACLS[1] as string]] }),
        withAcl('user::r--,group::r--,mask::rwx,other::---', { name: 'd', mode: 0o6775 }),
        file('e', 'x', { mode: 0o664, pax: [['SCHILY.acl.ace', 'owner@:rwx-----------:-------:allow']] }),
        file('g', 'x', {
          pax: [
            [ACCESS, 'user::r--'],
            [ACCESS, 'group::---'],
          ],
        }),
        file('h', 'x', { pax: [[ACCESS, new Uint8Array([0x6f, 0x3a, 0x3a, 0x78, 0, 0x2c, 0x75, 0x3a, 0x3a, 0x72])]] }),
      ]),
    ))

  test('random texts of ACLs give the same modes', async () => {
    const word = fc.constantFrom(
      'user',
      'group',
      'other',
      'mask',
      'u',
      'g',
      'o',
      'x',
      'rw-',
      'r',
      '7',
      '---',
      '#',
      ' ',
      '',
    )
    const text = fc
      .array(fc.tuple(word, fc.constantFrom(':', '::', ',', '\n', '')), { maxLength: 8 })
      // Before a field without letters libarchive trims spaces beyond its begin.
      .map((parts) => parts.flat().join(''))
      .filter((acl) => !/(^|[ ,:\n#]) +(:|,|\n|#|$)/.test(acl))
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 20, maxLength: 20 }), (texts) =>
        expectEqual(tarBytes(texts.map((acl, i) => withAcl(acl, { name: `${i}` })))),
      ),
      { numRuns: 40 },
    )
  })

  test.each(['-1', '-2', '4294967301', '8589934599', '9007199254740993', '-9007199254740995', '9223372036854775807'])(
    'the owner %s of a PAX record is taken modulo 2^32',
    (uid) =>
      expectEqual(
        tarBytes([
          file('d/f', 'x', {
            pax: [
              ['uid', uid],
              ['gid', `${uid}0`],
            ],
          }),
        ]),
      ),
  )

  test.each([-1, -(2 ** 40) - 5, 2 ** 32 + 5, 2 ** 50 + 3])('the owner %d of a header is taken modulo 2^32', (uid) => {
    const block = new HeaderBlock('ustar')
    block.name = new TextEncoder().encode('d/f')
    block.mode = 0o644
    block.uid = uid
    block.gid = uid - 1
    block.size = 0
    return expectEqual(new Uint8Array([...block.seal(), ...new Uint8Array(1024)]))
  })

  test('a volume label belongs to no entry, and an archive may have nothing else', async () => {
    const label: TarEntry = { name: 'label', type: 'V' }
    await expectEqual(tarBytes([label]))
    await expectEqual(tarBytes([label, file('f'), label, file('g', 'y', { pax: [['uid', '7']] }), label]))
  })
})
