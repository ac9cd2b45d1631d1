/** Texts of a repository and a host: key files, names, keys, patterns, lists, boot entries. */
import { KeyFile } from '../../../src/keyfile/index.ts'
import { parseObjectName } from '../../../src/objects/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { parseConfig } from '../../../src/repo/core/config.ts'
import { parseDeltaName } from '../../../src/repo/deltas/delete.ts'
import { parseBase } from '../../../src/repo/fetch/base.ts'
import { fetchByMetalink } from '../../../src/repo/fetch/metalink.ts'
import { parseCookies, parseSkipList, parseStatOverrides } from '../../../src/repo/internal.ts'
import { parseRefspec } from '../../../src/repo/refs/refs.ts'
import { FileContexts } from '../../../src/selinux/index.ts'
import { parseEd25519Keys } from '../../../src/sign/ed25519.ts'
import { describeKeys, mergeKeyRings, verifyOpenPgp } from '../../../src/sign/index.ts'
import { readPem } from '../../../src/sign/spki.ts'
import { parseUserId } from '../../../src/sign/user-id.ts'
import { parseBootEntry, splitKernelArgs } from '../../../src/sysroot/boot-entry.ts'
import { parseOsRelease } from '../../../src/sysroot/os-release.ts'
import { goldenJson } from '../../support/golden.ts'
import { base64, type FuzzTarget, ofText, orTyped, orTypedLater, rule, texts } from '../target.ts'

const METALINK = `<?xml version="1.0" encoding="utf-8"?><metalink version="3.0" xmlns="http://www.metalinker.org/">
<files><file name="summary"><size>3</size><verification><hash type="sha256">${'ab'.repeat(32)}</hash></verification>
<resources maxconnections="1"><url protocol="http" type="http" preference="100">http://a.example/summary</url></resources>
</file></files></metalink>`
const PEM =
  '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n'
const KEY_FILE =
  '[core]\nrepo_version=1\nmode=bare-user\n# c\n[remote "a"]\nurl=http://x/\\n\ngpg-verify=false\nlist=a;b;\\;c;\nnumber=42\nlarge=18446744073709551615\nName[de]=x\n'

/** Makes the tests of a text's parsers: each that accepts the text may not fail in another way than with an error of the library. */
function each(...parsers: readonly ((text: string) => unknown)[]): (input: Uint8Array) => unknown {
  return ofText((text) => {
    for (const parse of parsers) orTyped(() => parse(text))
  })
}

function readKeyFile(text: string): void {
  const file = KeyFile.parse(text)
  for (const group of file.groups()) {
    for (const key of file.keys(group)) {
      orTyped(() => file.getBoolean(group, key))
      orTyped(() => file.getInteger(group, key))
      orTyped(() => file.getUint64(group, key))
      orTyped(() => file.getList(group, key))
      orTyped(() => file.getString(group, key))
    }
  }
  const printed = file.toString()
  rule(KeyFile.parse(printed).toString() === printed, 'the printed key file is read differently')
  KeyFile.parse(text, 'x', { keep: 'values' })
}

interface GpgResults {
  readonly cases?: unknown
}
const strings = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(strings)
      : []
/** Key rings and signatures, which are the long texts in base64 of the golden file. */
const PACKETS = strings(goldenJson<GpgResults>('sign/gpg-results.json'))
  .filter((text) => text.length > 100 && text.length < 6000 && /^[A-Za-z0-9+/]+=*$/.test(text))
  .slice(0, 30)
  .map(base64)

export const TEXT_TARGETS: readonly FuzzTarget[] = [
  { name: 'key file', share: 4, seeds: texts(KEY_FILE), run: ofText(readKeyFile) },
  {
    name: 'repository config',
    share: 2,
    seeds: texts(
      '[core]\nrepo_version=1\nmode=archive-z2\nmin-free-space-size=5MB\n[archive]\nzlib-level=6\n',
      KEY_FILE,
    ),
    run: ofText(parseConfig),
  },
  {
    name: 'names',
    share: 6,
    seeds: texts(
      'main',
      'origin:a/b',
      `${'ab'.repeat(32)}.commit`,
      'Z1kv0Zp8Ceg0AV1hVQrrb4wUvRg9I3qyKMCACFTbiKs-R_yyD5xrkEiE_f6CyBwdtSybqSx+lGUh6jZb3fFj4qM',
      'http://a.example/r;p',
      'A <a@b.c> (x)',
    ),
    run: each(parseRefspec, parseObjectName, parseDeltaName, parseBase, parseUserId),
  },
  {
    name: 'metalink',
    share: 2,
    seeds: texts(METALINK),
    async run(input) {
      const fetcher = { read: async () => input }
      await fetchByMetalink(fetcher as never, nodePlatform, 'http://a.example/m', 'summary')
    },
  },
  {
    name: 'SELinux contexts',
    share: 0.3,
    seeds: texts(
      '/usr(/.*)?\t\tsystem_u:object_r:usr_t:s0\n/dev/.*tty[^/]*\t-c\tsystem_u:object_r:tty_t:s0\n# c\n/x\t<<none>>\n',
      '/a{1,3}(b|c)+?[^d-f]\\.x\tu:r:t:s0\n/\\x2f[[:alpha:]]*$\t--\tu:r:t:s0\n',
    ),
    run: ofText((text) => {
      const contexts = new FileContexts({ fileContexts: text, subs: text, subsDist: text }, { maxWork: 100_000 })
      for (const path of ['/usr/bin/sh', '/dev/tty1', `/${'a'.repeat(300)}`, '//x/', '/aab.x', '/é\n'])
        orTyped(() => contexts.lookup(path, 0))
    }),
  },
  {
    name: 'keys',
    share: 3,
    seeds: texts('Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n', PEM),
    run: each(parseEd25519Keys, (text) => readPem(text, 'PUBLIC KEY')),
  },
  {
    name: 'OpenPGP packets',
    share: 0.05,
    seeds: PACKETS,
    async run(input) {
      await orTypedLater(async () => mergeKeyRings(input, [PACKETS[0] as Uint8Array]))
      await orTypedLater(() => describeKeys([input], 1_700_000_000))
      await orTypedLater(() => verifyOpenPgp(input, [input], PACKETS, 1_700_000_000))
    },
  },
  {
    name: 'lists of a commit',
    share: 3,
    seeds: texts('=420 /a\n16 /usr/bin/x y\n-1 /b\n', '/a\n/b c\n\n'),
    run: each(parseStatOverrides, parseSkipList),
  },
  {
    name: 'cookies, boot entries, os-release',
    share: 3,
    seeds: texts(
      'a.example\tTRUE\t/\tFALSE\t0\tname\tvalue\n#HttpOnly_a\tTRUE\t/\tTRUE\t9\tn\tv\n',
      'title x\nversion 1\noptions root=UUID=1 rw "a b"\nlinux /ostree/a/vmlinuz\ninitrd /a\n',
      'NAME="a \\"b\\""\nPRETTY_NAME=\'x\'\nVERSION_ID=1\n# c\n',
    ),
    run: each(parseCookies, parseBootEntry, splitKernelArgs, parseOsRelease),
  },
]
